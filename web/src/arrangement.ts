/** Who is where in the room's view, as far as we may say so. */

import type { Conference, RoomStream } from "palaver-client";
import { askRoom } from "./asking.js";

/** How a view is laid out: equal tiles, or one large picture, which may follow whoever speaks. */
export type Template = "equal" | "large" | "speaker";

interface Told {
  template: "fluid" | "lecture" | null;
  speakerFirst: boolean;
}

const WORDS: Record<Template, Told> = {
  equal: { template: "fluid", speakerFirst: false },
  large: { template: "lecture", speakerFirst: false },
  speaker: { template: "lecture", speakerFirst: true },
};

/** Everybody's in a room that was joined at the page; else our own place only. */
export class Arrangement {
  constructor(
    readonly conference: Conference,
    readonly view: string,
    readonly open: boolean,
  ) {}

  may(stream: RoomStream): boolean {
    return this.open || this.#own(stream);
  }

  /** Shows a stream in a region; whoever is there takes its place. Rejects with words for people. */
  async show(stream: RoomStream, region: string): Promise<void> {
    const data = { view: this.view, region };
    const { portal } = this.conference;
    if (this.#own(stream))
      await portal.request("stream-control", { operation: "set-region", id: stream.id, data });
    else await this.#ask("PATCH", { show: { stream: stream.id, region } });
  }

  /** Undefined: another one, or we may not know. */
  async template(): Promise<Template | undefined> {
    return this.open ? named(await this.#ask("GET")) : undefined;
  }

  async choose(template: Template): Promise<Template | undefined> {
    return named(await this.#ask("PATCH", WORDS[template]));
  }

  #own(stream: RoomStream): boolean {
    return stream.owner === this.conference.me.id;
  }

  #ask(method: "GET" | "PATCH", body?: object): Promise<Told> {
    const path = `views/${encodeURIComponent(this.view)}`;
    return askRoom(this.conference.room.id, path, method, body, 8000);
  }
}

function named({ template, speakerFirst }: Told): Template | undefined {
  if (template === "fluid") return speakerFirst ? undefined : "equal";
  if (template === null) return undefined;
  return speakerFirst ? "speaker" : "large";
}
