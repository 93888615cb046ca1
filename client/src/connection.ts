/** The one peer connection: negotiations in turn, candidates, and the sessions that ride on it. */

import { PalaverError, within } from "./errors.js";
import type { Portal } from "./portal.js";
import type { Candidate, ProgressNotification, SessionAnswer, TransportRequest } from "./wire.gen.js";

/** What a publication or a subscription is to the connection. */
export interface Session {
  readonly id: string;
  readonly transceivers: readonly RTCRtpTransceiver[];
}

/** How to start a session: which sections it adds to the offer, and the request that announces them. */
export interface Opening {
  add(peer: RTCPeerConnection): RTCRtpTransceiver[];
  announce(transceivers: readonly RTCRtpTransceiver[], transport: TransportRequest): Promise<SessionAnswer>;
  withdraw(id: string): Promise<unknown>;
}

interface Pending {
  settle: { ready: () => void; failed: (reason: string) => void };
}

/** Owned by a conference, which replaces it when it `failed`. The client always offers. */
export class Connection {
  readonly #peer: RTCPeerConnection;
  #transport: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #answer: ((sdp: string) => void) | undefined;
  #offering = true;
  #closed = false;
  #candidates: Candidate[] = [];
  readonly #pending = new Map<string, Pending>();
  readonly #sessions = new Map<string, Session>();
  /** Sections of sessions that were refused. */
  readonly #unused = new Set<RTCRtpTransceiver>();

  constructor(
    readonly portal: Portal,
    createPeer: (configuration: RTCConfiguration) => RTCPeerConnection,
    iceServers: RTCIceServer[],
    readonly told: { sessionEnded(id: string, reason: string): void; failed(reason: string): void },
  ) {
    this.#peer = createPeer({ bundlePolicy: "max-bundle", iceServers });
    this.#peer.onicecandidate = ({ candidate }) => this.#found(candidate);
    this.#peer.onconnectionstatechange = () => {
      if (this.#peer.connectionState === "failed") this.#fail("the media connection broke");
    };
  }

  /** Statistics of everything that is sent and received. */
  stats(): Promise<RTCStatsReport> {
    return this.#peer.getStats();
  }

  /** Resolves when media can flow; otherwise everything is undone and it rejects. */
  async open(opening: Opening): Promise<Session> {
    let ready: Promise<void> | undefined;
    const session = await this.#inTurn(() =>
      this.#negotiate(opening, (id) => {
        ready = this.#untilReady(id);
      }),
    );
    try {
      await ready;
      return session;
    } catch (error) {
      this.#release(session);
      await opening.withdraw(session.id).catch(() => undefined);
      throw error;
    }
  }

  /** Stops using the sections of a session. The server is told by whoever ends the session. */
  release(session: Session): void {
    this.#release(session);
  }

  /** Takes a progress notification; false: it is not about this connection. */
  handle(progress: ProgressNotification): boolean {
    const session = progress.status === "soac" ? undefined : progress.sessionId;
    if (session !== undefined && !this.#knows(session)) return false;
    if (session === undefined && progress.id !== this.#transport) return false;
    if (progress.status === "soac") this.#answer?.(progress.data.sdp);
    else if (session === undefined) {
      if (progress.status === "error") this.#fail(progress.data);
    } else if (progress.status === "ready") this.#pending.get(session)?.settle.ready();
    else this.#sessionFailed(session, progress.data);
    return true;
  }

  close(reason = "the connection was closed"): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { settle } of this.#pending.values()) settle.failed(reason);
    this.#peer.close();
  }

  #knows(session: string): boolean {
    return this.#pending.has(session) || this.#sessions.has(session);
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    this.close(reason);
    this.told.failed(reason);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #negotiate(opening: Opening, created: (id: string) => void): Promise<Session> {
    if (this.#closed) throw new PalaverError("media", "the media connection is closed");
    const transceivers = opening.add(this.#peer);
    let id: string | undefined;
    this.#offering = true;
    try {
      await this.#peer.setLocalDescription();
      const transport = this.#transport === undefined ? {} : { id: this.#transport };
      const answer = await opening.announce(transceivers, { type: "webrtc", ...transport });
      id = answer.id;
      this.#transport ??= answer.transportId;
      created(id);
      await this.#exchange();
      const session = { id, transceivers };
      this.#sessions.set(id, session);
      this.#offering = false;
      this.#sendCandidates();
      this.#retire();
      return session;
    } catch (error) {
      if (this.#unsure(id, error)) this.#fail("an offer was not answered");
      await this.#undo(transceivers);
      if (id !== undefined) {
        this.#pending.delete(id);
        await opening.withdraw(id).catch(() => undefined);
      }
      throw error;
    }
  }

  /** An offer that went out and was neither answered nor refused: nobody knows what the other side believes. */
  #unsure(id: string | undefined, error: unknown): boolean {
    return id !== undefined && !(error instanceof PalaverError && error.code === "refused");
  }

  async #exchange(): Promise<void> {
    const transport = this.#transport as string;
    const sdp = this.#peer.localDescription?.sdp ?? "";
    const answered = new Promise<string>((resolve) => {
      this.#answer = resolve;
    });
    try {
      await this.portal.request("soac", { id: transport, signaling: { type: "offer", sdp } });
      const answer = await within(answered, this.portal.deadlines.answerMs, "the answer to an offer");
      await this.#peer.setRemoteDescription({ type: "answer", sdp: answer });
    } finally {
      this.#answer = undefined;
    }
  }

  /** Back to the last agreement. The sections that were not agreed on go into the next offer, unused. */
  async #undo(transceivers: readonly RTCRtpTransceiver[]): Promise<void> {
    if (this.#closed) return;
    if (this.#peer.signalingState === "have-local-offer")
      await this.#peer.setLocalDescription({ type: "rollback" }).catch(() => undefined);
    this.#idle(transceivers);
    if (this.#sessions.size > 0) this.#offering = false;
  }

  /** Does not stop them yet: in Chromium a section that was rolled back and stopped takes the place of the next
   * one added, whose `mid` then stays null. */
  #idle(transceivers: readonly RTCRtpTransceiver[]): void {
    for (const transceiver of transceivers) {
      void transceiver.sender.replaceTrack(null).catch(() => undefined);
      transceiver.direction = "inactive";
      this.#unused.add(transceiver);
    }
  }

  /** Stops those unused sections that both sides know by now. */
  #retire(): void {
    for (const transceiver of this.#unused) {
      if (transceiver.currentDirection !== "inactive") continue;
      this.#unused.delete(transceiver);
      transceiver.stop();
    }
  }

  #untilReady(id: string): Promise<void> {
    const settled = new Promise<void>((ready, reject) => {
      const failed = (reason: string) => reject(new PalaverError("media", reason));
      this.#pending.set(id, { settle: { ready, failed } });
    });
    const result = within(settled, this.portal.deadlines.mediaMs, "media", "media").finally(() =>
      this.#pending.delete(id),
    );
    result.catch(() => undefined); // the negotiation may fail first, and then nobody waits for this
    return result;
  }

  #sessionFailed(id: string, reason: string): void {
    const pending = this.#pending.get(id);
    if (pending) {
      pending.settle.failed(reason);
      return;
    }
    const session = this.#sessions.get(id);
    if (session) this.#release(session);
    this.told.sessionEnded(id, reason);
  }

  #release(session: Session): void {
    this.#sessions.delete(session.id);
    // A stopped section gives its place to the next one added (RFC 8829, section 5.2.2); otherwise offers would grow
    // with everybody who ever came.
    if (!this.#closed) for (const transceiver of session.transceivers) transceiver.stop();
  }

  #found(candidate: RTCIceCandidate | null): void {
    if (!candidate?.candidate) return;
    const { sdpMid, sdpMLineIndex } = candidate;
    this.#candidates.push({ candidate: `a=${candidate.candidate}`, sdpMid, sdpMLineIndex });
    if (!this.#offering) this.#sendCandidates();
  }

  #sendCandidates(): void {
    const id = this.#transport as string;
    for (const candidate of this.#candidates.splice(0)) {
      // The server has enough addresses without any one of these; later offers repeat them.
      this.portal.request("soac", { id, signaling: { type: "candidate", candidate } }).catch(() => undefined);
    }
  }
}
