/** The panels beside the pictures, one at a time, and the buttons that open them. */

import { roundButton } from "./controls.js";
import { h } from "./dom.js";
import type { IconName } from "./icons.js";

export interface Panel {
  icon: IconName;
  title: string;
  /** Opens and shuts it. */
  key: string;
  element: HTMLElement;
  /** Called when it opens; the result when it shuts. */
  shown?: () => () => void;
  /** What takes the focus when it opens; default: the button that shuts it. */
  focus?: () => void;
}

export class Side<Name extends string> {
  readonly element = h("aside", { class: "side", hidden: true });
  readonly buttons: Record<Name, HTMLButtonElement>;
  readonly #panels: Record<Name, Panel>;
  #open: Name | undefined;
  #shut: (() => void) | undefined;

  constructor(panels: Record<Name, Panel>) {
    this.#panels = panels;
    const button = (name: Name) =>
      roundButton(
        panels[name].icon,
        this.#label(name),
        `open-${name}`,
        () => this.toggle(name),
        "panel-button",
      );
    const names = Object.keys(panels) as Name[];
    this.buttons = Object.fromEntries(names.map((name) => [name, button(name)])) as typeof this.buttons;
  }

  get open(): Name | undefined {
    return this.#open;
  }

  /** Opens it, or shuts it if it is open. */
  toggle(name: Name): void {
    if (this.#open === name) this.shut();
    else {
      this.#leave();
      this.#enter(name);
    }
  }

  /** Shuts what is open; the focus returns to its button. */
  shut(): void {
    const left = this.#open;
    this.#leave();
    this.element.hidden = true;
    if (left) this.buttons[left].focus();
  }

  /** What happened in a panel that nobody looks at; 0: nothing. */
  count(name: Name, unread: number): void {
    const button = this.buttons[name];
    const { title } = this.#panels[name];
    button.setAttribute("aria-label", unread ? `${title}, ${unread} unread` : this.#label(name));
    if (unread) button.dataset.count = String(Math.min(unread, 99));
    else delete button.dataset.count;
  }

  close(): void {
    this.#leave();
  }

  #enter(name: Name): void {
    const panel = this.#panels[name];
    this.#open = name;
    this.#mark(name, true);
    const close = roundButton("close", "Close", "close-panel", () => this.shut(), "plain");
    this.element.setAttribute("aria-label", panel.title);
    this.element.replaceChildren(h("header", {}, h("h2", {}, panel.title), close), panel.element);
    this.element.hidden = false;
    this.#shut = panel.shown?.();
    if (panel.focus) panel.focus();
    else close.focus();
  }

  #leave(): void {
    this.#shut?.();
    this.#shut = undefined;
    if (this.#open) this.#mark(this.#open, false);
    this.#open = undefined;
  }

  #mark(name: Name, open: boolean): void {
    this.buttons[name].setAttribute("aria-expanded", String(open));
    this.buttons[name].classList.toggle("open", open);
  }

  #label(name: Name): string {
    const { title, key } = this.#panels[name];
    return `${title} (${key})`;
  }
}
