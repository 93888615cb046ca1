/** What lies over the mixed picture: a button for each place, with the name of who is seen there. */

import type { Conference, Place, RoomStream } from "palaver-client";
import { h } from "./dom.js";
import { icons } from "./icons.js";

/** Drawn anew only where the regions are others, so that the focus stays. */
export class Places {
  readonly element = h("ul", { class: "places", "aria-label": "Places in the picture" });
  readonly waiting = h("ul", { class: "waiting", "aria-label": "Waiting for a place", hidden: true });
  #shape = "";

  constructor(readonly conference: Conference) {}

  /** Whether the regions are others than before. */
  show(view: RoomStream, carried: string | undefined): boolean {
    const { layout } = view;
    const shape = layout.map((place) => Object.values({ ...place, stream: "" }).join()).join(";");
    const other = shape !== this.#shape;
    if (other) this.#rebuild(layout);
    this.#shape = shape;
    const buttons = this.element.querySelectorAll("button");
    layout.forEach((place, index) => {
      const button = buttons[index];
      if (button) this.#fill(button, place, index, view, carried);
    });
    this.#wait(view, carried);
    return other;
  }

  #rebuild(layout: readonly Place[]): void {
    const focused = this.element.contains(document.activeElement) ? document.activeElement : undefined;
    const region = focused instanceof HTMLElement ? focused.dataset.region : undefined;
    this.element.replaceChildren(
      ...layout.map((place) => {
        const button = h("button", { type: "button", class: "place", "data-testid": "place" });
        button.dataset.region = place.region;
        const item = h("li", {}, button);
        for (const side of ["left", "top", "width", "height"] as const)
          item.style.setProperty(side, `${place[side] * 100}%`);
        if (place.region === region) queueMicrotask(() => button.focus());
        return item;
      }),
    );
  }

  #fill(
    button: HTMLButtonElement,
    place: Place,
    index: number,
    view: RoomStream,
    carried: string | undefined,
  ): void {
    const stream = this.#stream(place.stream);
    const name = stream ? this.#name(stream) : undefined;
    const muted = stream !== undefined && !stream.screen && !this.#heard(stream);
    const number = `place ${index + 1} of ${view.layout.length}`;
    button.setAttribute(
      "aria-label",
      name === undefined ? `Free, ${number}` : `${name}, ${number}${muted ? ", microphone off" : ""}`,
    );
    button.classList.toggle("speaking", stream !== undefined && this.#speaks(stream, view));
    button.classList.toggle("free", stream === undefined);
    if (stream && name !== undefined) {
      button.dataset.stream = stream.id;
      button.dataset.name = name;
      button.setAttribute("aria-pressed", String(stream.id === carried));
      // Without a picture the server draws the name.
      const words = stream.active("video") && h("span", { class: "tile-name" }, name);
      const badge = muted && h("span", { class: "badge" }, icons.micOff());
      button.replaceChildren(h("span", { class: "place-words" }, badge, words));
    } else {
      delete button.dataset.stream;
      delete button.dataset.name;
      button.removeAttribute("aria-pressed");
      button.replaceChildren();
    }
  }

  #wait(view: RoomStream, carried: string | undefined): void {
    const seen = new Set(view.layout.map(({ stream }) => stream));
    const waiting = this.conference.streams.filter(
      (stream) => stream.inViews.includes(view.view ?? "") && stream.has("video") && !seen.has(stream.id),
    );
    this.waiting.hidden = waiting.length === 0;
    this.waiting.replaceChildren(
      ...waiting.map((stream) => {
        const name = this.#name(stream);
        const button = h("button", { type: "button", class: "chip", "data-testid": "waiting" }, name);
        button.dataset.stream = stream.id;
        button.dataset.name = name;
        button.setAttribute("aria-label", `${name}, waiting for a place`);
        button.setAttribute("aria-pressed", String(stream.id === carried));
        return h("li", {}, button);
      }),
    );
  }

  /** Sound and picture of one person may be two streams. */
  #speaks(stream: RoomStream, view: RoomStream): boolean {
    const speaker = this.#stream(view.speaker);
    if (stream.screen) return speaker === stream;
    return (
      speaker !== undefined && (speaker === stream || speaker.owner === stream.owner) && this.#heard(stream)
    );
  }

  #heard(stream: RoomStream): boolean {
    return this.conference.streams.some((one) => one.owner === stream.owner && one.active("audio"));
  }

  #stream(id: string | undefined): RoomStream | undefined {
    return id === undefined ? undefined : this.conference.streams.find((stream) => stream.id === id);
  }

  #name(stream: RoomStream): string {
    const owner = this.conference.participants.find(({ id }) => id === stream.owner);
    if (!owner) return "Live source";
    if (stream.screen) return `Screen of ${owner.user || "Guest"}`;
    return owner.id === this.conference.me.id ? `${owner.user} (you)` : owner.user || "Guest";
  }
}
