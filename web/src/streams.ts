/** The panel of those who may bring cameras into the room by their URL, and send the room live. */

import type { Conference } from "palaver-client";
import { askRoom } from "./asking.js";
import { h } from "./dom.js";
import { place } from "./place.js";
import type { Panel } from "./side.js";
import { toast } from "./toasts.js";

export interface PageStream {
  id: string;
  kind: "camera" | "live";
  name?: string;
  url: string;
  /** Where viewers see it, if the server itself serves it. */
  page?: string;
  state: "connecting" | "connected" | "retrying" | "failed";
  error: string;
}

/** While it is open, how streams stand is asked for so often. */
const LOOK_MS = 3000;
/** A camera is answered when its picture has come. */
const PATIENCE_MS = 40_000;

/** How a stream stands, in words. */
export function standing({ kind, state, error }: PageStream): string {
  const fault = error ? `: ${error}` : "";
  if (state === "connected") return kind === "camera" ? "In the room" : "Live";
  if (state === "failed") return `Ended${fault}`;
  return state === "retrying" ? `Trying again${fault}` : "Connecting…";
}

/** Cameras and live streams that were begun at the page. Nothing of it is there for whoever may not. */
export class Streams implements Panel {
  readonly icon = "broadcast";
  readonly title = "Live and cameras";
  readonly key = "L";
  readonly #lives = h("ul", { class: "streams-list" });
  readonly #cameras = h("ul", { class: "streams-list" });
  readonly #target = field("Send it to", "live-url", "rtmp://… (empty: this server's own player)");
  readonly #url = field("Camera", "camera-url", "rtsp://…");
  readonly #name = field("Name", "camera-name", "Front door");
  readonly #begin = h("button", { class: "primary", "data-testid": "go-live" }, "Go live");
  readonly #add = h("button", { class: "primary", "data-testid": "add-camera" }, "Add the camera");
  readonly element: HTMLElement;
  #busy = false;

  constructor(
    readonly conference: Conference,
    readonly problem: (error: unknown) => void,
  ) {
    const live = h("form", {}, h("h3", {}, "Go live"), this.#target.element, this.#begin, this.#lives);
    const camera = h(
      "form",
      {},
      h("h3", {}, "Add a camera by URL"),
      this.#url.element,
      this.#name.element,
      this.#add,
      this.#cameras,
    );
    live.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#act("POST", "", { kind: "live", url: this.#target.input.value.trim() });
    });
    camera.addEventListener("submit", (event) => {
      event.preventDefault();
      const [url, name] = [this.#url.input.value.trim(), this.#name.input.value.trim()];
      if (url) void this.#act("POST", "", { kind: "camera", url, name });
    });
    this.element = h("div", { class: "streams" }, live, camera);
  }

  /** Whether we may do that here. */
  async may(): Promise<boolean> {
    const known = await this.#ask("GET").catch(() => undefined);
    if (known) this.#show(known);
    return known !== undefined;
  }

  shown(): () => void {
    const look = async () => {
      const known = this.#busy ? undefined : await this.#ask("GET").catch(() => undefined);
      if (known && !this.#busy) this.#show(known);
    };
    void look();
    const timer = setInterval(() => void look(), LOOK_MS);
    return () => clearInterval(timer);
  }

  async #act(
    method: string,
    path: string,
    body?: { kind: string; url: string; name?: string },
  ): Promise<void> {
    if (this.#busy) return;
    this.#hold(true);
    try {
      this.#show(await this.#ask(method, path, body));
      const written = body?.kind === "camera" ? [this.#url, this.#name] : [this.#target];
      if (body) for (const { input } of written) input.value = "";
    } catch (error) {
      this.problem(error);
    } finally {
      this.#hold(false);
    }
  }

  #hold(busy: boolean): void {
    this.#busy = busy;
    this.#begin.disabled = this.#add.disabled = busy;
  }

  #show(known: PageStream[]): void {
    const rows = (kind: string) => known.filter((one) => one.kind === kind).map((one) => this.#row(one));
    this.#lives.replaceChildren(...rows("live"));
    this.#cameras.replaceChildren(...rows("camera"));
  }

  #row(one: PageStream): HTMLElement {
    const end = h("button", { type: "button", class: "danger", "data-testid": `end-${one.kind}` }, "End");
    end.addEventListener("click", () => void this.#act("DELETE", `/${one.id}`));
    const link = one.page ? place(one.page) : undefined;
    const where = link
      ? h("a", { href: link, target: "_blank", "data-testid": "live-link" }, "The viewers' page")
      : h("span", { class: "streams-url" }, one.name || one.url);
    const copy =
      link === undefined
        ? undefined
        : h("button", { type: "button", "data-testid": "copy-live-link" }, "Copy the link");
    copy?.addEventListener("click", () => void copied(link ?? ""));
    const state = h("p", { class: "streams-state", "data-testid": `${one.kind}-state` }, standing(one));
    state.dataset.state = one.state;
    return h("li", {}, where, state, h("div", { class: "streams-tools" }, copy, end));
  }

  async #ask(method: string, path = "", body?: object): Promise<PageStream[]> {
    const room = this.conference.room.id;
    const said = await askRoom<{ streams: PageStream[] }>(room, `streams${path}`, method, body, PATIENCE_MS);
    return said.streams;
  }
}

async function copied(link: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(link);
    toast("Link copied");
  } catch {
    toast(link);
  }
}

function field(label: string, testid: string, placeholder: string) {
  const input = h("input", { placeholder, autocomplete: "off", spellcheck: false, "data-testid": testid });
  return { input, element: h("label", { class: "field" }, h("span", {}, label), input) };
}
