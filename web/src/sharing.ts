/** Our own screen, shown to the others. */

import { type Conference, Emitter, type Publication } from "palaver-client";
import { enterView } from "./view.js";

/** Pictures of a screen are read rather than watched: sharp before fluent. */
const WISH: DisplayMediaStreamOptions = { video: { frameRate: { ideal: 15, max: 30 } }, audio: true };

/** Owned by the conference screen. `change` when it begins or ends, by whomever. */
export class Sharing extends Emitter<{ change: boolean }> {
  #media: MediaStream | undefined;
  #publication: Publication | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(
    readonly conference: Conference,
    readonly problem: (error: unknown) => void,
  ) {
    super();
  }

  /** Whether the browser and the room let us. */
  get possible(): boolean {
    return this.conference.permission.publish.video && !!navigator.mediaDevices?.getDisplayMedia;
  }

  get active(): boolean {
    return this.#media !== undefined;
  }

  /** Begins with the browser's question which screen, or ends. */
  toggle(): Promise<void> {
    this.#turn = this.#turn.then(() => (this.active ? this.#stop() : this.#start()));
    return this.#turn;
  }

  /** Lets go of the screen; the room is being left. */
  close(): void {
    for (const track of this.#media?.getTracks() ?? []) track.stop();
    this.#media = undefined;
  }

  async #start(): Promise<void> {
    const media = await navigator.mediaDevices.getDisplayMedia(WISH).catch((error) => {
      // Who changed their mind needs no word about it.
      if (error?.name !== "NotAllowedError") this.problem(error);
      return undefined;
    });
    const [picture] = media?.getVideoTracks() ?? [];
    if (!media || !picture) return;
    picture.contentHint = "detail";
    const ended = new Promise<void>((end) => picture.addEventListener("ended", () => end()));
    for (const track of media.getAudioTracks())
      if (!this.conference.permission.publish.audio) media.removeTrack(track);
    this.#media = media;
    this.emit("change", true);
    try {
      const source = { video: "screen-cast", audio: "screen-cast" } as const;
      const publication = await this.conference.publish(media, { source });
      this.#publication = publication;
      enterView(this.conference, publication, this.problem);
      publication.on("ended", (reason) => {
        this.problem(new Error(reason));
        void this.#stop();
      });
    } catch (error) {
      this.problem(error);
      await this.#stop();
    }
    // The browser has a button of its own that ends it.
    void ended.then(() => (this.#media === media ? this.#stop() : undefined));
  }

  async #stop(): Promise<void> {
    if (!this.active) return;
    const publication = this.#publication;
    this.#publication = undefined;
    this.close();
    this.emit("change", false);
    await publication?.stop().catch(() => undefined); // it may have ended meanwhile
  }
}
