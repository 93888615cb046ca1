import { type Conference, RoomStream, type StreamInfo, type Subscription } from "palaver-client";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Arrangement } from "../src/arrangement.js";
import { Carrying } from "../src/carrying.js";
import { Places } from "../src/places.js";
import { Roster } from "../src/roster.js";
import { enterView, viewOf } from "../src/view.js";

const person = (id: string, user: string) => ({ id, user, role: "presenter" });

function forward(id: string, owner: string, kinds: ("audio" | "video")[], source = "camera"): RoomStream {
  const tracks = kinds.map((type) => ({ type, format: { codec: "x" }, status: "active", source }) as const);
  return new RoomStream({
    id,
    type: "forward",
    media: { tracks },
    info: { owner, type: "webrtc", inViews: ["common"] },
  });
}

function view(...seen: (string | undefined)[]): RoomStream {
  const layout = seen.map((stream, index) => ({
    region: {
      id: String(index + 1),
      shape: "rectangle",
      area: { left: `${index}/${seen.length}`, top: "0/1", width: `1/${seen.length}`, height: "1/1" },
    },
    ...(stream && { stream }),
  }));
  const video = { type: "video", format: { codec: "vp8" }, status: "active" } as const;
  const info: StreamInfo = {
    id: "room-common",
    type: "mixed",
    media: { tracks: [video] },
    info: { label: "common", activeInput: "unknown", layout },
  };
  return new RoomStream(info);
}

const all = { audio: true, video: true };

function conferenceOf(...streams: RoomStream[]): Conference {
  return {
    me: person("ann", "Ann"),
    participants: [person("ann", "Ann"), person("bob", "Bob")],
    permission: { publish: all, subscribe: all },
    room: { id: "room", views: ["common"] },
    streams,
    on: () => () => undefined,
    portal: { request: vi.fn(async () => "ok") },
    subscribe: vi.fn(),
  } as unknown as Conference;
}

const anns = () => forward("anns", "ann", ["audio", "video"]);
const bobs = () => forward("bobs", "bob", ["video"]);
const labels = (places: Places) =>
  [...places.element.querySelectorAll("button")].map((button) => button.getAttribute("aria-label"));

describe("the places of the mixed view", () => {
  it("say whose they are, who speaks, who is silent and who waits", () => {
    const voice = forward("voice", "bob", ["audio"]);
    const cems = forward("cems", "cem", ["video"]);
    const screen = forward("screen", "bob", ["video"], "screen-cast");
    const places = new Places(conferenceOf(anns(), bobs(), voice, cems, screen));
    const shown = view("anns", "bobs", "screen", undefined);
    shown.apply({ field: "activeInput", value: "voice" });
    expect(places.show(shown, undefined)).toBe(true);
    expect(labels(places)).toEqual([
      "Ann (you), place 1 of 4",
      "Bob, place 2 of 4",
      "Screen of Bob, place 3 of 4",
      "Free, place 4 of 4",
    ]);
    const speaking = [...places.element.querySelectorAll<HTMLElement>(".speaking")];
    expect(speaking.map(({ dataset }) => dataset.name)).toEqual(["Bob"]);
    expect(places.waiting.hidden).toBe(false);
    expect(places.waiting.textContent).toBe("Live source");

    voice.apply({ field: "audio.status", value: "inactive" });
    expect(places.show(shown, undefined)).toBe(false);
    expect(labels(places)[1]).toBe("Bob, place 2 of 4, microphone off");
    expect(places.element.querySelector(".speaking")).toBeNull();
  });

  it("keep the focus when people move and when the regions change", async () => {
    const places = new Places(conferenceOf(anns(), bobs()));
    document.body.replaceChildren(places.element);
    places.show(view("anns", "bobs"), undefined);
    places.element.querySelectorAll("button")[1]?.focus();
    places.show(view("bobs", "anns"), undefined);
    const focused = () => (document.activeElement as HTMLElement).dataset;
    expect(focused()).toMatchObject({ region: "2", name: "Ann (you)" });
    places.show(view("bobs", "anns", undefined), undefined);
    await Promise.resolve();
    expect(focused().region).toBe("2");
  });
});

describe("carrying", () => {
  const put = vi.fn();
  const say = vi.fn();
  const may = vi.fn(() => true);
  let root: HTMLElement;
  const button = (region: string) => root.querySelector(`[data-region="${region}"]`) as HTMLButtonElement;

  beforeEach(() => {
    for (const mock of [put, say, may]) mock.mockClear();
    const places = new Places(conferenceOf(anns(), bobs()));
    root = places.element;
    places.show(view("anns", "bobs", undefined), undefined);
    document.body.replaceChildren(root);
    new Carrying(root, { may, put, say });
  });

  it("takes one press to pick up and one to put down", () => {
    button("1").click();
    expect(button("1").getAttribute("aria-pressed")).toBe("true");
    button("3").click();
    expect(put.mock.calls).toEqual([["anns", "3"]]);
    expect(button("1").getAttribute("aria-pressed")).toBe("false");
  });

  it("is called off by the same place, and by Escape", () => {
    for (const off of [
      () => button("1").click(),
      () => button("2").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true })),
    ]) {
      button("1").click();
      off();
      expect(root.classList.contains("carrying")).toBe(false);
    }
    expect(put).not.toHaveBeenCalled();
  });

  it("does not begin with a free place, nor with somebody whom we may not move", () => {
    button("3").click();
    may.mockReturnValueOnce(false);
    button("2").click();
    expect(root.classList.contains("carrying")).toBe(false);
  });
});

describe("the arrangement", () => {
  const answer = (body: object, status = 200) =>
    vi.stubGlobal(
      "fetch",
      vi.fn(async () => new Response(JSON.stringify(body), { status })),
    );

  it("of our own place is asked of the portal, of everybody else's of the page's server", async () => {
    const conference = conferenceOf();
    const ours = new Arrangement(conference, "common", true);
    answer({ template: "fluid", speakerFirst: false });
    await ours.show(anns(), "2");
    expect(conference.portal.request).toHaveBeenCalledWith("stream-control", {
      operation: "set-region",
      id: "anns",
      data: { view: "common", region: "2" },
    });
    expect(fetch).not.toHaveBeenCalled();
    await ours.show(bobs(), "1");
    const asked = vi.mocked(fetch).mock.calls[0];
    expect(asked?.[0]).toMatch(/\/demo\/rooms\/room\/views\/common$/);
    expect(JSON.parse(String(asked?.[1]?.body))).toEqual({ show: { stream: "bobs", region: "1" } });
  });

  it("has a name for each template, and none for others", async () => {
    const ours = new Arrangement(conferenceOf(), "common", true);
    for (const [template, speakerFirst, name] of [
      ["fluid", false, "equal"],
      ["lecture", false, "large"],
      ["lecture", true, "speaker"],
      ["fluid", true, undefined],
      [null, false, undefined],
    ] as const) {
      answer({ template, speakerFirst });
      expect(await ours.template()).toBe(name);
    }
    answer({ error: { message: "Room not found" } }, 404);
    await expect(ours.choose("large")).rejects.toThrow("Room not found");
  });

  it("is not ours in a room that we came to by a token", async () => {
    const guest = new Arrangement(conferenceOf(), "common", false);
    answer({});
    expect([guest.may(anns()), guest.may(bobs()), await guest.template()]).toEqual([true, false, undefined]);
    expect(fetch).not.toHaveBeenCalled();
  });
});

describe("the view of a room", () => {
  it("is its first one, if it has a picture that we may see", () => {
    const conference = conferenceOf(anns(), view());
    expect(viewOf(conference)?.id).toBe("room-common");
    conference.permission.subscribe.video = false;
    expect(viewOf(conference)).toBeUndefined();
    conference.permission.subscribe.video = true;
    expect(viewOf(conferenceOf(anns()))).toBeUndefined();
  });

  it("gets what we publish, and a refusal is told", async () => {
    const problem = vi.fn();
    const refusal = new Error("View does NOT exist");
    const mix = vi.fn().mockRejectedValue(refusal);
    enterView(conferenceOf(), { mix } as never, problem);
    await vi.waitFor(() => expect(problem).toHaveBeenCalledWith(refusal));
    expect(mix).toHaveBeenCalledWith("common");
  });
});

describe("while the mixed view is open", () => {
  it("nobody is received by itself, and afterwards everybody once", async () => {
    const streams = [bobs()];
    const conference = conferenceOf(...streams);
    const received: Subscription[] = [];
    vi.mocked(conference.subscribe).mockImplementation(async (stream) => {
      const one = {
        stream,
        on: vi.fn(),
        pause: vi.fn(async () => undefined),
        play: vi.fn(async () => undefined),
      };
      received.push(one as unknown as Subscription);
      return one as unknown as Subscription;
    });
    let added: (stream: RoomStream) => void = () => undefined;
    conference.on = ((name: string, listener: never) => {
      if (name === "streamadded") added = listener;
      return () => undefined;
    }) as never;
    const roster = new Roster(conference, vi.fn());
    roster.rest(true); // while the first is being asked for
    await vi.waitFor(() => expect(received).toHaveLength(1));
    await vi.waitFor(() => expect(received[0]?.pause).toHaveBeenCalledOnce());
    const cems = forward("cems", "cem", ["video"]);
    conference.streams.push(cems);
    added(cems);
    expect(conference.subscribe).toHaveBeenCalledOnce();
    roster.rest(false);
    await vi.waitFor(() => expect(received.map(({ stream }) => stream.id)).toEqual(["bobs", "cems"]));
    expect(received[0]?.play).toHaveBeenCalledOnce();
  });
});
