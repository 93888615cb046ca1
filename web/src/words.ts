/** What went wrong, in people's words. */

import { PalaverError } from "palaver-client";

export const UNREACHABLE = "The server cannot be reached. Check your network and try again.";

const REFUSALS: readonly [RegExp, string][] = [
  [/full/i, "This room is full. Ask somebody inside to make space, or try again later."],
  [/expired|too old/i, "This link has expired. Ask for a new one."],
  [/token|signature|used/i, "This link was used already or is no longer good. Ask for a new one."],
  [/role|unauthorized|forbid/i, "You are not allowed to do this in this room."],
];

/** For an error of joining or of doing something in a conference. */
export function explained(error: unknown): string {
  if (error instanceof PalaverError) {
    if (error.code === "unreachable" || error.code === "lost") return UNREACHABLE;
    if (error.code === "timeout") return "The server takes too long to answer. Try again in a moment.";
    if (error.code === "media") return "Sound and picture cannot get through. A firewall may be in the way.";
  }
  const reason = error instanceof Error ? error.message : String(error);
  return REFUSALS.find(([pattern]) => pattern.test(reason))?.[1] ?? `That did not work: ${reason}`;
}

const DEVICE_PROBLEMS: Record<string, (device: string) => string> = {
  NotAllowedError: (device) =>
    `Your browser blocks the ${device}. Allow it next to the address bar, or join without.`,
  SecurityError: (device) =>
    `Your browser blocks the ${device}. Allow it next to the address bar, or join without.`,
  NotFoundError: (device) => `No ${device} was found.`,
  OverconstrainedError: (device) => `No ${device} was found.`,
  NotReadableError: (device) => `The ${device} is in use by another program.`,
  AbortError: (device) => `The ${device} is in use by another program.`,
};

/** For a microphone or a camera that cannot be had. */
export function deviceProblem(device: "microphone" | "camera", error: unknown): string {
  if (!navigator.mediaDevices) return `Browsers open the ${device} only on secure (https) pages.`;
  const name = error instanceof DOMException ? error.name : "";
  return (DEVICE_PROBLEMS[name] ?? (() => `The ${device} does not work.`))(device);
}

/** The problems of both devices, in one sentence where they are the same. */
export function deviceProblems(camera: string | undefined, mic: string | undefined): string {
  if (camera?.includes("blocks") && mic?.includes("blocks"))
    return "Your browser blocks the camera and the microphone. Allow them next to the address bar, or join without.";
  return [camera, mic].filter(Boolean).join(" ");
}

/** One or two letters to stand for a face. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return letters.map((word) => [...(word ?? "?")][0]?.toUpperCase() ?? "?").join("");
}

/** One of eight colours, always the same for a name. */
export function hueOf(name: string): number {
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 4096;
  return sum % 8;
}
