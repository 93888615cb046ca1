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

/** What a source without a person is called. */
function called({ info }: RoomStream): string {
  const name = info.type === "forward" ? info.info.attributes?.name : undefined;
  return typeof name === "string" && name ? name : "Live source";
}

const SETTLING_MS = 4000;
/** What could not be received, or stopped coming, is asked for again: so often, this long after. */
const TRIES = 5;
const PAUSE_MS = 4000;

/** Receives every forward stream of the others. `change` whenever `people` would be another list. */
export class Roster extends Emitter<{ change: undefined }> {
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #wishes = new WeakMap<Subscription, string>();
  readonly #since = new Map<string, number>();
  /** Streams that are received or asked for. */
  readonly #sought = new Set<string>();
  readonly #stops: (() => void)[];
  #closed = false;
  #resting = false;

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
        this.#sought.delete(id);
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
      ...sources.map((stream) => this.#person(stream.id, called(stream), [stream])),
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

  /** Receives nothing of them for a while (true), or again. */
  rest(resting: boolean): void {
    this.#resting = resting;
    for (const subscription of this.#subscriptions.values()) this.#pause(subscription);
    if (!resting) for (const stream of this.conference.streams) this.#receive(stream);
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
    return this.#kinds(stream).length > 0 && !stream.mixed && stream.owner !== this.conference.me.id;
  }

  /** What it has and we may have. */
  #kinds(stream: RoomStream): Kind[] {
    const { subscribe } = this.conference.permission;
    return (["audio", "video"] as const).filter((kind) => stream.has(kind) && subscribe[kind]);
  }

  #receive(stream: RoomStream): void {
    this.emit("change", undefined);
    if (!this.#wanted(stream) || this.#resting || this.#sought.has(stream.id)) return;
    this.#sought.add(stream.id);
    void this.#subscribe(stream, TRIES);
  }

  #pause(subscription: Subscription): void {
    // One that ends meanwhile is not received either way.
    (this.#resting ? subscription.pause() : subscription.play()).catch(() => undefined);
  }

  async #subscribe(stream: RoomStream, tries: number): Promise<void> {
    if (!this.#seeks(stream)) return;
    try {
      this.#follow(await this.conference.subscribe(stream, { kinds: this.#kinds(stream) }));
    } catch (error) {
      this.#failed(stream, tries, error);
    }
  }

  #follow(subscription: Subscription): void {
    const { stream } = subscription;
    this.#subscriptions.set(stream.id, subscription);
    if (this.#resting) this.#pause(subscription);
    subscription.on("renewed", () => this.emit("change", undefined));
    subscription.on("layerchanged", () => this.emit("change", undefined));
    subscription.on("ended", () => {
      this.#subscriptions.delete(stream.id);
      this.emit("change", undefined);
      this.#again(stream, TRIES);
    });
    this.emit("change", undefined);
  }

  #failed(stream: RoomStream, tries: number, error: unknown): void {
    // It may have gone while we asked for it.
    if (!this.#seeks(stream)) return;
    const blocked = error instanceof PalaverError && error.code === "media";
    // That nothing gets through is told at once, whatever the next try brings.
    if (tries <= 1 || (blocked && tries === TRIES)) this.problem(error);
    if (tries > 1) this.#again(stream, tries - 1);
    else this.#sought.delete(stream.id);
  }

  #again(stream: RoomStream, tries: number): void {
    setTimeout(() => void this.#subscribe(stream, tries), PAUSE_MS);
  }

  /** Whether it is still worth asking for; what is not may be asked for anew. */
  #seeks(stream: RoomStream): boolean {
    const seeks = !this.#closed && !this.#resting && this.conference.streams.includes(stream);
    if (!seeks) this.#sought.delete(stream.id);
    return seeks;
  }
}
