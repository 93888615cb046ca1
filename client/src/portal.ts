/** The conversation with the portal: login, requests, tickets and coming back after a loss of the network. */

import { PalaverError, within } from "./errors.js";
import { Emitter } from "./events.js";
import type { PortalSocket } from "./socket.js";
import type { Answers, LoginAnswer, Notifications, Requests } from "./wire.gen.js";

const SDK = { version: "0.1.0", type: "JavaScript" } as const;
const NOTIFICATIONS = ["participant", "text", "stream", "progress", "subscription", "recording"] as const;
const SERVER_DISCONNECT = "io server disconnect";
/** A ticket is renewed this long before it ends; a shorter-lived one `LATE_MS` before. */
const EARLY_MS = 60_000;
const LATE_MS = 10_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Why a conference is over: we left, the server removed us, or the way back to it was lost. */
export type Ending = "left" | "dropped" | "lost";

export interface Deadlines {
  /** Connecting and login, together. */
  joinMs: number;
  /** Each answer to a request. */
  answerMs: number;
  /** From an offer to media that flows. */
  mediaMs: number;
  /** Trying to come back. The server holds our place for a minute unless it is told otherwise. */
  returnMs: number;
}

export type PortalEvents = { [Name in (typeof NOTIFICATIONS)[number]]: Notifications[Name] } & {
  reconnecting: undefined;
  reconnected: undefined;
  ended: Ending;
};

type State = "joining" | "inside" | "away" | "over";
type Waiting = { go: () => void; fail: (error: PalaverError) => void };

/** One session at the portal. It outlives sockets: while away, requests wait until the session is resumed. */
export class Portal extends Emitter<PortalEvents> {
  #state: State = "joining";
  #ticket: string | undefined;
  #refresh: ReturnType<typeof setTimeout> | undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;
  readonly #held = new Set<Waiting>();
  readonly #open = new Set<(error: PalaverError) => void>();

  constructor(
    readonly socket: PortalSocket,
    readonly deadlines: Deadlines,
  ) {
    super();
    for (const name of NOTIFICATIONS)
      socket.on(name, (data) => {
        if (this.#state !== "over") this.emit(name, data);
      });
    socket.on("drop", () => this.#end("dropped"));
    socket.on("connect", () => void this.#connected());
    socket.on("disconnect", (reason: string) => this.#disconnected(reason));
  }

  /** Enters by a token, once. Rejects with `refused`, `unreachable` or `timeout`; then the socket is closed. */
  async login(token: string): Promise<LoginAnswer> {
    const unreachable = new Promise<never>((_, reject) => {
      this.socket.on("connect_error", (error: Error) => {
        if (this.#state === "joining")
          reject(new PalaverError("unreachable", "the server cannot be reached", { cause: error }));
      });
    });
    const login = this.#send("login", { token, userAgent: { sdk: SDK }, protocol: "1.2" });
    try {
      const answer = await within(Promise.race([login, unreachable]), this.deadlines.joinMs, "joining");
      this.#state = "inside";
      this.#keep(answer.reconnectionTicket);
      return answer;
    } catch (error) {
      this.#state = "over";
      this.socket.disconnect();
      throw error;
    }
  }

  /** Sends a request, as soon as we are inside. Rejects with `refused`, `timeout`, `lost` or `ended`. */
  request<Name extends keyof Requests>(
    name: Name,
    ...[data]: Requests[Name] extends null ? [] : [Requests[Name]]
  ): Promise<Answers[Name]> {
    if (this.#state === "over")
      return Promise.reject(new PalaverError("ended", `${name}: the conference is over`));
    const sent =
      this.#state === "inside" ? this.#send(name, data) : this.#turn().then(() => this.#send(name, data));
    return within(sent, this.deadlines.answerMs, name);
  }

  /** Says goodbye and closes; never rejects. What is sent here leaves even while the page is being closed. */
  async leave(): Promise<void> {
    if (this.#state === "over") return;
    const goodbye = this.#state === "inside" ? this.#send("logout", undefined) : Promise.resolve();
    await within(goodbye, 2000, "logout").catch(() => undefined);
    this.#end("left");
  }

  #turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = { go: () => resolve(), fail: reject };
      this.#held.add(waiting);
    });
  }

  #send<Name extends keyof Requests>(name: Name, data: unknown): Promise<Answers[Name]> {
    return new Promise((resolve, reject) => {
      this.#open.add(reject);
      this.socket.emit(name, data, (status, answer) => {
        this.#open.delete(reject);
        if (status === "ok") resolve(answer as Answers[Name]);
        else reject(new PalaverError("refused", typeof answer === "string" ? answer : `${name}: refused`));
      });
    });
  }

  async #connected(): Promise<void> {
    if (this.#state !== "away") return;
    if (this.#ticket === undefined) return this.#end("lost");
    try {
      const answer = await within(this.#send("relogin", this.#ticket), this.deadlines.answerMs, "relogin");
      if (this.#state === "away") this.#resumed(answer);
    } catch (error) {
      // Refused: there is no way back. Unanswered: try with another connection. Lost: Socket.IO does that by itself.
      const code = error instanceof PalaverError ? error.code : "refused";
      if (code === "refused") this.#end("lost");
      else if (code === "timeout" && this.#state === "away") this.#again();
    }
  }

  #again(): void {
    this.socket.disconnect();
    this.socket.connect();
  }

  #resumed(answer: Answers["relogin"]): void {
    clearTimeout(this.#patience);
    this.#state = "inside";
    this.#keep(typeof answer === "string" ? answer : answer.ticket);
    this.emit("reconnected", undefined);
    for (const waiting of this.#held) waiting.go();
    this.#held.clear();
  }

  #disconnected(reason: string): void {
    if (this.#state === "over") return;
    this.#fail("lost", "the connection to the server was lost");
    if (this.#state === "inside") {
      this.#state = "away";
      clearTimeout(this.#refresh);
      this.#patience = setTimeout(() => this.#end("lost"), this.deadlines.returnMs);
      this.emit("reconnecting", undefined);
    }
    // A server that goes down politely says so, and Socket.IO then stays away unless it is asked to try again.
    if (reason === SERVER_DISCONNECT && this.#state === "away") this.socket.connect();
  }

  #fail(code: "lost" | "ended", message: string): void {
    for (const reject of this.#open) reject(new PalaverError(code, message));
    this.#open.clear();
  }

  #end(ending: Ending): void {
    if (this.#state === "over") return;
    const told = this.#state !== "joining";
    this.#state = "over";
    clearTimeout(this.#refresh);
    clearTimeout(this.#patience);
    this.#fail("ended", "the conference is over");
    for (const waiting of this.#held) waiting.fail(new PalaverError("ended", "the conference is over"));
    this.#held.clear();
    this.socket.disconnect();
    if (told) this.emit("ended", ending);
  }

  #keep(ticket: string | undefined): void {
    this.#ticket = ticket;
    clearTimeout(this.#refresh);
    const lifeMs = ticket === undefined ? undefined : ticketLifeMs(ticket);
    if (lifeMs === undefined) return;
    const delay = lifeMs > EARLY_MS ? lifeMs - EARLY_MS : Math.max(lifeMs - LATE_MS, 1000);
    this.#refresh = setTimeout(() => void this.#renew(), Math.min(delay, LONGEST_TIMER_MS));
  }

  async #renew(): Promise<void> {
    // A refusal is no harm: the old ticket is good for a while, and its end shows at the next loss.
    const ticket = await this.request("refreshReconnectionTicket").catch(() => undefined);
    if (ticket !== undefined && this.#state === "inside") this.#keep(ticket);
  }
}

/** Milliseconds that a ticket is still good for; undefined if it does not say. */
export function ticketLifeMs(ticket: string): number | undefined {
  try {
    const { notAfter } = JSON.parse(atob(ticket)) as { notAfter?: unknown };
    return typeof notAfter === "number" ? notAfter - Date.now() : undefined;
  } catch {
    return undefined;
  }
}
