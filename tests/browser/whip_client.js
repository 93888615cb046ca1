// A client of WHIP and WHEP as a page writes one: an offer by fetch, candidates and ICE restarts by PATCH.

class Client {
  constructor(url, token) {
    this.url = url;
    this.token = token;
    this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.found = [];
    const gathered = new Promise((resolve) => {
      this.connection.onicecandidate = ({ candidate }) => {
        if (candidate?.candidate) this.found.push(candidate.candidate);
        else resolve();
      };
    });
    this.started = new Promise((resolve) => (this.start = resolve));
    // All candidates in one request, once the session has an address (RFC 9725 §4.3.2).
    this.trickled = Promise.all([gathered, this.started]).then(async () => {
      const answer = await this.patch(this.fragment(this.found), this.etag);
      return { statuses: [answer.status], candidates: this.found.length };
    });
  }

  async publish() {
    const camera = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    for (const track of camera.getTracks()) this.connection.addTransceiver(track, { direction: "sendonly", streams: [camera] });
    await this.negotiate();
  }

  async play() {
    for (const kind of ["audio", "video"]) this.connection.addTransceiver(kind, { direction: "recvonly" });
    await this.negotiate();
  }

  async negotiate() {
    await this.connection.setLocalDescription();
    const answer = await this.request("POST", this.url, "application/sdp", this.connection.localDescription.sdp);
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    this.where = new URL(answer.headers.get("location"), this.url).href;
    this.etag = answer.headers.get("etag");
    await this.connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    this.start();
  }

  request(method, url, type, body, more = {}) {
    const headers = { authorization: `Bearer ${this.token}`, ...(type && { "content-type": type }), ...more };
    return fetch(url, { method, headers, body });
  }

  patch(body, tag) {
    return this.request("PATCH", this.where, "application/trickle-ice-sdpfrag", body, { "if-match": tag });
  }

  // The ICE part of the local description, for the first section, which all others share (RFC 8840 §4.4).
  fragment(candidates) {
    const [session, first] = this.connection.localDescription.sdp.split(/^(?=m=)/m);
    const ice = first.match(/^a=(mid|ice-ufrag|ice-pwd):.*$/gm);
    const group = session.match(/^a=group:BUNDLE.*$/m);
    return [...group, first.split("\r\n", 1)[0], ...ice, ...candidates.map((c) => `a=${c}`), ""].join("\r\n");
  }

  // [ours, theirs]
  ufrags() {
    const { localDescription, remoteDescription } = this.connection;
    return [localDescription, remoteDescription].map(({ sdp }) => sdp.match(/^a=ice-ufrag:(.*)$/m)[1].trim());
  }

  async restart() {
    const old = this.connection.remoteDescription.sdp;
    this.found = [];
    this.connection.restartIce();
    await this.connection.setLocalDescription();
    const answer = await this.patch(this.fragment([]), "*");
    const text = await answer.text();
    if (answer.status !== 200) return `${answer.status} ${text}`;
    this.etag = answer.headers.get("etag");
    const value = (name) => text.match(new RegExp(`^a=${name}:(.*)$`, "m"))[1].trim();
    const sdp = ["ice-ufrag", "ice-pwd"].reduce(
      (sdp, name) => sdp.replaceAll(new RegExp(`^a=${name}:.*$`, "gm"), `a=${name}:${value(name)}`),
      old,
    );
    await this.connection.setRemoteDescription({ type: "answer", sdp });
    return answer.status;
  }

  async decoded() {
    for (const report of (await this.connection.getStats()).values())
      if (report.type === "inbound-rtp" && report.kind === "video") return report.framesDecoded ?? 0;
    return 0;
  }

  async end() {
    return (await this.request("DELETE", this.where)).status;
  }
}
