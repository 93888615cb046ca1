/** Everybody in the conference, as the screen shows them: who, and what we receive of them. */

import {
  type Conference,
  Emitter,
  type Kind,
  type LayerInfo,
  PalaverError,
  type RoomStream,
  type Subscription,
} from "palaver-client";
import { limit, type Size } from "./detail.js";

/** A person, or a source without one (such as a camera that the server fetches). */
export interface Person {
  key: string;
  name: string;
  own: boolean;
  /** A shared screen, and not a person. */
  screen: boolean;
  /** Not known while nothing of them is here. */
  muted: boolean | undefined;
  camera: boolean;
  /** What the server says that it sends of their picture. */
  layer: LayerInfo | undefined;
  track(kind: Kind): MediaStreamTrack | undefined;
  /** Says how large their picture has to be. */
  need(size: Size): void;
}

const SETTLING_MS = 4000;
/** What could not be received, or stopped coming, is asked for again: so often, this long after. */
const TRIES = 5;
const PAUSE_MS = 4000;

/** Receives every forward stream of the others. `change` whenever `people` would be another list. */
export class Crowd extends Emitter<{ change: undefined }> {
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #wishes = new WeakMap<Subscription, string>();
  readonly #since = new Map<string, number>();
  readonly #stops: (() => void)[];
  #closed = false;

  constructor(
    readonly conference: Conference,
    readonly problem: (error: unknown) => void,
  ) {
    super();
    const changed = () => this.emit("change", undefined);
    const timed = (id: string) => {
      this.#since.set(id, performance.now());
      setTimeout(changed, SETTLING_MS + 50); // by then somebody without streams is somebody without microphone
    };
    for (const { id } of conference.participants) timed(id);
    this.#stops = [
      conference.on("participantjoined", ({ id }) => {
        timed(id);
        changed();
      }),
      conference.on("participantleft", changed),
      conference.on("streamadded", (stream) => this.#receive(stream)),
      conference.on("streamremoved", ({ id }) => {
        this.#subscriptions.delete(id);
        changed();
      }),
      conference.on("streamupdated", changed),
    ];
    for (const stream of conference.streams) this.#receive(stream);
  }

  /** Everybody: ourselves first, then in order of arrival. */
  get people(): Person[] {
    const { me, participants, streams } = this.conference;
    const others = participants.filter(({ id }) => id !== me.id);
    const known = new Set(participants.map(({ id }) => id));
    const sources = streams.filter((stream) => !stream.mixed && !known.has(stream.owner ?? ""));
    return [
      ...[me, ...others].map(({ id, user }) =>
        this.#person(
          id,
          user || "Guest",
          streams.filter((s) => s.owner === id && !s.screen),
        ),
      ),
      ...sources.map((stream) => this.#person(stream.id, "Live source", [stream])),
    ];
  }

  /** The screens that others share. */
  get screens(): Person[] {
    const { me, participants, streams } = this.conference;
    const shared = streams.filter((s) => s.screen && s.owner !== me.id && this.#wanted(s));
    return shared.map((stream) => {
      const owner = participants.find(({ id }) => id === stream.owner)?.user || "Guest";
      return { ...this.#person(stream.id, `Screen of ${owner}`, [stream]), screen: true, muted: undefined };
    });
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stops) stop();
  }

  #person(key: string, name: string, streams: RoomStream[]): Person {
    const settled = performance.now() - (this.#since.get(key) ?? 0) > SETTLING_MS;
    const known = streams.length > 0 || settled;
    return {
      key,
      name,
      own: key === this.conference.me.id,
      screen: false,
      muted: known ? !streams.some((stream) => stream.active("audio")) : undefined,
      camera: streams.some((stream) => stream.active("video")),
      layer: this.#seen(streams)?.layer,
      track: (kind) => this.#track(streams, kind),
      need: (size) => this.#need(this.#seen(streams), size),
    };
  }

  /** What we receive of their picture. */
  #seen(streams: RoomStream[]): Subscription | undefined {
    const stream = streams.find((s) => s.active("video") && this.#subscriptions.has(s.id));
    return stream && this.#subscriptions.get(stream.id);
  }

  /** Asks for another layer if it is another one that suits. */
  #need(subscription: Subscription | undefined, size: Size): void {
    if (!subscription?.stream.layers.length) return;
    const most = limit(subscription.stream.layers, size);
    const wish = most ? `${most.width} ${most.height}` : "";
    if ((this.#wishes.get(subscription) ?? "") === wish) return;
    this.#wishes.set(subscription, wish);
    // It may end meanwhile; what was refused otherwise is wished for again at the next occasion.
    const forget = () => void this.#wishes.delete(subscription);
    subscription.setLayer(most ? { maxResolution: most } : {}).catch(forget);
  }

  #track(streams: RoomStream[], kind: Kind): MediaStreamTrack | undefined {
    const stream = streams.find((s) => s.active(kind) && this.#subscriptions.has(s.id));
    const media = stream && this.#subscriptions.get(stream.id)?.media;
    return media?.getTracks().find((track) => track.kind === kind);
  }

  #wanted(stream: RoomStream): boolean {
    const { me, permission } = this.conference;
    const may = (["audio", "video"] as const).some((kind) => stream.has(kind) && permission.subscribe[kind]);
    return may && !stream.mixed && stream.owner !== me.id;
  }

  #receive(stream: RoomStream): void {
    this.emit("change", undefined);
    if (this.#wanted(stream)) void this.#subscribe(stream, TRIES);
  }

  async #subscribe(stream: RoomStream, tries: number): Promise<void> {
    if (!this.#here(stream)) return;
    const { permission } = this.conference;
    const kinds = (["audio", "video"] as const).filter(
      (kind) => stream.has(kind) && permission.subscribe[kind],
    );
    const again = (left: number) => void setTimeout(() => void this.#subscribe(stream, left), PAUSE_MS);
    try {
      const subscription = await this.conference.subscribe(stream, { kinds });
      this.#subscriptions.set(stream.id, subscription);
      subscription.on("renewed", () => this.emit("change", undefined));
      subscription.on("layerchanged", () => this.emit("change", undefined));
      subscription.on("ended", () => {
        this.#subscriptions.delete(stream.id);
        this.emit("change", undefined);
        again(TRIES);
      });
      this.emit("change", undefined);
    } catch (error) {
      // It may have gone while we asked for it.
      if (!this.#here(stream)) return;
      const blocked = error instanceof PalaverError && error.code === "media";
      // That nothing gets through is told at once, whatever the next try brings.
      if (tries <= 1 || (blocked && tries === TRIES)) this.problem(error);
      if (tries > 1) again(tries - 1);
    }
  }

  #here(stream: RoomStream): boolean {
    return !this.#closed && this.conference.streams.includes(stream);
  }
}
