// A client written from docs/protocol/portal.md alone: Socket.IO 3 and one RTCPeerConnection, no SDK.
// It is deliberately strict: an unexpected message, a wrong order or a missing field rejects the operation.

class BareClient {
  // Where there is a relay, `entrance(port)` is the port that leads through it to the server's, and the only way there.
  // `edit` changes the text of each offer, as programs do that set parameters of codecs.
  constructor({ entrance, edit = (sdp) => sdp } = {}) {
    this.entrance = entrance;
    this.edit = edit;
    this.log = []; // every notification, in order: [milliseconds, event, data]
    this.sessions = new Map(); // session id -> {resolve, reject}
    this.answers = []; // resolvers of pending offers
    this.transportId = undefined;
    this.early = [];
    this.queue = Promise.resolve();
    this.tracks = new Map(); // mid -> MediaStreamTrack
  }

  request(name, ...data) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name}: no acknowledgement in 10 s`)), 10000);
      this.socket.emit(name, ...data, (status, answer) => {
        clearTimeout(timer);
        if (status === "ok") resolve(answer);
        else reject(new Error(`${name}: ${answer}`));
      });
    });
  }

  async join(token, sdkType = "JavaScript") {
    const { host, secure } = JSON.parse(atob(token));
    this.socket = io(`${secure ? "https" : "http"}://${host}`, { reconnection: true, forceNew: true });
    for (const event of ["participant", "text", "stream", "progress", "drop"])
      this.socket.on(event, (data) => this.heard(event, data));
    this.info = await this.request("login", {
      token,
      userAgent: { sdk: { version: "5.1", type: sdkType } },
      protocol: "1.2",
    });
    return this.info;
  }

  heard(event, data) {
    this.log.push([performance.now(), event, data]);
    if (event !== "progress") return;
    if (data.status === "soac") {
      if (data.id !== this.transportId) throw new Error(`answer for transport ${data.id}`);
      this.answers.shift()(data.data);
    } else if (data.sessionId === undefined) {
      if (data.status === "error") for (const s of this.sessions.values()) s.reject(new Error(`transport: ${data.data}`));
    } else {
      const session = this.sessions.get(data.sessionId);
      if (!session) throw new Error(`progress of an unknown session ${data.sessionId}`);
      if (data.status === "ready") session.resolve(data.sessionId);
      else session.reject(new Error(data.data));
    }
  }

  // Negotiations are strictly serialised: the next starts after the answer to this one was applied.
  serial(work) {
    const result = this.queue.then(work);
    this.queue = result.catch(() => undefined);
    return result;
  }

  connection() {
    if (this.pc) return this.pc;
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.pc.onicecandidate = ({ candidate }) => {
      if (this.entrance || !candidate || !candidate.candidate) return;
      const signaling = {
        type: "candidate",
        candidate: {
          candidate: `a=${candidate.candidate}`,
          sdpMid: candidate.sdpMid,
          sdpMLineIndex: candidate.sdpMLineIndex,
        },
      };
      if (this.trickle) this.request("soac", { id: this.transportId, signaling });
      else this.early.push(signaling);
    };
    this.pc.ontrack = (event) => this.tracks.set(event.transceiver.mid, { track: event.track, streams: event.streams });
    return this.pc;
  }

  // `startKbps`: the browser begins with this estimate, and need not grow into its largest layer on a busy machine.
  async negotiate(name, body, startKbps = 0) {
    const offer = await this.pc.createOffer();
    await this.pc.setLocalDescription({ type: offer.type, sdp: this.edit(offer.sdp) });
    const transport = this.transportId ? { id: this.transportId, type: "webrtc" } : { type: "webrtc" };
    const { id, transportId } = await this.request(name, { ...body(), transport });
    if (this.transportId && transportId !== this.transportId) throw new Error("the transport id changed");
    this.transportId = transportId;
    const ready = new Promise((resolve, reject) => this.sessions.set(id, { resolve, reject }));
    ready.catch(() => undefined);
    const answer = new Promise((resolve) => this.answers.push(resolve));
    const { sdp } = this.pc.localDescription;
    const said = this.entrance ? sdp.replace(/^a=candidate:.*\r\n/gm, "") : sdp;
    await this.request("soac", { id: transportId, signaling: { type: "offer", sdp: said } });
    const { type, sdp: answered } = await this.led(await answer);
    const begin = (map, format) => `${map}a=fmtp:${format} x-google-start-bitrate=${startKbps}\r\n`;
    const edited = startKbps ? answered.replace(/a=rtpmap:(\d+) VP8\/90000\r\n/g, begin) : answered;
    await this.pc.setRemoteDescription({ type, sdp: edited });
    this.trickle = true;
    for (const signaling of this.early.splice(0)) this.request("soac", { id: transportId, signaling });
    return { id, ready };
  }

  // The answer as it leads through the relay, if there is one: by UDP alone.
  async led({ type, sdp }) {
    if (!this.entrance) return { type, sdp };
    const lines = [];
    for (const line of sdp.split("\r\n")) {
      const [, start, port, rest] = line.match(/^(a=candidate:\S+ 1 udp \d+) \S+ (\d+)( typ host.*)$/i) ?? [];
      if (port) lines.push(`${start} 127.0.0.1 ${await this.entrance(Number(port))}${rest}`);
      else if (!line.startsWith("a=candidate:")) lines.push(line);
    }
    return { type, sdp: lines.join("\r\n") };
  }

  // encodings: RTCRtpEncodingParameters of the video, for simulcast
  publish(stream, { codec, audioCodec, encodings, startKbps } = {}) {
    const started = performance.now();
    return this.serial(async () => {
      const pc = this.connection();
      const transceivers = stream
        .getTracks()
        .map((track) =>
          pc.addTransceiver(track, {
            direction: "sendonly",
            streams: [stream],
            ...(encodings && track.kind === "video" ? { sendEncodings: encodings } : {}),
          }),
        );
      for (const transceiver of transceivers) {
        const kind = transceiver.sender.track.kind;
        const wanted = kind === "video" ? codec : audioCodec;
        if (!wanted) continue;
        const codecs = RTCRtpSender.getCapabilities(kind).codecs;
        const first = codecs.filter((c) => c.mimeType.toLowerCase() === `${kind}/${wanted}`);
        if (!first.length) throw new Error(`this browser does not send ${wanted}`);
        const along = wanted === "red" ? /opus/i : /rtx/i;
        transceiver.setCodecPreferences([...first, ...codecs.filter((c) => along.test(c.mimeType))]);
      }
      return this.negotiate("publish", () => ({
        media: {
          tracks: transceivers.map((t) => ({
            type: t.sender.track.kind,
            mid: t.mid,
            source: t.sender.track.kind === "audio" ? "mic" : "camera",
          })),
        },
        attributes: { made: "by hand" },
      }), startKbps);
    }).then(async ({ id, ready }) => {
      await ready;
      return { id, took: performance.now() - started };
    });
  }

  subscribe(from, kinds = ["audio", "video"], parameters = undefined) {
    let transceivers;
    return this.serial(async () => {
      const pc = this.connection();
      transceivers = kinds.map((kind) => pc.addTransceiver(kind, { direction: "recvonly" }));
      return this.negotiate("subscribe", () => ({
        media: {
          tracks: transceivers.map((t, i) => ({
            type: kinds[i],
            mid: t.mid,
            from,
            ...(parameters && kinds[i] === "video" ? { parameters } : {}),
          })),
        },
      }));
    }).then(async ({ id, ready }) => {
      await ready;
      const mids = transceivers.map((t) => t.mid);
      const streams = new Set(mids.map((mid) => this.tracks.get(mid)?.streams[0]?.id));
      if (streams.size !== 1 || streams.has(undefined)) throw new Error("audio and video of a subscription must share a stream");
      const video = document.createElement("video");
      video.autoplay = true;
      video.srcObject = new MediaStream(mids.map((mid) => this.tracks.get(mid).track));
      document.body.append(video);
      return { id, mids };
    });
  }

  // {mid: statistics of the inbound RTP stream}
  async received() {
    const result = {};
    for (const s of (await this.pc.getStats()).values())
      if (s.type === "inbound-rtp")
        result[s.mid] = {
          kind: s.kind,
          frames: s.framesDecoded ?? 0,
          width: s.frameWidth,
          packets: s.packetsReceived,
          lost: s.packetsLost,
          energy: s.totalAudioEnergy ?? 0,
          samples: s.totalSamplesReceived ?? 0,
          concealed: s.concealedSamples ?? 0,
        };
    return result;
  }
}

window.BareClient = BareClient;
window.camera = (width = 640, height = 360) =>
  navigator.mediaDevices.getUserMedia({ audio: true, video: { width, height, frameRate: 30 } });
