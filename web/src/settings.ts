/** The panel of settings: which devices, and whether statistics are shown. */

import { deviceChoice } from "./choice.js";
import type { Devices } from "./devices.js";
import { h } from "./dom.js";
import { meter } from "./meter.js";

export interface Settings {
  element: HTMLElement;
  shown: () => () => void;
  /** Whether every picture shows its statistics. */
  readonly counting: boolean;
  count(on: boolean): void;
}

/** `changed` is told when statistics are switched. */
export function settings(devices: Devices, changed: () => void): Settings {
  const place = h("div", { class: "devices" });
  const figures = h("input", { type: "checkbox", id: "figures", "data-testid": "statistics" });
  figures.addEventListener("change", changed);
  const element = h(
    "div",
    { class: "settings" },
    place,
    h("label", { class: "tick", for: "figures" }, figures, "Statistics on every picture (S)"),
  );
  // Devices are looked at and listened to only while somebody looks.
  const shown = () => {
    const choice = deviceChoice(devices);
    const loudness = meter(devices);
    place.replaceChildren(choice.element, loudness.element);
    return () => {
      choice.close();
      loudness.close();
    };
  };
  return {
    element,
    shown,
    get counting() {
      return figures.checked;
    },
    count(on) {
      figures.checked = on;
      changed();
    },
  };
}
