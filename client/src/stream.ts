/** Receiving: the streams of a room, and subscriptions to them. */

import type { Opening } from "./connection.js";
import { Emitter } from "./events.js";
import type { Portal } from "./portal.js";
import type { Kind } from "./publication.js";
import type {
  LayerInfo,
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

export interface SubscribeOptions extends LayerChoice {
  /** Default: what the stream has. */
  kinds?: Kind[];
  /** A track id of the stream, where it has several videos. */
  videoTrack?: string;
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

  constructor(
    readonly host: SubscriptionHost,
    readonly stream: RoomStream,
    readonly options: SubscribeOptions,
  ) {
    super();
    this.#choice = options;
  }

  /** Stops or starts receiving some of it; nobody else notices. */
  async pause(kind: Kind): Promise<void> {
    await this.host.portal.request("subscription-control", { operation: "pause", id: this.id, data: kind });
  }

  async play(kind: Kind): Promise<void> {
    await this.host.portal.request("subscription-control", { operation: "play", id: this.id, data: kind });
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

  /** Asks for another picture, without a new offer. */
  async update(parameters: SubscribeParameters): Promise<void> {
    const data = { video: { parameters } };
    await this.host.portal.request("subscription-control", { operation: "update", id: this.id, data });
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
    const kinds = this.options.kinds ?? (["audio", "video"] as const).filter((kind) => this.stream.has(kind));
    return {
      add: (peer) => kinds.map((kind) => peer.addTransceiver(kind, { direction: "recvonly" })),
      announce: (transceivers, transport) =>
        portal.request("subscribe", {
          media: { tracks: transceivers.map((t) => this.#track(t)) },
          transport,
        }),
      withdraw: (id) => portal.request("unsubscribe", { id }),
    };
  }

  #track(transceiver: RTCRtpTransceiver): SubscribeTrack {
    const type = transceiver.receiver.track.kind as Kind;
    const track: SubscribeTrack = { type, mid: transceiver.mid as string, from: this.stream.id };
    if (type === "video") {
      track.from = this.#origin(this.#choice);
      const parameters = { ...this.options.video, ...limits(this.#choice) };
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
