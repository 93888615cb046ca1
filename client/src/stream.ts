/** Receiving: the streams of a room, and subscriptions to them. */

import { preferred } from "./codecs.js";
import type { Opening } from "./connection.js";
import { Emitter } from "./events.js";
import type { Kind } from "./kinds.js";
import type { Portal } from "./portal.js";
import type {
  LayerInfo,
  OptionalInfo,
  ResolutionInfo,
  StreamInfo,
  StreamUpdate,
  SubscribeParameters,
  SubscribeTrack,
} from "./wire.gen.js";

/** One of the encodings in which a simulcast stream's video arrives. `size` is not known before its first picture. */
export interface Layer {
  rid: string;
  track: string;
  size: ResolutionInfo | undefined;
}

/** Which layer to receive: `rid` names one; else the largest within the limits, or a smaller one in a bad network. */
export interface LayerChoice {
  rid?: string;
  maxResolution?: ResolutionInfo;
  maxFramerate?: number;
}

/** A region of a mixed stream's picture, in parts of it (0 to 1), and the id of the stream that is seen there. */
export interface Place {
  region: string;
  stream: string | undefined;
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A stream in the room; the conference keeps `info` up to date. */
export class RoomStream {
  constructor(public info: StreamInfo) {}

  get id(): string {
    return this.info.id;
  }

  /** The participant who publishes it; undefined: the server mixes it. */
  get owner(): string | undefined {
    return this.info.type === "forward" ? this.info.info.owner : undefined;
  }

  get mixed(): boolean {
    return this.info.type === "mixed";
  }

  /** Whether its picture is a shared screen. */
  get screen(): boolean {
    return this.info.media.tracks.some((track) => track.type === "video" && track.source === "screen-cast");
  }

  /** The label of the view that it shows; undefined: it is not mixed. */
  get view(): string | undefined {
    return this.info.type === "mixed" ? this.info.info.label : undefined;
  }

  /** The labels of the views that it is in. */
  get inViews(): string[] {
    return this.info.type === "forward" ? this.info.info.inViews : [];
  }

  /** Who is where in a mixed picture, in the order in which regions are filled. */
  get layout(): Place[] {
    if (this.info.type !== "mixed") return [];
    return this.info.info.layout.map(({ region: { id, area }, stream }) => ({
      region: id,
      stream,
      left: part(area.left),
      top: part(area.top),
      width: part(area.width),
      height: part(area.height),
    }));
  }

  /** The id of the stream of whoever speaks in a mixed one; undefined: not known. */
  get speaker(): string | undefined {
    const { activeInput } = this.info.info;
    return activeInput === "unknown" ? undefined : activeInput;
  }

  /** In what other forms its audio or video can be had. */
  others(kind: Kind): OptionalInfo {
    return this.info.media.tracks.find((track) => track.type === kind)?.optional ?? {};
  }

  has(kind: Kind): boolean {
    return this.info.media.tracks.some((track) => track.type === kind);
  }

  /** Whether it has this kind and it is not muted. */
  active(kind: Kind): boolean {
    return this.info.media.tracks.some((track) => track.type === kind && track.status === "active");
  }

  /** The layers of its video, as its publisher ordered them; none if there is one encoding only. */
  get layers(): Layer[] {
    const layers: Layer[] = [];
    for (const { type, id, rid, parameters } of this.info.media.tracks)
      if (type === "video" && id !== undefined && rid !== undefined)
        layers.push({ rid, track: id, size: parameters?.resolution });
    return layers;
  }

  apply(change: StreamUpdate["data"]): void {
    const { info } = this;
    switch (change.field) {
      case ".":
        this.info = change.value;
        break;
      case "activeInput":
        info.info.activeInput = change.value;
        break;
      case "video.layout":
        if (info.type === "mixed") info.info.layout = change.value;
        break;
      default: {
        const kind = change.field === "audio.status" ? "audio" : "video";
        for (const track of info.media.tracks) if (track.type === kind) track.status = change.value;
      }
    }
  }
}

/** "2/3" as a number. */
function part(fraction: string): number {
  const [numerator, denominator = 1] = fraction.split("/").map(Number);
  return (numerator ?? 0) / denominator;
}

export interface SubscribeOptions extends LayerChoice {
  /** Default: what the stream has. */
  kinds?: Kind[];
  /** A track id of the stream, where it has several videos. */
  videoTrack?: string;
  /** Codec names, best first, such as `{ video: ["h264"] }`; no others are accepted. */
  codecs?: Partial<Record<Kind, string[]>>;
  /** Wishes for the video; the server refuses what it cannot produce. */
  video?: SubscribeParameters;
}

/** `ended` tells the reason when the stream, the server or the network ended it; not after `stop`. */
export interface SubscriptionEvents {
  ended: string;
  /** The media connection was renewed: `media` has other tracks. */
  renewed: undefined;
  /** Another layer of the video is sent, or sending it began or ceased. */
  layerchanged: LayerInfo;
}

/** What a subscription asks of its conference. */
export interface SubscriptionHost {
  readonly portal: Portal;
  stop(subscription: Subscription): Promise<void>;
}

/** Media of a stream, arriving. The tracks of `media` are replaced if the media connection had to be renewed. */
export class Subscription extends Emitter<SubscriptionEvents> {
  id = "";
  readonly media = new MediaStream();
  /** What is sent of the video; undefined before the server said so. */
  layer: LayerInfo | undefined;
  #choice: LayerChoice;
  #wishes: SubscribeParameters;
  readonly #paused = new Set<Kind>();

  constructor(
    readonly host: SubscriptionHost,
    readonly stream: RoomStream,
    readonly options: SubscribeOptions,
  ) {
    super();
    this.#choice = options;
    this.#wishes = options.video ?? {};
  }

  /** Stops receiving some of it, or all; nobody else notices. */
  async pause(kind?: Kind): Promise<void> {
    for (const one of this.#kinds(kind)) this.#paused.add(one);
    const data = kind ?? "av";
    await this.host.portal.request("subscription-control", { operation: "pause", id: this.id, data });
  }

  /** Receives again what was paused. */
  async play(kind?: Kind): Promise<void> {
    for (const one of this.#kinds(kind)) this.#paused.delete(one);
    const data = kind ?? "av";
    await this.host.portal.request("subscription-control", { operation: "play", id: this.id, data });
  }

  /** Says again what is paused, after the media connection was renewed. */
  async restate(): Promise<void> {
    for (const kind of [...this.#paused]) await this.pause(kind);
  }

  /** Chooses the layer anew, without a new offer; `{}` lifts every limit. It comes with its next key frame. */
  async setLayer(choice: LayerChoice): Promise<void> {
    const data = { video: { from: this.#origin(choice), parameters: limits(choice) } };
    this.#choice = choice;
    await this.host.portal.request("subscription-control", { operation: "update", id: this.id, data });
  }

  /** What the server says that it sends. */
  told(layer: LayerInfo): void {
    this.layer = layer;
    this.emit("layerchanged", layer);
  }

  /** Asks for another size, rate or key-frame interval, without a new offer; what is not named stays. */
  async update(parameters: SubscribeParameters): Promise<void> {
    const data = { video: { parameters } };
    await this.host.portal.request("subscription-control", { operation: "update", id: this.id, data });
    this.#wishes = { ...this.#wishes, ...parameters };
  }

  stop(): Promise<void> {
    return this.host.stop(this);
  }

  /** Ended from elsewhere. */
  end(reason: string): void {
    this.emit("ended", reason);
  }

  /** It works now, over these sections. */
  started(id: string, transceivers: readonly RTCRtpTransceiver[]): void {
    const again = this.id !== "";
    this.id = id;
    this.layer = undefined;
    for (const track of this.media.getTracks()) this.media.removeTrack(track);
    for (const { receiver } of transceivers) this.media.addTrack(receiver.track);
    if (again) this.emit("renewed", undefined);
  }

  /** How it is put into an offer. */
  opening(): Opening {
    const { portal } = this.host;
    return {
      add: (peer) => this.#kinds().map((kind) => this.#section(peer, kind)),
      announce: (transceivers, transport) =>
        portal.request("subscribe", {
          media: { tracks: transceivers.map((t) => this.#track(t)) },
          transport,
        }),
      withdraw: (id) => portal.request("unsubscribe", { id }),
    };
  }

  #kinds(only?: Kind): readonly Kind[] {
    const all = this.options.kinds ?? (["audio", "video"] as const).filter((kind) => this.stream.has(kind));
    return only ? all.filter((kind) => kind === only) : all;
  }

  #section(peer: RTCPeerConnection, kind: Kind): RTCRtpTransceiver {
    const section = peer.addTransceiver(kind, { direction: "recvonly" });
    const wanted = this.options.codecs?.[kind];
    if (wanted) section.setCodecPreferences(preferred(kind, wanted));
    return section;
  }

  #track(transceiver: RTCRtpTransceiver): SubscribeTrack {
    const type = transceiver.receiver.track.kind as Kind;
    const track: SubscribeTrack = { type, mid: transceiver.mid as string, from: this.stream.id };
    if (type === "video") {
      track.from = this.#origin(this.#choice);
      const parameters = { ...this.#wishes, ...limits(this.#choice) };
      if (Object.keys(parameters).length > 0) track.parameters = parameters;
    }
    return track;
  }

  /** The id that stands for what is chosen. */
  #origin({ rid }: LayerChoice): string {
    if (rid === undefined) return this.options.videoTrack ?? this.stream.id;
    const layer = this.stream.layers.find((one) => one.rid === rid);
    if (!layer) throw new TypeError(`this stream has no layer ${rid}`);
    return layer.track;
  }
}

function limits({ maxResolution, maxFramerate }: LayerChoice): SubscribeParameters {
  return { ...(maxResolution && { maxResolution }), ...(maxFramerate && { maxFramerate }) };
}
