/** The server and the browser at the two seams: a socket that is scripted, and a peer connection that agrees. */

import type { PortalSocket } from "../src/socket.js";
import type { LoginAnswer, StreamInfo } from "../src/wire.gen.js";

export interface Sent {
  name: string;
  data: never;
  ok(data?: unknown): void;
  refuse(reason: string): void;
}

/** A portal's end of the line. Requests wait in `sent` until a test answers them. */
export class FakeSocket implements PortalSocket {
  readonly sent: Sent[] = [];
  closed = false;
  connects = 0;
  readonly #listeners = new Map<string, ((data: never) => void)[]>();

  on(event: string, listener: (data: never) => void): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  emit(name: string, data: unknown, answer: (status: string, data: unknown) => void): void {
    const ok = (value?: unknown) => answer("ok", value);
    this.sent.push({ name, data: data as never, ok, refuse: (reason) => answer("error", reason) });
  }

  connect(): void {
    this.connects++;
  }

  disconnect(): void {
    this.closed = true;
  }

  /** The server says something, or the network does. */
  tell(event: string, data?: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(data as never);
  }

  /** The next request with this name, once it is there. */
  async next(name: string): Promise<Sent> {
    for (let turn = 0; turn < 50; turn++) {
      const at = this.sent.findIndex((sent) => sent.name === name);
      if (at >= 0) return this.sent.splice(at, 1)[0] as Sent;
      await Promise.resolve();
    }
    throw new Error(`no ${name}, but ${this.sent.map((sent) => sent.name).join(", ") || "nothing"}`);
  }
}

class FakeTransceiver {
  mid: string | null = null;
  currentDirection: RTCRtpTransceiverDirection | null = null;
  preferred: string[] = [];
  readonly receiver;
  readonly sender;

  constructor(
    kind: string,
    public direction: RTCRtpTransceiverDirection,
  ) {
    this.receiver = { track: fakeTrack(kind) };
    this.sender = { replaceTrack: async () => undefined };
  }

  setCodecPreferences(codecs: readonly { mimeType: string }[]): void {
    this.preferred = codecs.map(({ mimeType }) => mimeType);
  }

  stop(): void {
    this.direction = "stopped";
  }
}

/** Agrees with every answer. `connections` of a test list what was made. */
export class FakePeer {
  readonly transceivers: FakeTransceiver[] = [];
  signalingState = "stable";
  connectionState = "new";
  localDescription: { sdp: string } | undefined;
  closed = false;
  answers: string[] = [];
  onicecandidate: ((event: { candidate: unknown }) => void) | undefined;
  onconnectionstatechange: (() => void) | undefined;

  addTransceiver(track: string | { kind: string }, { direction }: { direction: RTCRtpTransceiverDirection }) {
    const transceiver = new FakeTransceiver(typeof track === "string" ? track : track.kind, direction);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  async setLocalDescription({ type }: { type: string } = { type: "offer" }) {
    this.signalingState = type === "offer" ? "have-local-offer" : "stable";
    if (type !== "offer") return;
    for (const [i, section] of this.transceivers.entries()) section.mid ??= String(i);
    const used = this.transceivers.filter(({ direction }) => direction.endsWith("only"));
    this.localDescription = { sdp: `offer of ${used.length}` };
  }

  async setRemoteDescription({ sdp }: { sdp: string }) {
    this.answers.push(sdp);
    this.signalingState = "stable";
    for (const section of this.transceivers) section.currentDirection = section.direction;
  }

  close(): void {
    this.closed = true;
  }
}

export function fakeTrack(kind: string): MediaStreamTrack {
  return { kind, enabled: true } as MediaStreamTrack;
}

export function fakeMedia(...kinds: string[]): MediaStream {
  const tracks = kinds.map(fakeTrack);
  return { getTracks: () => tracks } as unknown as MediaStream;
}

const NOW = { secure: false, host: "example.org" };
export const TOKEN = btoa(JSON.stringify(NOW));

export function ticket(notAfter: number): string {
  return btoa(JSON.stringify({ participantId: "ann", notAfter }));
}

export function forward(id: string, owner: string): StreamInfo {
  const track = (type: "audio" | "video") =>
    ({ type, format: { codec: "x" }, optional: {}, status: "active" }) as const;
  return {
    id,
    type: "forward",
    media: { tracks: [track("audio"), track("video")] },
    info: { owner, type: "webrtc", inViews: [] },
  };
}

/** A stream that arrives in three layers. */
export function layered(id: string, owner: string): StreamInfo {
  const stream = forward(id, owner);
  const layer = (rid: string, width: number) =>
    ({
      type: "video",
      format: { codec: "x" },
      status: "active",
      id: `${id}-1:${rid}`,
      mid: "1",
      rid,
      parameters: { resolution: { width, height: (width * 9) / 16 } },
    }) as const;
  stream.media.tracks.splice(1, 1, layer("q", 320), layer("h", 640), layer("f", 1280));
  return stream;
}

/** A view of the room with two places, the left one taken. */
export function view(id: string, label: string): StreamInfo {
  const place = (region: string, left: string, stream?: string) => ({
    region: { id: region, shape: "rectangle", area: { left, top: "0/1", width: "1/2", height: "1/1" } },
    ...(stream && { stream }),
  });
  const resolution = [{ width: 320, height: 240 }];
  const parameters = { resolution, framerate: [12], bitrate: ["x0.5"], keyFrameInterval: [2] };
  const video = {
    type: "video",
    format: { codec: "vp8" },
    optional: { parameters },
    status: "active",
  } as const;
  const audio = { type: "audio", format: { codec: "opus" }, optional: {}, status: "active" } as const;
  const layout = [place("1", "0/1", "bobs"), place("2", "1/2")];
  return {
    id,
    type: "mixed",
    media: { tracks: [audio, video] },
    info: { label, activeInput: "unknown", layout },
  };
}

export function loginAnswer(streams: StreamInfo[] = []): LoginAnswer {
  const me = { id: "ann", user: "Ann", role: "presenter" };
  const all = { audio: true, video: true };
  const participants = [me, { id: "bob", user: "Bob", role: "presenter" }];
  const room = { id: "room", views: ["common"], participants, streams };
  return {
    ...me,
    permission: { publish: all, subscribe: all },
    room,
    reconnectionTicket: ticket(Date.now() + 600_000),
  };
}
