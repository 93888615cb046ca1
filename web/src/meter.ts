/** How loud the own microphone is, in five bars. */

import type { Devices } from "./devices.js";
import { h } from "./dom.js";
import { icons } from "./icons.js";
import { Loudness } from "./loudness.js";

const BARS = 5;
const DRAW_MS = 80;

/** Draws until closed; hidden while the microphone is off. */
export function meter(devices: Devices): { element: HTMLElement; close: () => void } {
  const bars = Array.from({ length: BARS }, () => h("i"));
  const element = h(
    "div",
    { class: "meter", "aria-hidden": "true", "data-testid": "meter" },
    icons.mic(),
    ...bars,
  );
  let loudness: Loudness | undefined;
  let heard: MediaStreamTrack | undefined;
  const show = () => {
    element.hidden = !devices.isOn("mic");
    const mic = devices.track("mic");
    if (mic === heard) return;
    loudness?.close();
    loudness = mic && new Loudness(mic);
    heard = mic;
  };
  show();
  const tick = setInterval(() => {
    const lit = devices.isOn("mic") ? Math.round((loudness?.now ?? 0) * BARS) : 0;
    for (const [i, bar] of bars.entries()) bar.classList.toggle("lit", i < lit);
  }, DRAW_MS);
  const stop = devices.on("change", show);
  const close = () => {
    stop();
    clearInterval(tick);
    loudness?.close();
  };
  return { element, close };
}
