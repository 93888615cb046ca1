/** After the conference. */

import type { Ending } from "palaver-client";
import { brand } from "./controls.js";
import { h } from "./dom.js";
import type { Screen } from "./lobby.js";
import { place } from "./place.js";

const WORDS: Record<Ending, [title: string, text: string]> = {
  left: ["You have left", "It was good to have you here."],
  dropped: [
    "You were taken out of the room",
    "Somebody who looks after this room ended your visit, or closed the room.",
  ],
  lost: ["The connection was lost", "The way back to the room could not be found."],
};

/** `rejoin` undefined: there is no way back in by ourselves. Its rejection is shown. */
export function farewell(ending: Ending, rejoin: (() => Promise<void>) | undefined): Screen {
  const [title, text] = WORDS[ending];
  const problem = h("p", { class: "problem-text", role: "alert" });
  const again = h("button", { type: "button", class: "primary", "data-testid": "rejoin" }, "Join again");
  again.addEventListener("click", () => {
    again.disabled = true;
    problem.textContent = "";
    rejoin?.().catch((error) => {
      again.disabled = false;
      problem.textContent = error instanceof Error ? error.message : String(error);
    });
  });
  const card = h(
    "div",
    { class: "card" },
    h("h1", {}, title),
    h("p", { class: "lead" }, rejoin ? text : `${text} To come back, ask for a new link.`),
    problem,
    rejoin && again,
    rejoin && h("a", { class: "quiet", href: place("") }, "Go to another room"),
  );
  queueMicrotask(() => again.focus());
  return {
    element: h("main", { class: "lobby farewell" }, h("header", {}, brand()), card),
    close: () => undefined,
  };
}
