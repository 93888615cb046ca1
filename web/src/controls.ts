/** Buttons that the lobby and the conference share. */

import type { Device, Devices } from "./devices.js";
import { h } from "./dom.js";
import { type IconName, icons } from "./icons.js";
import type { Sharing } from "./sharing.js";

/** A round button with an icon; `label` is what it is called aloud and on hover. */
export function roundButton(
  icon: IconName,
  label: string,
  testid: string,
  onclick: () => void,
  kind = "",
): HTMLButtonElement {
  const attributes = {
    type: "button",
    class: `round ${kind}`,
    "aria-label": label,
    title: label,
    "data-testid": testid,
    onclick,
  };
  return h("button", attributes, icons[icon]());
}

const NAMES = {
  mic: { on: "mic", off: "micOff", word: "microphone", testid: "toggle-mic", key: "M" },
  camera: { on: "camera", off: "cameraOff", word: "camera", testid: "toggle-camera", key: "V" },
} as const;

/** A switch for the microphone or the camera that always shows what is. */
export function deviceButton(device: Device, devices: Devices, toggle: () => void): HTMLButtonElement {
  const { on, off, word, testid, key } = NAMES[device];
  const button = roundButton(on, word, testid, toggle, "device");
  const show = () => {
    const active = devices.isOn(device);
    const problem = devices.problem(device);
    const label = problem ?? `Turn ${word} ${active ? "off" : "on"} (${key})`;
    button.replaceChildren(icons[active ? on : off]());
    button.classList.toggle("off", !active);
    button.classList.toggle("problem", problem !== undefined);
    button.setAttribute("aria-pressed", String(active));
    button.setAttribute("aria-label", problem ? `Turn ${word} on. ${problem}` : label);
    button.title = label;
  };
  devices.on("change", show);
  show();
  return button;
}

/** Says that the own screen is being shown, with a button that ends it; hidden else. */
export function sharingNotice(sharing: Sharing): HTMLElement {
  const stop = h("button", { type: "button", "data-testid": "stop-sharing" }, "Stop sharing");
  stop.addEventListener("click", () => void (sharing.active && sharing.toggle()));
  const words = h("span", { role: "status" });
  const notice = h("div", { class: "sharing", hidden: true }, words, stop);
  sharing.on("change", () => {
    notice.hidden = !sharing.active;
    words.textContent = sharing.active ? "You are sharing your screen" : ""; // a change is what gets read out
  });
  return notice;
}

/** A switch for sharing the screen. */
export function shareButton(sharing: Sharing): HTMLButtonElement {
  const button = roundButton("screen", "", "share-screen", () => void sharing.toggle(), "share");
  const show = () => {
    const label = sharing.active ? "Stop sharing your screen (D)" : "Share your screen (D)";
    button.setAttribute("aria-label", label);
    button.setAttribute("aria-pressed", String(sharing.active));
    button.title = label;
  };
  sharing.on("change", show);
  show();
  return button;
}

/** The product's sign and name. */
export function brand(): HTMLElement {
  return h("div", { class: "brand" }, h("span", { class: "sign" }, icons.bubbles()), "Palaver");
}
