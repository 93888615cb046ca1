/** The own microphone and camera: on, off, or not to be had. */

import { Emitter } from "palaver-client";
import { deviceProblem } from "./words.js";

export type Device = "mic" | "camera";

const WISHES: Record<Device, MediaTrackConstraints> = {
  mic: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  camera: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } },
};
const WORDS = { mic: "microphone", camera: "camera" } as const;
const KINDS = { mic: "audio", camera: "video" } as const;
const CHOICE_KEYS = { mic: "palaver.mic", camera: "palaver.camera" } as const;

/** Owned by the page, from the lobby to the end. A camera that is off is released: its light goes out. */
export class Devices extends Emitter<{ change: Device }> {
  readonly #tracks = new Map<Device, MediaStreamTrack>();
  readonly #on: Map<Device, boolean>;
  readonly #problems = new Map<Device, string>();
  readonly #turns = new Map<Device, Promise<void>>();
  #starting = false;

  constructor(wanted = { mic: true, camera: true }) {
    super();
    this.#on = new Map<Device, boolean>([
      ["mic", wanted.mic],
      ["camera", wanted.camera],
    ]);
  }

  /** Whether the person switched it on, whether it works or not. */
  wanted(device: Device): boolean {
    return this.#on.get(device) === true;
  }

  /** Asks for both; what cannot be had is a problem to show, not an error. */
  async start(): Promise<void> {
    this.#starting = true;
    // In one question where possible, so that the browser asks once.
    const both = { ...this.#wish("mic"), ...this.#wish("camera") };
    const media = await navigator.mediaDevices?.getUserMedia(both).catch(() => undefined);
    if (media)
      for (const track of media.getTracks()) this.#take(track.kind === "audio" ? "mic" : "camera", track);
    else await Promise.all([this.#obtain("mic"), this.#obtain("camera")]);
    this.#starting = false;
  }

  track(device: Device): MediaStreamTrack | undefined {
    return this.#tracks.get(device);
  }

  /** Whether it is wanted and works. */
  isOn(device: Device): boolean {
    return this.#on.get(device) === true && this.#tracks.has(device);
  }

  /** The id of the one that the person chose, now or the last time. */
  chosen(device: Device): string | undefined {
    return localStorage.getItem(CHOICE_KEYS[device]) ?? undefined;
  }

  /** Takes another one; resolves when it is in use, with the problem if it cannot be. One that is off is not opened. */
  async choose(device: Device, id: string): Promise<string | undefined> {
    localStorage.setItem(CHOICE_KEYS[device], id);
    return this.#inTurn(device, async () => {
      if (this.isOn(device)) await this.#obtain(device);
      else this.#drop(device); // a muted microphone is open
    });
  }

  problem(device: Device): string | undefined {
    return this.#problems.get(device);
  }

  /** Switches; resolves when it is done, with the problem if it could not be. */
  async toggle(device: Device): Promise<string | undefined> {
    return this.#inTurn(device, () => this.#switch(device));
  }

  /** Switches off and releases what is of no use here. */
  forgo(device: Device): void {
    this.#on.set(device, false);
    this.#drop(device);
    this.#problems.delete(device);
    this.emit("change", device);
  }

  /** Releases everything. */
  stop(): void {
    for (const track of this.#tracks.values()) track.stop();
    this.#tracks.clear();
  }

  async #inTurn(device: Device, act: () => Promise<void>): Promise<string | undefined> {
    const turn = (this.#turns.get(device) ?? Promise.resolve()).then(act);
    this.#turns.set(device, turn);
    await turn;
    return this.#problems.get(device);
  }

  /** What is asked of the browser. */
  #wish(device: Device): MediaStreamConstraints {
    const chosen = this.chosen(device);
    const deviceId = chosen ? { deviceId: { exact: chosen } } : {};
    return { [KINDS[device]]: { ...WISHES[device], ...deviceId } };
  }

  /** Instead of the chosen one another will do: it may be unplugged. */
  async #open(device: Device): Promise<MediaStream> {
    try {
      return await navigator.mediaDevices.getUserMedia(this.#wish(device));
    } catch (error) {
      if (!(error instanceof OverconstrainedError)) throw error;
      return navigator.mediaDevices.getUserMedia({ [KINDS[device]]: WISHES[device] });
    }
  }

  async #switch(device: Device): Promise<void> {
    const awaited = this.#starting && this.wanted(device) && !this.#problems.has(device);
    if (!this.isOn(device) && !awaited) {
      this.#on.set(device, true);
      if (!this.#tracks.has(device)) await this.#obtain(device);
    } else {
      this.#on.set(device, false);
      if (device === "camera") this.#drop(device);
    }
    const track = this.#tracks.get(device);
    if (track) track.enabled = this.isOn(device);
    this.emit("change", device);
  }

  async #obtain(device: Device): Promise<void> {
    try {
      const media = await this.#open(device);
      const [track] = media.getTracks();
      if (track) this.#take(device, track);
    } catch (error) {
      this.#problems.set(device, deviceProblem(WORDS[device], error));
      this.emit("change", device);
    }
  }

  #take(device: Device, track: MediaStreamTrack): void {
    if (!this.wanted(device)) {
      track.stop(); // switched off while the browser asked
      return;
    }
    this.#problems.delete(device);
    const before = this.#tracks.get(device);
    this.#tracks.set(device, track);
    before?.stop();
    track.onended = () => {
      // Unplugged, or taken away in the browser's settings.
      if (this.#tracks.get(device) !== track) return;
      this.#tracks.delete(device);
      this.#problems.set(device, `The ${WORDS[device]} was disconnected.`);
      this.emit("change", device);
    };
    this.emit("change", device);
  }

  #drop(device: Device): void {
    this.#tracks.get(device)?.stop();
    this.#tracks.delete(device);
  }
}
