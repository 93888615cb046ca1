/** Keeps what the room gets of us equal to what the person switched on. */

import { type Conference, type Kind, PalaverError, type Publication, THREE_LAYERS } from "palaver-client";
import type { Device, Devices } from "./devices.js";
import { enterView } from "./view.js";

const KINDS: Record<Device, Kind> = { mic: "audio", camera: "video" };

/** After a failure that may pass, the wish is tried again: so often, this long after. */
const TRIES = 5;
const PAUSE_MS = 4000;

/** Owned by the conference screen. One step at a time; `problem` is told what did not work. */
export class Outgoing {
  readonly #publications = new Map<Device, Publication>();
  #turn: Promise<void> = Promise.resolve();
  #closed = false;
  #failures = 0;
  #told = false;

  constructor(
    readonly conference: Conference,
    readonly devices: Devices,
    readonly problem: (error: unknown) => void,
  ) {}

  /** Call after each change of a device. */
  sync(): void {
    this.#turn = this.#turn
      .then(() => this.#step())
      .then(
        () => {
          this.#failures = 0;
          this.#told = false;
        },
        (error) => this.#failed(error),
      );
  }

  /** Whether we may send this here. */
  allows(device: Device): boolean {
    return this.conference.permission.publish[KINDS[device]];
  }

  /** Nothing is sent or told any more. */
  close(): void {
    this.#closed = true;
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    this.#failures++;
    const code = error instanceof PalaverError ? error.code : undefined;
    const final = code === "refused" || code === "ended" || this.#failures >= TRIES;
    // That nothing gets through is told at once, whatever the next try brings.
    if (final || (code === "media" && !this.#told)) {
      this.#told = true;
      this.problem(error);
    }
    if (!final) setTimeout(() => this.sync(), PAUSE_MS);
  }

  async #step(): Promise<void> {
    if (this.#closed) return;
    const devices = (["mic", "camera"] as const).filter((device) => this.allows(device));
    const fresh = devices.filter((device) => !this.#publications.has(device) && this.devices.isOn(device));
    if (fresh.length > 0) await this.#publish(fresh);
    for (const device of devices) await this.#adjust(device);
  }

  async #publish(fresh: Device[]): Promise<void> {
    const tracks = fresh.map((device) => this.devices.track(device)).filter((track) => track !== undefined);
    if (tracks.length === 0) return;
    const publication = await this.conference.publish(new MediaStream(tracks), { encodings: THREE_LAYERS });
    for (const device of fresh) this.#publications.set(device, publication);
    enterView(this.conference, publication, this.problem);
    publication.on("ended", (reason) => {
      for (const device of fresh) this.#publications.delete(device);
      this.#failed(new PalaverError("lost", reason));
    });
  }

  async #adjust(device: Device): Promise<void> {
    const publication = this.#publications.get(device);
    if (!publication) return;
    const kind = KINDS[device];
    const on = this.devices.isOn(device);
    const track = this.devices.track(device);
    if (on && track && !publication.sends(track)) await publication.replace(track);
    if (on === !publication.isMuted(kind)) return;
    await (on ? publication.unmute(kind) : publication.mute(kind));
  }
}
