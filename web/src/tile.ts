/** One person in the grid. */

import { h } from "./dom.js";
import { icons } from "./icons.js";
import { Loudness } from "./loudness.js";
import { hueOf, initials } from "./words.js";

const SPEAKS = 0.42;
const HOLD_MS = 700;

/** What a tile shows. `muted` undefined: not known yet. */
export interface Look {
  name: string;
  own: boolean;
  video: MediaStreamTrack | undefined;
  audio: MediaStreamTrack | undefined;
  muted: boolean | undefined;
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
      h("footer", {}, this.#badge, this.#name),
    );
  }

  show(look: Look): void {
    const { name, own, video, muted } = look;
    this.element.setAttribute("aria-label", own ? `${name} (you)` : name);
    this.element.classList.toggle("own", own);
    this.element.classList.toggle("faceless", !video);
    this.#name.textContent = own ? `${name} (you)` : name;
    this.#avatar.textContent = initials(name);
    this.element.dataset.hue = String(hueOf(name));
    this.#badge.hidden = muted !== true;
    this.#muted = muted;
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

function play(element: HTMLMediaElement, track: MediaStreamTrack | undefined): void {
  const shown = element.srcObject instanceof MediaStream ? element.srcObject.getTracks()[0] : undefined;
  if (shown !== track) element.srcObject = track ? new MediaStream([track]) : null;
}
