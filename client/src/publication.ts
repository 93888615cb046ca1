/** Sending: an own stream in the room. */

import { preferred } from "./codecs.js";
import type { Opening } from "./connection.js";
import { PalaverError } from "./errors.js";
import { Emitter } from "./events.js";
import type { Kind } from "./kinds.js";
import type { Portal } from "./portal.js";
import type { PublishRequest, PublishTrack, RegionAnswer, StreamControl } from "./wire.gen.js";

export interface PublishOptions {
  /** What the tracks are; default a microphone and a camera. */
  source?: { audio?: NonNullable<PublishTrack["source"]>; video?: NonNullable<PublishTrack["source"]> };
  /** Belongs to the application; everybody in the room sees it. */
  attributes?: Record<string, unknown>;
  /** Codec names, best first, such as `["vp9", "vp8"]`; others are not offered. */
  codecs?: { audio?: string[]; video?: string[] };
  /** Simulcast layers and bit rates of the video. */
  encodings?: RTCRtpEncodingParameters[];
}

const SOURCES = { audio: "mic", video: "camera" } as const;

/** `ended` tells the reason when the server or the network ended it; not after `stop`. */
export interface PublicationEvents {
  ended: string;
}

/** What a publication asks of its conference. */
export interface PublicationHost {
  readonly portal: Portal;
  stop(publication: Publication): Promise<void>;
}

/** An own stream. `id` is that of the stream in the room and changes if the media connection had to be renewed. */
export class Publication extends Emitter<PublicationEvents> {
  id = "";
  /** What this publication is sent over; the conference sets it. */
  transceivers: readonly RTCRtpTransceiver[] = [];
  readonly #tracks = new Map<Kind, MediaStreamTrack>();
  readonly #muted = new Set<Kind>();
  readonly #views = new Set<string>();

  constructor(
    readonly host: PublicationHost,
    readonly media: MediaStream,
    readonly options: PublishOptions,
  ) {
    super();
    for (const track of media.getTracks()) this.#tracks.set(track.kind as Kind, track);
  }

  has(kind: Kind): boolean {
    return this.#tracks.has(kind);
  }

  /** Whether exactly this track is being sent. */
  sends(track: MediaStreamTrack): boolean {
    return this.#tracks.get(track.kind as Kind) === track;
  }

  isMuted(kind: Kind): boolean {
    return this.#muted.has(kind);
  }

  /** Silences or hides it at once, and tells everybody. The wish is kept even if telling fails. */
  async mute(kind: Kind): Promise<void> {
    const track = this.#tracks.get(kind);
    if (track) track.enabled = false;
    this.#muted.add(kind);
    await this.#control({ operation: "pause", id: this.id, data: kind });
  }

  async unmute(kind: Kind): Promise<void> {
    const track = this.#tracks.get(kind);
    if (track) track.enabled = true;
    this.#muted.delete(kind);
    await this.#control({ operation: "play", id: this.id, data: kind });
  }

  /** Puts it into the view of that label. The wish is kept, and said again when the media connection was renewed. */
  async mix(view: string): Promise<void> {
    this.#views.add(view);
    await this.#control({ operation: "mix", id: this.id, data: view });
  }

  async unmix(view: string): Promise<void> {
    this.#views.delete(view);
    await this.#control({ operation: "unmix", id: this.id, data: view });
  }

  /** Shows it in that region of a view; whoever is there gets its place. */
  async setRegion(view: string, region: string): Promise<void> {
    await this.#control({ operation: "set-region", id: this.id, data: { view, region } });
  }

  /** The id of the region of a view where it is seen. Rejects with `refused` while it is seen nowhere. */
  async region(view: string): Promise<string> {
    const answer = await this.#control({ operation: "get-region", id: this.id, data: view });
    if (typeof answer !== "object") throw new PalaverError("refused", `${view}: there is no region`);
    return answer.region;
  }

  /** Sends another track of the same kind, such as another camera, without a new offer. */
  async replace(track: MediaStreamTrack): Promise<void> {
    const kind = track.kind as Kind;
    const sender = this.transceivers.find((t) => t.receiver.track.kind === kind)?.sender;
    if (!sender) throw new TypeError(`this publication has no ${kind}`);
    await sender.replaceTrack(track);
    this.#tracks.set(kind, track);
    track.enabled = !this.#muted.has(kind);
  }

  /** Takes the stream out of the room. The tracks are the caller's and go on. */
  stop(): Promise<void> {
    return this.host.stop(this);
  }

  /** Ended from elsewhere. */
  end(reason: string): void {
    this.emit("ended", reason);
  }

  /** Says again what is muted and mixed, after the stream was published again. */
  async restate(): Promise<void> {
    // A view may have gone with an earlier life of the room; that is no reason to be gone as well.
    for (const view of [...this.#views]) await this.mix(view).catch(() => this.#views.delete(view));
    for (const kind of this.#muted) await this.#control({ operation: "pause", id: this.id, data: kind });
  }

  /** How it is put into an offer. */
  opening(): Opening {
    const { portal } = this.host;
    return {
      add: (peer) => [...this.#tracks.values()].map((track) => this.#add(peer, track)),
      announce: (transceivers, transport) => {
        const request: PublishRequest = {
          media: { tracks: transceivers.map((t) => this.#track(t)) },
          transport,
        };
        if (this.options.attributes) request.attributes = this.options.attributes;
        return portal.request("publish", request);
      },
      withdraw: (id) => portal.request("unpublish", { id }),
    };
  }

  #add(peer: RTCPeerConnection, track: MediaStreamTrack): RTCRtpTransceiver {
    const kind = track.kind as Kind;
    const init: RTCRtpTransceiverInit = { direction: "sendonly", streams: [this.media] };
    if (kind === "video" && this.options.encodings) init.sendEncodings = this.options.encodings;
    const transceiver = peer.addTransceiver(track, init);
    const wanted = this.options.codecs?.[kind];
    if (wanted) transceiver.setCodecPreferences(preferred(kind, wanted));
    return transceiver;
  }

  #track(transceiver: RTCRtpTransceiver): PublishTrack {
    const type = transceiver.receiver.track.kind as Kind;
    const source = this.options.source?.[type] ?? SOURCES[type];
    return { type, mid: transceiver.mid as string, source };
  }

  async #control(request: StreamControl): Promise<"ok" | RegionAnswer> {
    return this.id === "" ? "ok" : this.host.portal.request("stream-control", request);
  }
}
