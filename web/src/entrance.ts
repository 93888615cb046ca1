/** How the page gets its token: by the demo, or from the address. */

import { place } from "./place.js";
import { UNREACHABLE } from "./words.js";

/**
 * `demo`: anybody may enter any room by name. `token`: the address brought one.
 * `invite`: the address brought an invitation; `refused` says why it lets nobody in. `closed`: none of these.
 */
export type Entrance =
  | { way: "demo" }
  | { way: "token"; token: string }
  | { way: "invite"; code: string; room: string }
  | { way: "refused"; reason: string }
  | { way: "closed" }
  | { way: "offline" };

export interface Pass {
  token: string;
  /** What to call the room; undefined: the token does not say. */
  room: string | undefined;
}

/** What the page says after its `#`. */
function carried(): URLSearchParams {
  return new URLSearchParams(location.hash.slice(1));
}

export async function findEntrance(): Promise<Entrance> {
  const token = carried().get("token");
  if (token) return { way: "token", token };
  try {
    const code = carried().get("invite");
    if (code !== null) return await invitation(code);
    const answer = await fetch(place("demo/config"), { signal: AbortSignal.timeout(8000) });
    if (!answer.ok) return { way: "closed" };
    const { demo } = (await answer.json()) as { demo: boolean };
    return { way: demo ? "demo" : "closed" };
  } catch {
    return { way: "offline" };
  }
}

/** Looks at an invitation, which does not use it up. */
async function invitation(code: string): Promise<Entrance> {
  const answer = await fetch(place(`invites/${encodeURIComponent(code)}`), {
    signal: AbortSignal.timeout(8000),
  });
  const said = (await answer.json().catch(() => ({}))) as Said & { usedUp?: boolean };
  if (answer.status === 404 || answer.status === 410)
    return { way: "refused", reason: reasonIn(said, answer) };
  if (!answer.ok || !said.room) return { way: "offline" };
  if (said.usedUp && !guestOf(code)) return { way: "refused", reason: "This invitation was used already." };
  return { way: "invite", code, room: said.room.name };
}

interface Said {
  token?: string;
  guest?: string;
  room?: { name: string };
  error?: { message: string };
}

function reasonIn(said: Said, answer: Response): string {
  return said.error?.message ?? `The server answered ${answer.status}.`;
}

/** A token for a room by its name, from the demo. Rejects with words for people. */
export async function demoPass(room: string, user: string): Promise<Pass> {
  const said = await asked("demo/join", { room, user });
  return { token: said.token, room: said.room?.name ?? room };
}

/** A token by an invitation. Whoever came by it before comes again without another use of it. */
export async function guestPass(code: string, user: string): Promise<Pass> {
  const returning = guestOf(code);
  const said = await asked(`invites/${encodeURIComponent(code)}`, { user, returning });
  if (said.guest) localStorage.setItem(GUEST + code, said.guest);
  return { token: said.token, room: said.room?.name };
}

const GUEST = "palaver.guest.";

function guestOf(code: string): string {
  return localStorage.getItem(GUEST + code) ?? "";
}

async function asked(where: string, what: object): Promise<Said & { token: string }> {
  let answer: Response;
  try {
    answer = await fetch(place(where), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(what),
      signal: AbortSignal.timeout(15_000),
    });
  } catch {
    throw new Error(UNREACHABLE);
  }
  const said = (await answer.json().catch(() => ({}))) as Said;
  if (!answer.ok || !said.token) throw new Error(reasonIn(said, answer));
  return { ...said, token: said.token };
}

const FIRST = [
  "amber",
  "brisk",
  "calm",
  "coral",
  "early",
  "gentle",
  "golden",
  "lively",
  "mellow",
  "quiet",
  "silver",
  "sunny",
];
const SECOND = [
  "brook",
  "canyon",
  "cedar",
  "harbor",
  "island",
  "lantern",
  "maple",
  "meadow",
  "otter",
  "robin",
  "summit",
  "willow",
];

/** A room name that is easy to say on the phone. */
export function freshRoom(): string {
  const [a, b, c] = crypto.getRandomValues(new Uint16Array(3));
  const pick = (words: readonly string[], n = 0) => words[n % words.length] ?? "room";
  return `${pick(FIRST, a)}-${pick(SECOND, b)}-${10 + ((c ?? 0) % 90)}`;
}

/** The link by which others come to where we are: our own invitation, or, where anybody may come, the room's name. */
export function inviteLink(room: string): string {
  const code = carried().get("invite");
  if (code !== null) return place(`#invite=${encodeURIComponent(code)}`);
  return place(`?room=${encodeURIComponent(room)}`);
}
