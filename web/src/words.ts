/** What went wrong, in people's words. */

import { type Failure, PalaverError } from "palaver-client";

export const UNREACHABLE = "The server cannot be reached. Check your network and try again.";

const REASONS: readonly [RegExp, string][] = [
  [/\bfull\b/i, "This room is full. Ask somebody inside to make space, or try again later."],
  [/\bexpired\b|too old/i, "This link has expired. Ask for a new one."],
  [/\b(token|signature|used)\b/i, "This link was used already or is no longer good. Ask for a new one."],
  [/\bcodec\b/i, "This room and your browser have no format in common for sound or picture."],
  [/\b(role|unauthorized)\b|\bforbid/i, "You are not allowed to do this in this room."],
];

const FAILURES: Partial<Record<Failure, string>> = {
  unreachable: UNREACHABLE,
  lost: UNREACHABLE,
  timeout: "The server takes too long to answer. Try again in a moment.",
  media: "Sound and picture cannot get through. A firewall may be in the way.",
};

/** For an error of joining or of doing something in a conference. */
export function explained(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  const known = REASONS.find(([pattern]) => pattern.test(reason))?.[1];
  const failure = error instanceof PalaverError ? FAILURES[error.code] : undefined;
  return known ?? failure ?? `That did not work: ${reason}`;
}

/** Whether an error of joining, or its cause, says that the token will never be good again. */
export function isSpent(error: unknown): boolean {
  if (error instanceof Error && error.cause !== undefined) return isSpent(error.cause);
  const refused = error instanceof PalaverError && error.code === "refused";
  return refused && /\b(token|expired)\b/i.test(error.message);
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

/** How long something is, as players show it. */
export function length(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (part: number) => String(part % 60).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60);
  return hours ? `${hours}:${two(minutes)}:${two(whole)}` : `${minutes}:${two(whole)}`;
}
