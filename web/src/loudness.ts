/** How loud a track is, to draw it. */

let context: AudioContext | undefined;

/** Measures one audio track until closed. Needs no permission to play; it plays nothing. */
export class Loudness {
  readonly #source: MediaStreamAudioSourceNode;
  readonly #analyser: AnalyserNode;
  readonly #samples: Float32Array<ArrayBuffer>;

  constructor(track: MediaStreamTrack) {
    context ??= new AudioContext();
    this.#source = context.createMediaStreamSource(new MediaStream([track]));
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 1024;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source.connect(this.#analyser);
  }

  /** From 0 (silence) to 1 (as loud as can be), on a scale that follows hearing: 60 dB wide. */
  get now(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    const level = 10 * Math.log10(sum / this.#samples.length + 1e-9);
    return Math.min(1, Math.max(0, (level + 60) / 60));
  }

  close(): void {
    this.#source.disconnect();
  }
}

/** Sound may start only after the person did something; call this when they do. */
export function wakeAudio(): void {
  void context?.resume().catch(() => undefined);
}
