/** Before the conference: a name, a room, and a look in the mirror. */

import { deviceChoice } from "./choice.js";
import { brand, deviceButton } from "./controls.js";
import type { Devices } from "./devices.js";
import { h } from "./dom.js";
import { type Entrance, freshRoom } from "./entrance.js";
import { wakeAudio } from "./loudness.js";
import { meter } from "./meter.js";
import { deviceProblems, hueOf, initials, isSpent } from "./words.js";

const NAME_KEY = "palaver.name";

export interface JoinForm {
  user: string;
  room: string;
}

/** Resolves nothing: `enter` is called at Join, and its rejection is shown with the form as it was. */
export function lobby(
  entrance: Exclude<Entrance, { way: "closed" | "offline" | "refused" }>,
  devices: Devices,
  enter: (form: JoinForm) => Promise<void>,
): Screen {
  const closing: (() => void)[] = [];
  const name = h("input", {
    id: "name",
    name: "name",
    "data-testid": "lobby-name",
    autocomplete: "name",
    maxlength: 60,
    required: true,
    placeholder: "How others will see you",
    value: localStorage.getItem(NAME_KEY) ?? "",
  });
  const room = h("input", {
    id: "room",
    name: "room",
    "data-testid": "lobby-room",
    autocomplete: "off",
    maxlength: 64,
    required: true,
    spellcheck: "false",
    value: invitedTo() ?? freshRoom(),
  });
  const problem = h("p", { class: "problem-text", role: "alert" });
  const join = h("button", { type: "submit", class: "primary", "data-testid": "lobby-join" }, "Join");
  const demo = entrance.way === "demo";
  const named = entrance.way !== "token";
  const invited = entrance.way === "invite" ? entrance.room : undefined;
  const title = h("h1", {}, invitedTo() || !demo ? "You are invited" : "Meet face to face");
  const form = h(
    "form",
    { class: "card", novalidate: true },
    title,
    h("p", { class: "lead", "data-testid": "lobby-lead" }, lead(demo, invited)),
    named && field("Your name", name),
    demo && field("Room", room, "Everybody who enters the same name meets here."),
    problem,
    join,
  );

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (named && !complete(name, problem, "Please tell the others your name.")) return;
    if (demo && !complete(room, problem, "Please name a room.")) return;
    wakeAudio();
    localStorage.setItem(NAME_KEY, name.value.trim());
    void submit();
  });
  const submit = async () => {
    problem.textContent = "";
    join.disabled = true;
    join.textContent = "Joining…";
    try {
      await enter({ user: name.value.trim(), room: room.value.trim() });
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
      join.disabled = false;
      join.textContent = named ? "Join" : "Try again";
      if (entrance.way !== "token" || !isSpent(error)) return;
      join.remove();
      title.textContent = "This link cannot be used";
    }
  };

  const mirror = preview(devices, () => name.value, closing);
  name.addEventListener("input", mirror.rename);
  const element = h(
    "main",
    { class: "lobby" },
    h("header", {}, brand()),
    h("div", { class: "lobby-body" }, mirror.element, form),
  );
  queueMicrotask(() => (named && !name.value ? name : join).focus());
  return {
    element,
    close: () => {
      for (const c of closing) c();
    },
  };
}

/** What fills the page; `close` when another takes its place. */
export interface Screen {
  element: HTMLElement;
  close(): void;
}

/** The room that the address names. */
export function invitedTo(): string | undefined {
  return new URLSearchParams(location.search).get("room")?.trim() || undefined;
}

function lead(demo: boolean, invited: string | undefined): string {
  if (invited !== undefined) return `To the room “${invited}”. Check how you look, then step in.`;
  if (!demo) return "Your link holds a place in a room. Check how you look, then step in.";
  return invitedTo() ? "Check how you look, then step in." : "Pick a room, share its link, and talk.";
}

function field(label: string, input: HTMLInputElement, hint?: string): HTMLElement {
  const id = `${input.id}-hint`;
  if (hint) input.setAttribute("aria-describedby", id);
  return h(
    "div",
    { class: "field" },
    h("label", { for: input.id }, label),
    input,
    hint ? h("small", { id }, hint) : undefined,
  );
}

function complete(input: HTMLInputElement, problem: HTMLElement, words: string): boolean {
  const filled = input.value.trim() !== "";
  input.setAttribute("aria-invalid", String(!filled));
  if (filled) return true;
  problem.textContent = words;
  input.focus();
  return false;
}

function preview(devices: Devices, name: () => string, closing: (() => void)[]) {
  const video = h("video", {
    playsinline: true,
    autoplay: true,
    class: "mirrored",
    "aria-label": "Your camera",
  });
  video.muted = true;
  const avatar = h("div", { class: "avatar" });
  const loudness = meter(devices);
  const choice = deviceChoice(devices);
  const note = h("p", { class: "note", role: "status" });
  const rename = () => {
    avatar.textContent = name().trim() ? initials(name()) : "You";
    avatar.dataset.hue = String(hueOf(name()));
  };
  const show = () => {
    const camera = devices.track("camera");
    video.srcObject = camera ? new MediaStream([camera]) : null;
    frame.classList.toggle("dark", !camera);
    note.textContent = deviceProblems(devices.problem("camera"), devices.problem("mic"));
  };
  const frame = h(
    "div",
    { class: "preview" },
    video,
    avatar,
    loudness.element,
    h(
      "div",
      { class: "preview-controls" },
      deviceButton("mic", devices, () => void devices.toggle("mic")),
      deviceButton("camera", devices, () => void devices.toggle("camera")),
    ),
  );
  rename();
  show();
  closing.push(devices.on("change", show), loudness.close, choice.close);
  const choose = h("details", { class: "choose" }, h("summary", {}, "Choose devices"), choice.element);
  const element = h("section", { class: "mirror", "aria-label": "Preview" }, frame, note, choose);
  return { element, rename };
}
