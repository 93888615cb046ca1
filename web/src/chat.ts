/** The chat: what was said in writing, and a line to say more. */

import { h } from "./dom.js";
import { icons } from "./icons.js";
import { explained, hueOf, initials } from "./words.js";

const LONGEST = 2048;
const KEPT = 500;
/** What one person says within this time stands together. */
const TOGETHER_MS = 120_000;
const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;

export interface Chat {
  element: HTMLElement;
  heard(from: { id: string; name: string; own: boolean }, message: string): void;
  focus(): void;
}

export function chat(say: (message: string) => Promise<void>): Chat {
  const empty = h("p", { class: "empty" }, "Nothing written yet. Messages go to everybody who is here now.");
  const log = h(
    "div",
    { class: "log", "data-testid": "chat-log", role: "log", "aria-live": "polite", tabindex: 0 },
    empty,
  );
  const input = h("textarea", {
    "data-testid": "chat-input",
    rows: 1,
    maxlength: LONGEST,
    placeholder: "Write to everybody",
    "aria-label": "Message",
  });
  const send = h(
    "button",
    { type: "submit", class: "round send", "data-testid": "chat-send", "aria-label": "Send", title: "Send" },
    icons.send(),
  );
  const problem = h("p", { class: "problem-text", role: "alert" });
  const form = h("form", { class: "say" }, input, send);
  let last: { id: string; at: number; body: HTMLElement } | undefined;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const message = input.value.trim();
    if (!message) return;
    input.value = "";
    problem.textContent = "";
    say(message).catch((error) => {
      problem.textContent = explained(error);
      if (!input.value) input.value = message;
    });
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

  return {
    element: h("div", { class: "chat" }, log, problem, form),
    focus: () => input.focus(),
    heard: (from, message) => {
      empty.remove();
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
      const at = Date.now();
      const body = last?.id === from.id && at - last.at < TOGETHER_MS ? last.body : group(from, at);
      last = { id: from.id, at, body };
      body.append(h("p", {}, ...linked(message)));
      while (log.childElementCount > KEPT) log.firstElementChild?.remove();
      if (atEnd || from.own) log.scrollTop = log.scrollHeight;
    },
  };

  function group({ name, own }: { name: string; own: boolean }, at: number): HTMLElement {
    const body = h("div", { class: "said-body" });
    const face = h(
      "div",
      { class: "avatar small", "data-hue": hueOf(name), "aria-hidden": "true" },
      initials(name),
    );
    const time = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const head = h("header", {}, h("b", {}, own ? "You" : name), h("time", {}, time));
    log.append(h("div", { class: own ? "said own" : "said" }, face, h("div", {}, head, body)));
    return body;
  }
}

/** The text in pieces, with its web addresses as links. */
export function linked(text: string): (string | HTMLElement)[] {
  const pieces: (string | HTMLElement)[] = [];
  let end = 0;
  for (const found of text.matchAll(LINK)) {
    pieces.push(text.slice(end, found.index));
    pieces.push(h("a", { href: found[0], target: "_blank", rel: "noopener noreferrer" }, found[0]));
    end = found.index + found[0].length;
  }
  pieces.push(text.slice(end));
  return pieces.filter((piece) => piece !== "");
}
