/** The list of everybody. */

import { h } from "./dom.js";
import { icons } from "./icons.js";
import type { Person } from "./roster.js";
import { hueOf, initials } from "./words.js";

export function peopleList(): { element: HTMLElement; show: (people: readonly Person[]) => void } {
  const list = h("ul", { class: "people", "data-testid": "people-list", "aria-label": "People" });
  const show = (people: readonly Person[]) => list.replaceChildren(...people.map(row));
  return { element: list, show };
}

function row({ name, own, muted, camera }: Person): HTMLElement {
  const state = (on: boolean, icon: SVGSVGElement, label: string) =>
    h("span", { class: on ? "state" : "state off", role: "img", "aria-label": label, title: label }, icon);
  return h(
    "li",
    {},
    h("div", { class: "avatar small", "data-hue": hueOf(name), "aria-hidden": "true" }, initials(name)),
    h("span", { class: "who" }, name, own && h("small", {}, "you")),
    state(!muted, icons[muted ? "micOff" : "mic"](), muted ? "microphone off" : "microphone on"),
    state(camera, icons[camera ? "camera" : "cameraOff"](), camera ? "camera on" : "camera off"),
  );
}
