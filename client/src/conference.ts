/** A conference from the inside: who and what is in the room, publishing and subscribing. */

import { Connection, type Session } from "./connection.js";
import { PalaverError } from "./errors.js";
import { Emitter } from "./events.js";
import type { Ending, Portal } from "./portal.js";
import { Publication, type PublishOptions } from "./publication.js";
import { RoomStream, type SubscribeOptions, Subscription } from "./stream.js";
import type {
  LoginAnswer,
  ParticipantInfo,
  ParticipantNotification,
  ProgressNotification,
  RecordingNotification,
  StreamNotification,
  SubscriptionChange,
} from "./wire.gen.js";

/** A text message. `to` "me" is for us alone, "all" is for everybody and comes to its sender, too. */
export interface TextMessage {
  from: string;
  to: string;
  message: string;
}

export interface ConferenceEvents {
  participantjoined: ParticipantInfo;
  participantleft: ParticipantInfo;
  /** Own streams are told as well: see `RoomStream.owner`. */
  streamadded: RoomStream;
  streamremoved: RoomStream;
  /** Muted, unmuted, mixed, another layout or resolution: see `RoomStream.info`. */
  streamupdated: RoomStream;
  /** Somebody else is seen somewhere in a mixed stream: see `RoomStream.layout`. */
  layoutchanged: RoomStream;
  /** Somebody else speaks in a mixed stream: see `RoomStream.speaker`. */
  speakerchanged: RoomStream;
  message: TextMessage;
  /** The room is recorded from now on, or not any more, or the recording was paused. */
  recordingchanged: RecordingState;
  /** The network is lost; media may still flow. Requests wait. */
  reconnecting: undefined;
  reconnected: undefined;
  /** It is over, and why; the last event. Publications and subscriptions end with it, without events of their own. */
  ended: Ending;
}

/** Whether a room is recorded. */
export type RecordingState = RecordingNotification["state"];

type Part = Publication | Subscription;
/** A media connection that breaks again and again is given up after this many renewals in a row. */
const RENEWALS = 3;
/** What a server says of every media connection that it lost by being restarted. */
const RESTARTED = "Server restarted";
/** Who has not come back this long after that is gone. */
const RETURN_MS = 20_000;

/** Made by `join`. Everything of it ends with the `ended` event. */
export class Conference extends Emitter<ConferenceEvents> {
  readonly me: ParticipantInfo;
  readonly permission: LoginAnswer["permission"];
  readonly room: { readonly id: string; readonly views: readonly string[] };
  readonly #participants: Map<string, ParticipantInfo>;
  readonly #streams: Map<string, RoomStream>;
  readonly #parts = new Map<Part, Session>();
  #connection: Connection | undefined;
  readonly #iceServers: RTCIceServer[];
  #renewals = 0;
  #recording: RecordingState;
  #over = false;
  /** Whether we were away since we last heard of a restart: only then it is news. */
  #away = false;
  /** Those of whom the restarted server has not said that they are there. */
  readonly #awaited = new Set<string>();
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly portal: Portal,
    answer: LoginAnswer,
    readonly createPeer: (configuration: RTCConfiguration) => RTCPeerConnection,
  ) {
    super();
    const { id, user, role, permission, room } = answer;
    this.me = { id, user, role };
    this.permission = permission;
    this.#iceServers = answer.iceServers ?? [];
    this.room = { id: room.id, views: room.views };
    this.#recording = room.recording ?? "none";
    this.#participants = new Map(room.participants.map((participant) => [participant.id, participant]));
    this.#streams = new Map(room.streams.map((info) => [info.id, new RoomStream(info)]));
    portal.on("participant", (told) => this.#participant(told));
    portal.on("stream", (told) => this.#stream(told));
    portal.on("progress", (told) => this.#progress(told));
    // A subscription that has just become ready is known when everything that waits for it had its turn.
    portal.on("subscription", (told) => void setTimeout(() => this.#subscription(told)));
    portal.on("recording", ({ state }) => this.#recorded(state));
    portal.on("text", (told) => this.emit("message", told));
    portal.on("reconnecting", () => {
      this.#away = true;
      this.emit("reconnecting", undefined);
    });
    portal.on("reconnected", () => this.emit("reconnected", undefined));
    portal.on("ended", (ending) => this.#ended(ending));
  }

  /** Whether the room is recorded. */
  get recording(): RecordingState {
    return this.#recording;
  }

  /** Everybody in the room, ourselves included. */
  get participants(): ParticipantInfo[] {
    return [...this.#participants.values()];
  }

  get streams(): RoomStream[] {
    return [...this.#streams.values()];
  }

  /** Sends the tracks of `media`. Resolves when the room has the stream; rejects with everything undone. */
  async publish(media: MediaStream, options: PublishOptions = {}): Promise<Publication> {
    if (media.getTracks().length === 0) throw new TypeError("there is no track to publish");
    const publication = new Publication({ portal: this.portal, stop: (p) => this.#stop(p) }, media, options);
    await this.#start(publication);
    return publication;
  }

  /** Receives a stream. Resolves when its media can flow; rejects with everything undone. */
  async subscribe(stream: RoomStream, options: SubscribeOptions = {}): Promise<Subscription> {
    const subscription = new Subscription(
      { portal: this.portal, stop: (s) => this.#stop(s) },
      stream,
      options,
    );
    await this.#start(subscription);
    return subscription;
  }

  /** Says something to everybody, or to the participant with the id `to`; at most 2,048 characters. */
  async text(message: string, to = "all"): Promise<void> {
    await this.portal.request("text", { to, message });
  }

  /** Leaves; never rejects. */
  async leave(): Promise<void> {
    await this.portal.leave();
  }

  /** Statistics of the media connection; undefined while there is none. */
  async stats(): Promise<RTCStatsReport | undefined> {
    return this.#connection?.stats();
  }

  async #start(part: Part): Promise<void> {
    if (this.#over) throw new PalaverError("ended", "the conference is over");
    this.#connection ??= this.#connect();
    const session = await this.#connection.open(part.opening());
    this.#parts.set(part, session);
    this.#renewals = 0;
    if (part instanceof Subscription) return part.started(session.id, session.transceivers);
    part.id = session.id;
    part.transceivers = session.transceivers;
  }

  async #stop(part: Part): Promise<void> {
    const session = this.#parts.get(part);
    if (!session) return;
    this.#parts.delete(part);
    this.#connection?.release(session);
    const name = part instanceof Subscription ? "unsubscribe" : "unpublish";
    await this.portal.request(name, { id: session.id });
  }

  #connect(): Connection {
    const connection: Connection = new Connection(this.portal, this.createPeer, this.#iceServers, {
      sessionEnded: (id, reason) => this.#sessionEnded(id, reason),
      failed: (reason) => {
        if (this.#connection === connection) void this.#renew(reason);
      },
    });
    return connection;
  }

  /** The media connection is gone: everything that it carried starts again on a new one. */
  async #renew(reason: string): Promise<void> {
    this.#connection = undefined;
    const old = [...this.#parts];
    this.#parts.clear();
    const hopeless = this.#over || ++this.#renewals > RENEWALS;
    // Publications first, for the sake of those who wait for us.
    const order = old.sort(
      ([a], [b]) => Number(a instanceof Subscription) - Number(b instanceof Subscription),
    );
    await Promise.all(
      order.map(([part, session]) => (hopeless ? part.end(reason) : this.#restart(part, session))),
    );
  }

  async #restart(part: Part, { id }: Session): Promise<void> {
    if (part instanceof Subscription && !this.#streams.has(part.stream.id))
      return part.end("the stream ended");
    const name = part instanceof Subscription ? "unsubscribe" : "unpublish";
    // The server may have forgotten the old one already, and then does not tell that its stream is gone.
    await this.portal.request(name, { id }).catch(() => undefined);
    if (part instanceof Publication) this.#remove(id);
    try {
      await this.#start(part);
      await part.restate();
    } catch (error) {
      part.end(error instanceof Error ? error.message : String(error));
      // What could be received before and now is refused is not there any more.
      const refused = error instanceof PalaverError && error.code === "refused";
      if (part instanceof Subscription && refused) this.#remove(part.stream.id);
    }
  }

  #sessionEnded(id: string, reason: string): void {
    for (const [part, session] of this.#parts) {
      if (session.id !== id) continue;
      this.#parts.delete(part);
      const name = part instanceof Subscription ? "unsubscribe" : "unpublish";
      this.portal.request(name, { id }).catch(() => undefined); // it may be gone there as well
      part.end(reason);
    }
  }

  #participant(told: ParticipantNotification): void {
    if (told.action === "leave") {
      this.#gone(told.data);
      return;
    }
    const known = this.#participants.has(told.data.id);
    this.#participants.set(told.data.id, told.data);
    this.#awaited.delete(told.data.id);
    if (!known) this.emit("participantjoined", told.data);
  }

  #gone(id: string): void {
    const gone = this.#participants.get(id);
    if (!gone) return;
    this.#participants.delete(id);
    this.emit("participantleft", gone);
  }

  /** A restarted server knows nothing of before, and tells what there is: streams anew, and people as they return. */
  #restarted(): void {
    this.#away = false;
    for (const stream of this.streams) if (!stream.mixed) this.#remove(stream.id);
    for (const { id } of this.participants) if (id !== this.me.id) this.#awaited.add(id);
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      for (const id of this.#awaited) this.#gone(id);
      this.#awaited.clear();
    }, RETURN_MS);
  }

  #stream(told: StreamNotification): void {
    if (told.status === "remove") {
      this.#remove(told.id);
      return;
    }
    const known = this.#streams.get(told.id);
    if (told.status === "update") {
      if (!known) return;
      known.apply(told.data);
      this.emit("streamupdated", known);
      if (told.data.field === "video.layout") this.emit("layoutchanged", known);
      if (told.data.field === "activeInput") this.emit("speakerchanged", known);
    } else if (known) {
      // Notifications may repeat after a loss of the network.
      known.info = told.data;
      this.emit("streamupdated", known);
    } else {
      const added = new RoomStream(told.data);
      this.#awaited.delete(added.owner ?? "");
      this.#streams.set(told.id, added);
      this.emit("streamadded", added);
    }
  }

  #remove(id: string): void {
    const gone = this.#streams.get(id);
    if (!gone) return;
    this.#streams.delete(id);
    this.emit("streamremoved", gone);
  }

  #subscription({ id, data }: SubscriptionChange): void {
    if (data.field !== "video.layer") return;
    for (const [part, session] of this.#parts)
      if (part instanceof Subscription && session.id === id) part.told(data.value);
  }

  #recorded(state: RecordingState): void {
    if (state === this.#recording) return;
    this.#recording = state;
    this.emit("recordingchanged", state);
  }

  #progress(told: ProgressNotification): void {
    if (told.status === "error" && told.data === RESTARTED && this.#away) this.#restarted();
    this.#connection?.handle(told);
  }

  #ended(ending: Ending): void {
    this.#over = true;
    clearTimeout(this.#patience);
    this.#connection?.close("the conference is over");
    this.#connection = undefined;
    this.#parts.clear();
    this.emit("ended", ending);
  }
}
