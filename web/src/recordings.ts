/** Recording the room: the mark that everybody sees, and the panel of those who may begin and end it. */

import type { Conference } from "palaver-client";
import { askRoom } from "./asking.js";
import { h } from "./dom.js";
import { place } from "./place.js";
import type { Panel } from "./side.js";
import { length } from "./words.js";

interface Part {
  play: string;
  download: string;
  thumbnail?: string;
  speakers?: string;
}

interface Recording {
  id: string;
  state: "recording" | "paused" | "ended";
  started: number;
  seconds: number;
  parts: Part[];
}

/** While it is open, what goes on is asked for so often. */
const LOOK_MS = 3000;
const WORDS = { recording: "This meeting is being recorded", paused: "The recording is paused", none: "" };

/** Says to everybody that the room is recorded; hidden while it is not. */
export function recordingMark(conference: Conference): { element: HTMLElement; close: () => void } {
  const words = h("span", {});
  const element = h(
    "div",
    { class: "recorded", role: "status", "data-testid": "recorded" },
    h("span", { class: "dot", "aria-hidden": "true" }),
    words,
  );
  const show = () => {
    element.dataset.state = conference.recording;
    words.textContent = WORDS[conference.recording];
  };
  show();
  return { element, close: conference.on("recordingchanged", show) };
}

/** The recordings that were made at the page. Nothing of it is there for whoever may not record. */
export class Recordings implements Panel {
  readonly icon = "record";
  readonly title = "Recordings";
  readonly key = "R";
  readonly #list = h("ol", { class: "recordings-list" });
  readonly #empty = h("p", { class: "empty" }, "What you record is listed here.");
  readonly #begin = button("Record the meeting", "record-start", "primary", () => this.#act("POST"));
  readonly #pause = button("Pause", "record-pause", "", () => this.#toggle());
  readonly #end = button("Stop recording", "record-stop", "danger", () => this.#act("DELETE", this.#current));
  readonly element = h(
    "div",
    { class: "recordings" },
    h("div", { class: "recordings-tools" }, this.#begin, this.#pause, this.#end),
    this.#empty,
    this.#list,
  );
  #known: Recording[] = [];
  #busy = false;

  constructor(
    readonly conference: Conference,
    readonly problem: (error: unknown) => void,
  ) {
    this.#show();
  }

  /** Whether we may record here. */
  async may(): Promise<boolean> {
    try {
      this.#known = await this.#ask("GET");
    } catch {
      return false;
    }
    this.#show();
    return true;
  }

  shown(): () => void {
    const look = () => void this.#look();
    look();
    const timer = setInterval(look, LOOK_MS);
    const stop = this.conference.on("recordingchanged", look);
    return () => {
      clearInterval(timer);
      stop();
    };
  }

  get #current(): Recording | undefined {
    return this.#known.find(({ state }) => state !== "ended");
  }

  async #look(): Promise<void> {
    if (this.#busy) return;
    const known = await this.#ask("GET").catch(() => undefined);
    if (!known || this.#busy) return;
    this.#known = known;
    this.#show();
  }

  #toggle(): void {
    const paused = this.#current?.state === "recording";
    this.#act("PATCH", this.#current, { paused });
  }

  #act(method: string, one?: Recording, body?: object): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#show();
    this.#ask(method, one && `/${one.id}`, body)
      .then((known) => {
        this.#known = known;
      })
      .catch(this.problem)
      .finally(() => {
        this.#busy = false;
        this.#show();
      });
  }

  #show(): void {
    const current = this.#current;
    this.#begin.hidden = current !== undefined;
    this.#pause.hidden = this.#end.hidden = current === undefined;
    this.#pause.textContent = current?.state === "paused" ? "Go on" : "Pause";
    for (const one of [this.#begin, this.#pause, this.#end]) one.disabled = this.#busy;
    const ended = this.#known.filter(({ state }) => state === "ended");
    this.#empty.hidden = ended.length > 0;
    const rows = new Map([...this.#list.children].map((row) => [(row as HTMLElement).dataset.id, row]));
    // A row that is there stays: it may be playing.
    this.#list.replaceChildren(...ended.map((one) => rows.get(one.id) ?? row(one)));
  }

  async #ask(method: string, path = "", body?: object): Promise<Recording[]> {
    const said = await askRoom<{ recordings: Recording[] }>(
      this.conference.room.id,
      `recordings${path}`,
      method,
      body,
      20_000,
    );
    return said.recordings;
  }
}

function button(text: string, testid: string, kind: string, onclick: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: kind, "data-testid": testid, onclick }, text);
}

function row(one: Recording): HTMLElement {
  const when = new Date(one.started).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const parts = one.parts.map(({ play, download, thumbnail, speakers }, index) => {
    const name = one.parts.length > 1 ? `, part ${index + 1}` : "";
    const start = button(`Play${name}`, "recording-play", "", () => {
      const names =
        speakers && h("track", { kind: "captions", label: "Who speaks", src: place(speakers.slice(1)) });
      const video = h(
        "video",
        { controls: true, playsinline: true, src: place(play.slice(1)) },
        names || undefined,
      );
      start.replaceWith(video);
      video.play().catch(() => undefined); // it has controls
    });
    const seen =
      thumbnail &&
      h("img", { src: place(thumbnail.slice(1)), alt: "", loading: "lazy", "data-testid": "thumbnail" });
    return h(
      "div",
      { class: "recording-part" },
      seen || undefined,
      start,
      h(
        "a",
        { href: place(download.slice(1)), download: true, "data-testid": "recording-download" },
        `Download${name}`,
      ),
    );
  });
  const item = h("li", {}, h("p", {}, `${when} · ${length(one.seconds)}`), ...parts);
  item.dataset.id = one.id;
  return item;
}
