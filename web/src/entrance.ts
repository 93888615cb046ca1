/** How the page gets its token: by the demo, or from the address. */

import { place } from "./place.js";
import { UNREACHABLE } from "./words.js";

/** `demo`: anybody may enter any room by name. `token`: the address brought one. `closed`: neither. */
export type Entrance =
  | { way: "demo" }
  | { way: "token"; token: string }
  | { way: "closed" }
  | { way: "offline" };

export interface Pass {
  token: string;
  /** What to call the room; undefined: the token does not say. */
  room: string | undefined;
}

export async function findEntrance(): Promise<Entrance> {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) return { way: "token", token };
  try {
    const answer = await fetch(place("demo/config"), { signal: AbortSignal.timeout(8000) });
    if (!answer.ok) return { way: "closed" };
    const { demo } = (await answer.json()) as { demo: boolean };
    return { way: demo ? "demo" : "closed" };
  } catch {
    return { way: "offline" };
  }
}

/** A token for a room by its name, from the demo. Rejects with words for people. */
export async function demoPass(room: string, user: string): Promise<Pass> {
  let answer: Response;
  try {
    answer = await fetch(place("demo/join"), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ room, user }),
      signal: AbortSignal.timeout(15_000),
    });
  } catch {
    throw new Error(UNREACHABLE);
  }
  const said = (await answer.json().catch(() => ({}))) as {
    token?: string;
    room?: { name: string };
    error?: { message: string };
  };
  if (!answer.ok || !said.token)
    throw new Error(said.error?.message ?? `the server answered ${answer.status}`);
  return { token: said.token, room: said.room?.name ?? room };
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

export function inviteLink(room: string): string {
  return place(`?room=${encodeURIComponent(room)}`);
}
