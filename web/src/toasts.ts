/** Short news at the edge of the screen, read aloud by screen readers. */

import { h } from "./dom.js";

const SHOWN_MS = 4500;
const MOST = 3;

export function toast(text: string, kind: "news" | "problem" = "news"): void {
  const place = document.getElementById("toasts");
  if (!place) return;
  // What happens to several people or tracks at once is said once.
  for (const other of [...place.children]) if (other.textContent === text) other.remove();
  const shown = h("div", { class: `toast ${kind}` }, text);
  place.append(shown);
  while (place.children.length > MOST) place.firstElementChild?.remove();
  setTimeout(() => shown.remove(), kind === "problem" ? SHOWN_MS * 2 : SHOWN_MS);
}
