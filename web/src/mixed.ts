/** The room as one picture and one sound, which the server mixes. */

import type { Conference, Kind, RoomStream, Subscription } from "palaver-client";
import type { Arrangement } from "./arrangement.js";
import { Carrying } from "./carrying.js";
import { chooser } from "./chooser.js";
import { fitting, type Size, worthwhile } from "./detail.js";
import { h } from "./dom.js";
import { Places } from "./places.js";

/** A picture that stopped coming is asked for again this long after. */
const PAUSE_MS = 3000;
/** A window that is being resized, or a phone that is being turned, comes to rest within this time. */
const REST_MS = 700;

export interface MixedHost {
  problem(error: unknown): void;
  /** The browser holds back the sound. */
  silenced(): void;
}

/** Receives the view while it is open. */
export class MixedView {
  readonly element: HTMLElement;
  readonly #video = h("video", { playsinline: true, autoplay: true, "data-testid": "mixed-video" });
  readonly #audio = h("audio", { autoplay: true, "data-testid": "mixed-audio" });
  readonly #picture: HTMLElement;
  readonly #said = h("p", { class: "unseen", role: "status" });
  readonly #note = h("p", { class: "mixed-note", hidden: true });
  readonly #figures = h("p", { class: "figures", hidden: true, "data-testid": "mixed-figures" });
  readonly #places: Places;
  readonly #carrying: Carrying;
  readonly #chooser = chooser((template) => void this.#choose(template));
  readonly #stops: (() => void)[];
  readonly #resized = new ResizeObserver(() => this.#settle());
  #rest: ReturnType<typeof setTimeout> | undefined;
  #size: Size | undefined;
  #subscription: Subscription | undefined;
  #open = false;

  constructor(
    readonly conference: Conference,
    readonly stream: RoomStream,
    readonly arrangement: Arrangement,
    readonly host: MixedHost,
  ) {
    this.#video.muted = true;
    this.#places = new Places(conference);
    this.#picture = h(
      "div",
      { class: "mixed-picture" },
      this.#video,
      this.#places.element,
      this.#figures,
      this.#note,
    );
    const hint = arrangement.open
      ? h("p", { class: "hint" }, "Drag people to where you want them.")
      : undefined;
    const tools = h(
      "div",
      { class: "mixed-tools" },
      arrangement.open && this.#chooser.element,
      this.#places.waiting,
      hint,
    );
    this.element = h(
      "section",
      { class: "mixed", "aria-label": "Mixed view", "data-testid": "mixed", hidden: true },
      tools,
      h("div", { class: "mixed-frame" }, this.#picture),
      this.#audio,
      this.#said,
    );
    this.#carrying = new Carrying(this.element, {
      may: (id) => this.#may(id),
      put: (id, region) => void this.#put(id, region),
      say: (text) => this.#say(text),
    });
    this.#video.addEventListener("resize", () => this.#shape());
    const changed = () => this.#show();
    const events = ["streamupdated", "streamadded", "streamremoved", "participantjoined"] as const;
    this.#stops = events.map((event) => conference.on(event, changed));
    this.#shape();
    this.#resized.observe(this.#picture);
  }

  /** Resolves when it is seen. Rejects, closed again, if it cannot be received. */
  async open(): Promise<void> {
    this.#open = true;
    this.element.hidden = false;
    this.#tell("Setting up the picture…");
    this.#show();
    try {
      await this.#receive();
    } catch (error) {
      this.shut();
      throw error;
    }
    void this.#ask();
  }

  /** Receives nothing any more. */
  shut(): void {
    this.#open = false;
    this.element.hidden = true;
    const subscription = this.#subscription;
    this.#subscription = undefined;
    this.#video.srcObject = this.#audio.srcObject = null;
    subscription?.stop().catch(() => undefined); // it may be gone as well
  }

  close(): void {
    this.#open = false;
    this.#resized.disconnect();
    clearTimeout(this.#rest);
    for (const stop of this.#stops) stop();
    this.#video.srcObject = this.#audio.srcObject = null;
  }

  /** Tries to be heard, again after the person did something. */
  play(): void {
    if (!this.#audio.srcObject) return;
    this.#audio.play().catch((error) => error.name === "NotAllowedError" && this.host.silenced());
  }

  /** The track of its picture. */
  get picture(): MediaStreamTrack | undefined {
    return this.#track("video");
  }

  /** Shows statistics; undefined: none. */
  tell(figures: string | undefined): void {
    this.#figures.hidden = figures === undefined;
    this.#figures.textContent = figures ?? "";
  }

  async #receive(): Promise<void> {
    const { permission } = this.conference;
    const kinds = (["audio", "video"] as const).filter(
      (kind) => this.stream.has(kind) && permission.subscribe[kind],
    );
    this.#size = this.#fitting();
    const video = this.#size && { resolution: this.#size };
    const subscription = await this.conference.subscribe(this.stream, { kinds, ...(video && { video }) });
    if (!this.#open) {
      await subscription.stop();
      return;
    }
    this.#subscription = subscription;
    subscription.on("renewed", () => this.#play());
    subscription.on("ended", () => void setTimeout(() => void this.#again(), PAUSE_MS));
    this.#play();
  }

  async #again(): Promise<void> {
    if (!this.#open) return;
    try {
      await this.#receive();
    } catch (error) {
      this.host.problem(error);
      setTimeout(() => void this.#again(), PAUSE_MS);
    }
  }

  /** The size in which the picture fits its place; undefined: the view's own will do. */
  #fitting(): Size | undefined {
    const own = this.#own;
    const others = this.stream.others("video").parameters?.resolution ?? [];
    if (!own || others.length === 0) return undefined;
    const size = fitting(own, others, this.#picture.getBoundingClientRect());
    return size === own ? undefined : size;
  }

  get #own(): Size | undefined {
    return this.stream.info.media.tracks.find(({ type }) => type === "video")?.parameters?.resolution;
  }

  #settle(): void {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => void this.#refit(), REST_MS);
  }

  /** Asks for another size where that is worth it; one that cannot be had leaves the picture as it is. */
  async #refit(): Promise<void> {
    const [subscription, own] = [this.#subscription, this.#own];
    if (!subscription || !own) return;
    const [now, next] = [this.#size ?? own, this.#fitting() ?? own];
    if (!worthwhile(now, next)) return;
    this.#size = next;
    await subscription.update({ resolution: next }).catch(() => {
      this.#size = now;
    });
  }

  #play(): void {
    const video = this.#track("video");
    const audio = this.#track("audio");
    this.#video.srcObject = video ? new MediaStream([video]) : null;
    this.#audio.srcObject = audio ? new MediaStream([audio]) : null;
    this.play();
  }

  #track(kind: Kind): MediaStreamTrack | undefined {
    return this.#subscription?.media.getTracks().find((track) => track.kind === kind);
  }

  #show(): void {
    if (!this.#open) return;
    if (this.#places.show(this.stream, this.#carrying.carried) && this.#subscription) void this.#ask();
    const seen = this.#video.videoWidth > 0;
    if (seen) this.#tell(this.stream.layout.length > 0 ? undefined : "Nobody is in the picture yet.");
  }

  /** As large as the place allows, in the shape of what comes. */
  #shape(): void {
    const { videoWidth, videoHeight } = this.#video;
    const size = this.#own ?? { width: 16, height: 9 };
    const ratio = videoWidth ? videoWidth / videoHeight : size.width / size.height;
    this.#picture.style.setProperty("--ratio", String(ratio));
    this.#show();
  }

  #tell(text: string | undefined): void {
    this.#note.hidden = text === undefined;
    this.#note.textContent = text ?? "";
  }

  #say(text: string): void {
    this.#said.textContent = text;
  }

  #may(id: string): boolean {
    const stream = this.conference.streams.find((one) => one.id === id);
    if (!stream) return false;
    if (this.arrangement.may(stream)) return true;
    this.host.problem(new Error("here you can only move yourself."));
    return false;
  }

  async #put(id: string, region: string): Promise<void> {
    const stream = this.conference.streams.find((one) => one.id === id);
    const at = this.stream.layout.findIndex((place) => place.region === region);
    if (!stream || this.stream.layout[at]?.stream === id) return;
    try {
      await this.arrangement.show(stream, region);
      this.#say(`Moved to place ${at + 1}.`);
    } catch (error) {
      this.host.problem(error);
    }
  }

  async #choose(template: Parameters<Arrangement["choose"]>[0]): Promise<void> {
    try {
      this.#chooser.show(await this.arrangement.choose(template));
    } catch (error) {
      this.host.problem(error);
      void this.#ask();
    }
  }

  /** Somebody else may have chosen. What cannot be asked is not marked. */
  async #ask(): Promise<void> {
    this.#chooser.show(await this.arrangement.template().catch(() => undefined));
  }
}
