/** One person in the grid. */

import { needed, type Size } from "./detail.js";
import { h } from "./dom.js";
import { icons } from "./icons.js";
import { Loudness } from "./loudness.js";
import { hueOf, initials } from "./words.js";

const SPEAKS = 0.42;
const HOLD_MS = 700;
/** Who spoke counts as the speaker for a while: pictures shall not change with every breath. */
const SPEAKER_MS = 6000;

/** What a tile shows. `muted` undefined: not known yet. */
export interface Look {
  name: string;
  own: boolean;
  screen: boolean;
  video: MediaStreamTrack | undefined;
  audio: MediaStreamTrack | undefined;
  muted: boolean | undefined;
  /** The picture is held back because the network cannot carry it. */
  held: boolean;
}

/** Picture and sound are played by elements of their own: a picture never waits for the permission to be heard. */
export class Tile {
  readonly element: HTMLElement;
  readonly #video = h("video", { playsinline: true, autoplay: true, "data-testid": "tile-video" });
  readonly #audio = h("audio", { autoplay: true });
  readonly #avatar = h("div", { class: "avatar", "aria-hidden": "true" });
  readonly #name = h("span", { class: "tile-name" });
  readonly #badge = h(
    "span",
    { class: "badge", "data-testid": "muted-badge", role: "img", "aria-label": "microphone off" },
    icons.micOff(),
  );
  readonly #held = h("p", { class: "held", hidden: true }, "Picture paused: slow network");
  readonly #figures = h("p", { class: "figures", "data-testid": "figures", hidden: true });
  #heard: MediaStreamTrack | undefined;
  #loudness: Loudness | undefined;
  #spokeAt = Number.NEGATIVE_INFINITY;
  #muted: boolean | undefined;

  constructor(readonly silenced: () => void) {
    this.#video.muted = true;
    this.element = h(
      "article",
      { class: "tile", "data-testid": "tile" },
      this.#avatar,
      this.#video,
      this.#audio,
      this.#held,
      this.#figures,
      h("footer", {}, this.#badge, this.#name),
    );
  }

  show(look: Look): void {
    const { name, own, video, muted } = look;
    this.element.setAttribute("aria-label", own ? `${name} (you)` : name);
    this.element.classList.toggle("own", own);
    this.element.classList.toggle("screen", look.screen);
    this.element.classList.toggle("faceless", !video);
    this.#name.textContent = own ? `${name} (you)` : name;
    this.#avatar.textContent = initials(name);
    this.element.dataset.hue = String(hueOf(name));
    this.#badge.hidden = muted !== true;
    this.#muted = muted;
    this.#held.hidden = !look.held;
    play(this.#video, video);
    if (!own) this.play(look.audio);
    this.#listen(look.audio);
  }

  /** Tries to be heard, again after the person did something. */
  play(track = this.#heard): void {
    play(this.#audio, track);
    if (track) this.#audio.play().catch((error) => error.name === "NotAllowedError" && this.silenced());
  }

  /** Draws whether they speak; call often. */
  tick(now: number): void {
    if (!this.#muted && (this.#loudness?.now ?? 0) > SPEAKS) this.#spokeAt = now;
    this.element.classList.toggle("speaking", now - this.#spokeAt < HOLD_MS);
  }

  /** The pixels that its picture needs. */
  need(now: number): Size {
    const place = { width: this.element.clientWidth, height: this.element.clientHeight };
    return needed(place, now - this.#spokeAt < SPEAKER_MS);
  }

  /** The track of its picture. */
  get picture(): MediaStreamTrack | undefined {
    return shown(this.#video);
  }

  /** Shows statistics; undefined: none. */
  tell(figures: string | undefined): void {
    this.#figures.hidden = figures === undefined;
    this.#figures.textContent = figures ?? "";
  }

  close(): void {
    this.#loudness?.close();
    this.#video.srcObject = null;
    this.#audio.srcObject = null;
    this.element.remove();
  }

  #listen(track: MediaStreamTrack | undefined): void {
    if (track === this.#heard) return;
    this.#heard = track;
    this.#loudness?.close();
    this.#loudness = track && new Loudness(track);
  }
}

function shown(element: HTMLMediaElement): MediaStreamTrack | undefined {
  return element.srcObject instanceof MediaStream ? element.srcObject.getTracks()[0] : undefined;
}

function play(element: HTMLMediaElement, track: MediaStreamTrack | undefined): void {
  if (shown(element) !== track) element.srcObject = track ? new MediaStream([track]) : null;
}
