/** After a silent loss of the network the server says again what may not have arrived: nobody should read it twice. */

import type { TextMessage } from "palaver-client";

/** What is said again comes at once after the return. */
const BURST_MS = 400;
const REMEMBERED = 100;

/** Passes messages on to `show`; of those that come right after a return, only what is new. */
export class Replay {
  readonly #shown: TextMessage[] = [];
  #burst: TextMessage[] | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly show: (message: TextMessage) => void) {}

  heard(message: TextMessage): void {
    if (this.#burst) this.#burst.push(message);
    else this.#pass(message);
  }

  /** Call when the connection is back. */
  returned(): void {
    this.#settle();
    this.#burst = [];
    this.#timer = setTimeout(() => this.#settle(), BURST_MS);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    const burst = this.#burst ?? [];
    this.#burst = undefined;
    for (const message of burst.slice(repeated(this.#shown, burst))) this.#pass(message);
  }

  #pass(message: TextMessage): void {
    this.#shown.push(message);
    if (this.#shown.length > REMEMBERED) this.#shown.shift();
    this.show(message);
  }
}

/** How many of the first in `burst` are the last in `shown`, in the same order. */
export function repeated(shown: readonly TextMessage[], burst: readonly TextMessage[]): number {
  for (let count = Math.min(shown.length, burst.length); count > 0; count--) {
    const tail = shown.slice(-count);
    if (tail.every((message, i) => same(message, burst[i]))) return count;
  }
  return 0;
}

function same(a: TextMessage, b: TextMessage | undefined): boolean {
  return a.from === b?.from && a.to === b.to && a.message === b.message;
}
