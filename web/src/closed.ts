/** Where the page cannot let anybody in: what to do instead. */

import { brand } from "./controls.js";
import { h } from "./dom.js";
import type { Screen } from "./lobby.js";
import { UNREACHABLE } from "./words.js";

/** Without an invitation there is nothing to press here. */
export function closed(): Screen {
  return card(
    h("h1", {}, "You need an invitation"),
    h(
      "p",
      { class: "lead" },
      "Rooms on this server open with a link. Open the one that you were given, or ask the person who invited you for a new one.",
    ),
    h(
      "p",
      { class: "aside" },
      "Is this your server? ",
      h("code", {}, "palaver serve --demo"),
      " lets everybody who can reach it in by a name; ",
      h("code", {}, "palaver invite --room standup --create"),
      " prints a link to send to people.",
    ),
  );
}

/** The address holds an invitation that lets nobody in. */
export function refused(reason: string): Screen {
  return card(
    h("h1", {}, "This link cannot be used"),
    h("p", { class: "lead" }, reason, " Ask the person who invited you for a new one."),
  );
}

/** The server did not answer; reloading the page asks again. */
export function offline(): Screen {
  const again = h("button", { type: "button", class: "primary", "data-testid": "retry" }, "Try again");
  again.addEventListener("click", () => location.reload());
  return card(h("h1", {}, "No answer"), h("p", { class: "lead" }, UNREACHABLE), again);
}

function card(...content: Node[]): Screen {
  const element = h(
    "main",
    { class: "lobby farewell" },
    h("header", {}, brand()),
    h("div", { class: "card" }, ...content),
  );
  return { element, close: () => undefined };
}
