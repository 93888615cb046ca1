/** Which microphone and which camera, where there are several. */

import type { Device, Devices } from "./devices.js";
import { h } from "./dom.js";
import { toast } from "./toasts.js";

const LISTS: Record<Device, { kind: MediaDeviceKind; label: string; none: string }> = {
  mic: { kind: "audioinput", label: "Microphone", none: "No microphone found" },
  camera: { kind: "videoinput", label: "Camera", none: "No camera found" },
};
let ids = 0;

/** A list for each device, equal to what is plugged in and in use until closed. */
export function deviceChoice(devices: Devices): { element: HTMLElement; close: () => void } {
  const lists = (["mic", "camera"] as const).map((device) => list(devices, device));
  const show = async () => {
    const found = (await navigator.mediaDevices?.enumerateDevices().catch(() => undefined)) ?? [];
    for (const { fill } of lists) fill(found);
  };
  const changed = () => void show();
  const stop = devices.on("change", changed);
  navigator.mediaDevices?.addEventListener("devicechange", changed);
  changed();
  return {
    element: h("div", { class: "device-choice" }, ...lists.map(({ element }) => element)),
    close: () => {
      stop();
      navigator.mediaDevices?.removeEventListener("devicechange", changed);
    },
  };
}

function list(devices: Devices, device: Device) {
  const { kind, label, none } = LISTS[device];
  const id = `choice-${++ids}`;
  const select = h("select", { id, "data-testid": `choose-${device}` });
  select.addEventListener("change", async () => {
    const problem = await devices.choose(device, select.value);
    if (problem) toast(problem, "problem");
  });
  const fill = (found: readonly MediaDeviceInfo[]) => {
    // Before the person allowed it, browsers say that there are some, and not which.
    const known = found.filter((one) => one.kind === kind && one.deviceId);
    const chosen = devices.track(device)?.getSettings().deviceId ?? devices.chosen(device);
    const options = known.map((one, i) =>
      h("option", { value: one.deviceId }, one.label || `${label} ${i + 1}`),
    );
    select.replaceChildren(...(options.length > 0 ? options : [h("option", { value: "" }, none)]));
    select.disabled = options.length === 0;
    if (known.some((one) => one.deviceId === chosen)) select.value = chosen ?? "";
  };
  return { element: h("div", { class: "field" }, h("label", { for: id }, label), select), fill };
}
