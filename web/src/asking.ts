/** How the page asks its server for what belongs to one room. */

import { place } from "./place.js";
import { UNREACHABLE } from "./words.js";

/** The JSON answer of `demo/rooms/{room}/{path}`. Rejects with words for people. */
export async function askRoom<T>(
  room: string,
  path: string,
  method: string,
  body: object | undefined,
  timeoutMs: number,
): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(place(`demo/rooms/${encodeURIComponent(room)}/${path}`), {
      method,
      ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch {
    throw new Error(UNREACHABLE);
  }
  const said = (await answer.json().catch(() => ({}))) as T & { error?: { message: string } };
  if (!answer.ok) throw new Error(said.error?.message ?? `the server answered ${answer.status}`);
  return said;
}
