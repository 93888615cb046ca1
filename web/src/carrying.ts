/** Taking somebody from one place to another: by dragging, or with one press to pick up and one to put down. */

import { h } from "./dom.js";

/** Pixels that a pointer moves before it drags. */
const DRAGS = 8;

export interface Carrier {
  /** Whether this stream may be taken; says so to the person if not. */
  may(stream: string): boolean;
  put(stream: string, region: string): void;
  /** What a screen reader says. */
  say(text: string): void;
}

interface Press {
  stream: string;
  name: string;
  pointer: number;
  x: number;
  y: number;
}

/** Listens on `root` for its buttons with `data-region` (a place), `data-stream` (who is there) and `data-name`. */
export class Carrying {
  readonly #ghost = h("div", { class: "ghost", "aria-hidden": "true" });
  #press: Press | undefined;
  #dragged = false;
  #carried: string | undefined;

  constructor(
    readonly root: HTMLElement,
    readonly carrier: Carrier,
  ) {
    root.addEventListener("pointerdown", (event) => this.#down(event));
    root.addEventListener("pointermove", (event) => this.#move(event));
    root.addEventListener("pointerup", (event) => this.#up(event));
    root.addEventListener("pointercancel", () => this.#reset());
    root.addEventListener("click", (event) => this.#click(event));
    root.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The stream that is being carried. */
  get carried(): string | undefined {
    return this.#carried;
  }

  #down(event: PointerEvent): void {
    const { stream, name } = buttonAt(event.target)?.dataset ?? {};
    this.#dragged = false;
    if (!stream || event.button !== 0) return;
    this.#press = { stream, name: name ?? "", pointer: event.pointerId, x: event.clientX, y: event.clientY };
  }

  #move(event: PointerEvent): void {
    const press = this.#press;
    if (press?.pointer !== event.pointerId) return;
    if (!this.#dragged) {
      if (Math.hypot(event.clientX - press.x, event.clientY - press.y) < DRAGS) return;
      if (!this.carrier.may(press.stream)) {
        this.#reset();
        return;
      }
      this.#dragged = true;
      this.#carry(press.stream);
      this.root.setPointerCapture(press.pointer);
      this.#ghost.textContent = press.name;
      document.body.append(this.#ghost);
    }
    this.#ghost.style.setProperty("translate", `${event.clientX}px ${event.clientY}px`);
    this.#aim(this.#under(event));
  }

  #up(event: PointerEvent): void {
    const press = this.#press;
    if (press && this.#dragged) {
      const region = this.#under(event)?.dataset.region;
      if (region) this.carrier.put(press.stream, region);
      this.#reset();
    }
    this.#press = undefined;
  }

  /** A press without a drag, by whatever means. */
  #click(event: MouseEvent): void {
    const button = buttonAt(event.target);
    // The end of a drag may count as a click.
    if (!button || (this.#dragged && event.detail > 0)) return;
    const { stream, region, name } = button.dataset;
    if (this.#carried === undefined) {
      if (!stream || !this.carrier.may(stream)) return;
      this.#carry(stream);
      this.carrier.say(`${name} picked up. Choose a place, or Escape.`);
    } else {
      if (this.#carried === stream) this.carrier.say("Put down again.");
      else if (region) this.carrier.put(this.#carried, region);
      this.#reset();
    }
  }

  #key(event: KeyboardEvent): void {
    if (event.key === "Escape" && this.#carried !== undefined) {
      event.stopPropagation();
      this.#reset();
      this.carrier.say("Put down again.");
    }
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const from = buttonAt(event.target);
    if (!step || !from) return;
    event.preventDefault();
    this.#next(from, step[0] as number, step[1] as number)?.focus();
  }

  /** The nearest place in a direction. */
  #next(from: HTMLElement, dx: number, dy: number): HTMLElement | undefined {
    const middle = (one: HTMLElement) => {
      const { left, top, width, height } = one.getBoundingClientRect();
      return [left + width / 2, top + height / 2] as const;
    };
    const [x, y] = middle(from);
    const ways = [...this.root.querySelectorAll<HTMLElement>("button[data-region]")].map((one) => {
      const [x1, y1] = middle(one);
      const ahead = (x1 - x) * dx + (y1 - y) * dy;
      return { one, ahead, far: ahead + 2 * Math.abs((x1 - x) * dy + (y1 - y) * dx) };
    });
    return ways.filter(({ ahead }) => ahead > 1).sort((a, b) => a.far - b.far)[0]?.one;
  }

  #under(event: PointerEvent): HTMLElement | undefined {
    const found = buttonAt(document.elementFromPoint(event.clientX, event.clientY));
    return found?.dataset.region && this.root.contains(found) ? found : undefined;
  }

  #aim(at: HTMLElement | undefined): void {
    for (const one of this.root.querySelectorAll(".aimed")) if (one !== at) one.classList.remove("aimed");
    at?.classList.add("aimed");
  }

  #carry(stream: string | undefined): void {
    this.#carried = stream;
    this.root.classList.toggle("carrying", stream !== undefined);
    for (const one of this.root.querySelectorAll<HTMLElement>("button[data-stream]"))
      one.setAttribute("aria-pressed", String(one.dataset.stream === stream));
  }

  #reset(): void {
    this.#press = undefined;
    this.#ghost.remove();
    this.#aim(undefined);
    this.#carry(undefined);
  }
}

function buttonAt(target: EventTarget | null): HTMLElement | undefined {
  const button = target instanceof Element ? target.closest("button") : null;
  return button && ("region" in button.dataset || "stream" in button.dataset) ? button : undefined;
}
