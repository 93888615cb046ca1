import { beforeEach, describe, expect, it, vi } from "vitest";
import { Conference } from "../src/conference.js";
import { Portal } from "../src/portal.js";
import type { SubscribeOptions } from "../src/stream.js";
import {
  FakePeer,
  FakeSocket,
  fakeMedia,
  forward,
  layered,
  loginAnswer,
  TOKEN,
  ticket,
  view,
} from "./fakes.js";

const DEADLINES = { joinMs: 1000, answerMs: 500, mediaMs: 1000, returnMs: 5000 };

let socket: FakeSocket;
let peers: FakePeer[];
let conference: Conference;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.stubGlobal("MediaStream", FakeMediaStream);
  socket = new FakeSocket();
  peers = [];
  const portal = new Portal(socket, DEADLINES);
  const entered = portal.login(TOKEN);
  (await socket.next("login")).ok(loginAnswer([forward("bobs", "bob")]));
  conference = new Conference(portal, await entered, () => {
    const peer = new FakePeer();
    peers.push(peer);
    return peer as unknown as RTCPeerConnection;
  });
});

class FakeMediaStream {
  readonly tracks = new Set<MediaStreamTrack>();
  getTracks = () => [...this.tracks];
  addTrack = (track: MediaStreamTrack) => void this.tracks.add(track);
  removeTrack = (track: MediaStreamTrack) => void this.tracks.delete(track);
}

const bobs = () => conference.streams.find(({ id }) => id === "bobs") as (typeof conference.streams)[number];
const settle = () => vi.advanceTimersByTimeAsync(0);

/** Plays the server up to the answer of an offer. */
async function agree(name: "publish" | "subscribe", id: string, transportId: string) {
  const request = await socket.next(name);
  request.ok({ id, transportId });
  const offer = await socket.next("soac");
  offer.ok();
  await settle();
  socket.tell("progress", {
    id: transportId,
    status: "soac",
    data: { type: "answer", sdp: `answer for ${id}` },
  });
  await settle();
  return { request, offer };
}

const ready = (id: string, sessionId: string) => socket.tell("progress", { id, sessionId, status: "ready" });

describe("publishing", () => {
  it("offers, and resolves when the room has the stream", async () => {
    const published = conference.publish(fakeMedia("audio", "video"), { attributes: { seat: 3 } });
    const { request, offer } = await agree("publish", "s1", "s1");
    expect(request.data).toEqual({
      media: {
        tracks: [
          { type: "audio", mid: "0", source: "mic" },
          { type: "video", mid: "1", source: "camera" },
        ],
      },
      transport: { type: "webrtc" },
      attributes: { seat: 3 },
    });
    expect(offer.data).toEqual({ id: "s1", signaling: { type: "offer", sdp: "offer of 2" } });
    expect(peers[0]?.answers).toEqual(["answer for s1"]);
    socket.tell("progress", { id: "s1", status: "ready" });
    ready("s1", "s1");
    expect((await published).id).toBe("s1");
  });

  it("that is refused rejects with the reason, and the next offer does not send it", async () => {
    const published = conference.publish(fakeMedia("audio"));
    published.catch(() => undefined);
    (await socket.next("publish")).refuse("unauthorized");
    await expect(published).rejects.toMatchObject({ code: "refused", message: "unauthorized" });
    expect(peers[0]?.signalingState).toBe("stable");

    void conference.subscribe(bobs());
    const { offer } = await agree("subscribe", "s2", "s2");
    expect(offer.data).toMatchObject({ signaling: { sdp: "offer of 2" } });
  });

  it("whose media never flows rejects in time and is taken back", async () => {
    const published = conference.publish(fakeMedia("audio"));
    published.catch(() => undefined);
    await agree("publish", "s1", "s1");
    await vi.advanceTimersByTimeAsync(DEADLINES.mediaMs);
    const undone = await socket.next("unpublish");
    expect(undone.data).toEqual({ id: "s1" });
    undone.ok();
    await expect(published).rejects.toMatchObject({ code: "media" });
    expect(peers[0]?.transceivers[0]?.direction).toBe("stopped");
  });

  it("that fails on the way rejects with the server's reason and is taken back", async () => {
    const published = conference.publish(fakeMedia("video"));
    published.catch(() => undefined);
    await agree("publish", "s1", "s1");
    socket.tell("progress", { id: "s1", sessionId: "s1", status: "error", data: "No proper video codec" });
    (await socket.next("unpublish")).ok();
    await expect(published).rejects.toMatchObject({ code: "media", message: "No proper video codec" });
  });

  it("of nothing is a mistake of the caller", async () => {
    await expect(conference.publish(fakeMedia())).rejects.toThrow(TypeError);
  });
});

describe("the connection", () => {
  it("is shared, and one negotiation waits for the other", async () => {
    const published = conference.publish(fakeMedia("audio"));
    const subscribed = conference.subscribe(bobs());
    const first = await socket.next("publish");
    await settle();
    expect(socket.sent).toEqual([]);
    first.ok({ id: "s1", transportId: "s1" });
    (await socket.next("soac")).ok();
    await settle();
    expect(socket.sent).toEqual([]);
    socket.tell("progress", { id: "s1", status: "soac", data: { type: "answer", sdp: "one" } });

    const { request } = await agree("subscribe", "s2", "s1");
    expect(request.data).toMatchObject({
      media: {
        tracks: [
          { type: "audio", mid: "1", from: "bobs" },
          { type: "video", mid: "2", from: "bobs" },
        ],
      },
      transport: { type: "webrtc", id: "s1" },
    });
    ready("s1", "s1");
    ready("s1", "s2");
    await published;
    expect((await subscribed).media.getTracks()).toHaveLength(2);
    expect(peers).toHaveLength(1);
  });

  it("stops the sections of what ended, so that others can take their places", async () => {
    const subscribed = conference.subscribe(bobs());
    await agree("subscribe", "s1", "s1");
    ready("s1", "s1");
    const stopped = (await subscribed).stop();
    (await socket.next("unsubscribe")).ok();
    await stopped;
    expect(peers[0]?.transceivers.map(({ direction }) => direction)).toEqual(["stopped", "stopped"]);
  });

  it("gives up sections that were refused once both sides know that they are unused", async () => {
    const refused = conference.publish(fakeMedia("audio"));
    refused.catch(() => undefined);
    (await socket.next("publish")).refuse("unauthorized");
    await expect(refused).rejects.toMatchObject({ code: "refused" });
    expect(peers[0]?.transceivers[0]?.direction).toBe("inactive");
    void conference.subscribe(bobs());
    await agree("subscribe", "s2", "s2");
    expect(peers[0]?.transceivers[0]?.direction).toBe("stopped");
  });

  it("sends candidates after the answer, those found before it as well", async () => {
    const published = conference.publish(fakeMedia("audio"));
    const request = await socket.next("publish");
    const found = (text: string) =>
      peers[0]?.onicecandidate?.({ candidate: { candidate: text, sdpMid: "0", sdpMLineIndex: 0 } });
    found("candidate:early");
    request.ok({ id: "s1", transportId: "s1" });
    const offer = await socket.next("soac");
    expect(socket.sent).toEqual([]);
    offer.ok();
    await settle();
    socket.tell("progress", { id: "s1", status: "soac", data: { type: "answer", sdp: "one" } });
    const candidate = (text: string) => ({
      id: "s1",
      signaling: { type: "candidate", candidate: { candidate: text, sdpMid: "0", sdpMLineIndex: 0 } },
    });
    expect((await socket.next("soac")).data).toEqual(candidate("a=candidate:early"));
    found("candidate:late");
    expect((await socket.next("soac")).data).toEqual(candidate("a=candidate:late"));
    ready("s1", "s1");
    await published;
  });

  it("that breaks is renewed with all that it carried, mute included", async () => {
    const published = conference.publish(fakeMedia("audio"));
    await agree("publish", "s1", "s1");
    ready("s1", "s1");
    const publication = await published;
    const muted = publication.mute("audio");
    (await socket.next("stream-control")).ok("ok");
    await muted;

    socket.tell("progress", { id: "s1", status: "error", data: "the server was restarted" });
    (await socket.next("unpublish")).refuse("Stream does NOT exist");
    await agree("publish", "n1", "n1");
    ready("n1", "n1");
    await settle();
    expect((await socket.next("stream-control")).data).toEqual({
      operation: "pause",
      id: "n1",
      data: "audio",
    });
    expect(publication.id).toBe("n1");
    expect(peers.map((peer) => peer.closed)).toEqual([true, false]);
  });
});

describe("after a restart of the server", () => {
  it("a stream that cannot be received any more is gone", async () => {
    const subscribed = conference.subscribe(bobs());
    await agree("subscribe", "s1", "s1");
    ready("s1", "s1");
    const ended = vi.fn();
    (await subscribed).on("ended", ended);
    socket.tell("progress", { id: "s1", status: "error", data: "Server restarted" });
    (await socket.next("unsubscribe")).refuse("Subscription does NOT exist");
    (await socket.next("subscribe")).refuse("Target audio stream does NOT satisfy:Requested audio stream");
    await settle();
    expect(ended).toHaveBeenCalledOnce();
    expect(conference.streams).toEqual([]);
  });
});

describe("when the server was restarted while we were away", () => {
  const people = () => conference.participants.map(({ id }) => id);
  const join = (id: string, user: string) =>
    socket.tell("participant", { action: "join", data: { id, user, role: "presenter" } });

  async function restart() {
    socket.tell("disconnect", "transport close");
    socket.tell("connect");
    (await socket.next("relogin")).ok(ticket(Date.now() + 600_000));
    await settle();
    for (const id of ["s1", "never-used"])
      socket.tell("progress", { id, status: "error", data: "Server restarted" });
  }

  it("old streams are gone, and what others publish by now is there", async () => {
    const told: string[] = [];
    conference.on("streamremoved", ({ id }) => told.push(`${id} removed`));
    conference.on("streamadded", ({ id }) => told.push(`${id} added`));
    await restart();
    socket.tell("stream", { id: "bobs-new", status: "add", data: forward("bobs-new", "bob") });
    socket.tell("progress", { id: "another", status: "error", data: "Server restarted" });
    expect(told).toEqual(["bobs removed", "bobs-new added"]);
    expect(conference.streams.map(({ id }) => id)).toEqual(["bobs-new"]);
  });

  it("who comes back never left, and who does not is gone", async () => {
    join("cem", "Cem");
    join("dana", "Dana");
    const told: string[] = [];
    conference.on("participantjoined", ({ user }) => told.push(`${user} joined`));
    conference.on("participantleft", ({ user }) => told.push(`${user} left`));
    await restart();
    join("bob", "Bob");
    socket.tell("stream", { id: "cems-new", status: "add", data: forward("cems-new", "cem") });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told).toEqual(["Dana left"]);
    expect(people()).toEqual(["ann", "bob", "cem"]);
  });

  it("subscriptions to what is gone end without asking the server", async () => {
    const subscribed = conference.subscribe(bobs());
    await agree("subscribe", "s1", "s1");
    ready("s1", "s1");
    const ended = vi.fn();
    (await subscribed).on("ended", ended);
    await restart();
    await settle();
    expect(ended).toHaveBeenCalledOnce();
    expect(socket.sent).toEqual([]);
  });
});

describe("layers", () => {
  const cems = () =>
    conference.streams.find(({ id }) => id === "cems") as (typeof conference.streams)[number];
  const video = (from: string, parameters?: object) => ({
    type: "video",
    mid: "0",
    from,
    ...(parameters && { parameters }),
  });

  beforeEach(() => socket.tell("stream", { id: "cems", status: "add", data: layered("cems", "cem") }));

  async function watch(options: SubscribeOptions) {
    const subscribed = conference.subscribe(cems(), { kinds: ["video"], ...options });
    const { request } = await agree("subscribe", "s1", "s1");
    ready("s1", "s1");
    return { subscription: await subscribed, request };
  }

  it("are known by name and size", () => {
    expect(cems().layers.map(({ rid, size }) => `${rid} ${size?.width}x${size?.height}`)).toEqual([
      "q 320x180",
      "h 640x360",
      "f 1280x720",
    ]);
    expect(bobs().layers).toEqual([]);
  });

  it.each([
    [{}, video("cems")],
    [{ rid: "h" }, video("cems-1:h")],
    [
      { maxResolution: { width: 640, height: 360 }, maxFramerate: 15 },
      video("cems", { maxResolution: { width: 640, height: 360 }, maxFramerate: 15 }),
    ],
    [{ video: { bitrate: "x1" }, maxFramerate: 15 }, video("cems", { bitrate: "x1", maxFramerate: 15 })],
  ] satisfies [SubscribeOptions, object][])("are chosen when subscribing: %j", async (options, track) => {
    const { request } = await watch(options);
    expect(request.data).toMatchObject({ media: { tracks: [track] } });
  });

  it.each([
    [{ rid: "q" }, { from: "cems-1:q", parameters: {} }],
    [{ maxFramerate: 7.5 }, { from: "cems", parameters: { maxFramerate: 7.5 } }],
    [{}, { from: "cems", parameters: {} }],
  ])("are chosen anew without an offer: %j", async (choice, data) => {
    const { subscription } = await watch({ rid: "h" });
    const chosen = subscription.setLayer(choice);
    const update = await socket.next("subscription-control");
    expect(update.data).toEqual({ id: "s1", operation: "update", data: { video: data } });
    update.ok();
    await chosen;
  });

  it("that do not exist cannot be chosen", async () => {
    await expect(conference.subscribe(cems(), { rid: "x" })).rejects.toThrow("no layer x");
    const { subscription } = await watch({});
    await expect(subscription.setLayer({ rid: "x" })).rejects.toThrow("no layer x");
  });

  it("are chosen as before on a renewed connection", async () => {
    const { subscription } = await watch({});
    void subscription.setLayer({ rid: "q" });
    (await socket.next("subscription-control")).ok();
    socket.tell("progress", { id: "s1", status: "error", data: "Ice procedure failed." });
    (await socket.next("unsubscribe")).ok();
    const { request } = await agree("subscribe", "s2", "s2");
    expect(request.data).toMatchObject({ media: { tracks: [{ from: "cems-1:q" }] } });
  });

  it("that are sent are told, even at once after the subscription is ready", async () => {
    const subscribed = conference.subscribe(cems(), { kinds: ["video"] });
    await agree("subscribe", "s1", "s1");
    ready("s1", "s1");
    const sent = (value: object) =>
      socket.tell("subscription", { id: "s1", status: "update", data: { field: "video.layer", value } });
    sent({ mid: "0", sending: true, rid: "f" });
    const subscription = await subscribed;
    await settle();
    expect(subscription.layer).toEqual({ mid: "0", sending: true, rid: "f" });
    const told: (string | undefined)[] = [];
    subscription.on("layerchanged", ({ sending, rid }) => told.push(sending ? rid : "nothing"));
    sent({ mid: "0", sending: true, rid: "q" });
    sent({ mid: "0", sending: false });
    socket.tell("subscription", { id: "s1", status: "update", data: { field: "unknown", value: {} } });
    await settle();
    expect(told).toEqual(["q", "nothing"]);
  });
});

describe("a mixed view", () => {
  const common = () =>
    conference.streams.find(({ view }) => view === "common") as (typeof conference.streams)[number];
  const change = (field: string, value: unknown) =>
    socket.tell("stream", { id: "room-common", status: "update", data: { field, value } });

  beforeEach(() =>
    socket.tell("stream", { id: "room-common", status: "add", data: view("room-common", "common") }),
  );

  it("says who is where, who speaks, and in what else it can be had", () => {
    expect(common().mixed).toBe(true);
    expect(common().layout).toEqual([
      { region: "1", stream: "bobs", left: 0, top: 0, width: 0.5, height: 1 },
      { region: "2", stream: undefined, left: 0.5, top: 0, width: 0.5, height: 1 },
    ]);
    expect(common().speaker).toBeUndefined();
    expect(common().others("video").parameters?.framerate).toEqual([12]);
    expect([bobs().layout, bobs().view, bobs().inViews]).toEqual([[], undefined, []]);
  });

  it("tells when somebody else speaks or is seen", () => {
    const told: string[] = [];
    conference.on("layoutchanged", ({ layout }) => told.push(layout.map(({ stream }) => stream).join()));
    conference.on("speakerchanged", ({ speaker }) => told.push(`${speaker} speaks`));
    const area = { left: "1/3", top: "0/1", width: "2/3", height: "1/1" };
    change("activeInput", "bobs");
    change("video.layout", [{ stream: "cems", region: { id: "x", shape: "rectangle", area } }]);
    expect(told).toEqual(["bobs speaks", "cems"]);
    expect(common().layout[0]?.left).toBeCloseTo(1 / 3);
  });

  it("takes our stream in and out and to another place", async () => {
    const published = conference.publish(fakeMedia("video"));
    await agree("publish", "s1", "s1");
    ready("s1", "s1");
    const publication = await published;
    const asked = async (operation: string, data: unknown, answer: unknown = "ok") => {
      const control = await socket.next("stream-control");
      expect(control.data).toEqual({ id: "s1", operation, data });
      control.ok(answer);
    };
    void publication.mix("common");
    await asked("mix", "common");
    void publication.setRegion("common", "2");
    await asked("set-region", { view: "common", region: "2" });
    const region = publication.region("common");
    await asked("get-region", "common", { region: "2" });
    expect(await region).toBe("2");
    void publication.unmix("common");
    await asked("unmix", "common");
  });

  it("has us again after the connection was renewed, unless it is gone", async () => {
    const published = conference.publish(fakeMedia("video"));
    await agree("publish", "s1", "s1");
    ready("s1", "s1");
    const publication = await published;
    void publication.mix("common");
    (await socket.next("stream-control")).ok("ok");
    const ended = vi.fn();
    publication.on("ended", ended);
    for (const id of ["n1", "n2", "n3"]) {
      socket.tell("progress", { id: publication.id, status: "error", data: "the server was restarted" });
      (await socket.next("unpublish")).ok();
      await agree("publish", id, id);
      ready(id, id);
      await settle();
      if (id === "n3") break;
      const control = await socket.next("stream-control");
      expect(control.data).toEqual({ id, operation: "mix", data: "common" });
      if (id === "n1") control.ok("ok");
      else control.refuse("View does NOT exist: common");
      await settle();
    }
    expect(socket.sent).toEqual([]);
    expect(ended).not.toHaveBeenCalled();
  });

  it("is received in another form, which an update changes and a renewal keeps, as it keeps what is paused", async () => {
    vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => ({ codecs: CODECS }) });
    const wish = { resolution: { width: 320, height: 240 }, framerate: 12 };
    const subscribed = conference.subscribe(common(), {
      kinds: ["video"],
      codecs: { video: ["h264"] },
      video: wish,
    });
    const { request } = await agree("subscribe", "s1", "s1");
    expect(request.data).toMatchObject({ media: { tracks: [{ from: "room-common", parameters: wish }] } });
    expect(peers[0]?.transceivers[0]?.preferred).toEqual(["video/H264", "video/rtx"]);
    ready("s1", "s1");
    const subscription = await subscribed;
    const updated = subscription.update({ framerate: 6 });
    const update = await socket.next("subscription-control");
    expect(update.data).toMatchObject({
      operation: "update",
      data: { video: { parameters: { framerate: 6 } } },
    });
    update.ok();
    await updated;
    void subscription.pause();
    const pause = await socket.next("subscription-control");
    expect(pause.data).toEqual({ id: "s1", operation: "pause", data: "av" });
    pause.ok();

    socket.tell("progress", { id: "s1", status: "error", data: "Ice procedure failed." });
    (await socket.next("unsubscribe")).ok();
    const again = await agree("subscribe", "s2", "s2");
    expect(again.request.data).toMatchObject({
      media: { tracks: [{ parameters: { ...wish, framerate: 6 } }] },
    });
    ready("s2", "s2");
    await settle();
    expect((await socket.next("subscription-control")).data).toEqual({
      id: "s2",
      operation: "pause",
      data: "video",
    });
  });
});

const CODECS = ["VP8", "H264", "rtx"].map((name) => ({ mimeType: `video/${name}` }));

describe("muting", () => {
  it("silences the track at once and tells the room", async () => {
    const media = fakeMedia("audio");
    const published = conference.publish(media);
    await agree("publish", "s1", "s1");
    ready("s1", "s1");
    const publication = await published;
    void publication.mute("audio");
    expect(media.getTracks()[0]?.enabled).toBe(false);
    expect((await socket.next("stream-control")).data).toEqual({
      id: "s1",
      operation: "pause",
      data: "audio",
    });
    void publication.unmute("audio");
    expect(media.getTracks()[0]?.enabled).toBe(true);
    expect((await socket.next("stream-control")).data).toEqual({
      id: "s1",
      operation: "play",
      data: "audio",
    });
  });
});

describe("the room", () => {
  it("is followed: who comes and goes, what is added, changed and removed", () => {
    const told: string[] = [];
    conference.on("participantjoined", ({ user }) => told.push(`${user} joined`));
    conference.on("participantleft", ({ user }) => told.push(`${user} left`));
    conference.on("streamadded", ({ id, owner }) => told.push(`${id} of ${owner} added`));
    conference.on("streamupdated", (stream) => told.push(`${stream.id} audio ${stream.active("audio")}`));
    conference.on("streamremoved", ({ id }) => told.push(`${id} removed`));
    conference.on("message", ({ from, message }) => told.push(`${from}: ${message}`));

    socket.tell("participant", { action: "join", data: { id: "cem", user: "Cem", role: "presenter" } });
    socket.tell("stream", { id: "cems", status: "add", data: forward("cems", "cem") });
    socket.tell("stream", {
      id: "cems",
      status: "update",
      data: { field: "audio.status", value: "inactive" },
    });
    socket.tell("text", { from: "cem", to: "all", message: "hello" });
    socket.tell("stream", { id: "cems", status: "remove" });
    socket.tell("participant", { action: "leave", data: "cem" });

    expect(told).toEqual([
      "Cem joined",
      "cems of cem added",
      "cems audio false",
      "cem: hello",
      "cems removed",
      "Cem left",
    ]);
    expect(conference.participants.map(({ id }) => id)).toEqual(["ann", "bob"]);
  });

  it("hears of a subscription that ended with its stream", async () => {
    const subscribed = conference.subscribe(bobs());
    await agree("subscribe", "s1", "s1");
    ready("s1", "s1");
    const ended = vi.fn();
    (await subscribed).on("ended", ended);
    socket.tell("progress", { id: "s1", sessionId: "s1", status: "error", data: "Source stream loss" });
    expect(ended).toHaveBeenCalledWith("Source stream loss");
  });
});

describe("a recorded room", () => {
  it("says so from the beginning, and when it changes", async () => {
    expect(conference.recording).toBe("none");
    const told: string[] = [];
    conference.on("recordingchanged", (state) => told.push(state));
    for (const state of ["recording", "recording", "paused", "none"] as const)
      socket.tell("recording", { state });
    expect(told).toEqual(["recording", "paused", "none"]);
    expect(conference.recording).toBe("none");
  });

  it("says so to those who come late", async () => {
    const late = new FakeSocket();
    const portal = new Portal(late, DEADLINES);
    const entered = portal.login(TOKEN);
    const answer = loginAnswer([]);
    (await late.next("login")).ok({ ...answer, room: { ...answer.room, recording: "paused" } });
    expect(new Conference(portal, await entered, vi.fn()).recording).toBe("paused");
  });
});
