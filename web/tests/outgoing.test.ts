import { type Conference, PalaverError } from "palaver-client";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Devices } from "../src/devices.js";
import { Outgoing } from "../src/outgoing.js";

const track = { kind: "audio" } as MediaStreamTrack;
const devices = {
  isOn: (device: string) => device === "mic",
  track: (device: string) => (device === "mic" ? track : undefined),
} as unknown as Devices;
const mix = vi.fn(async () => undefined);
const publication = { on: vi.fn(), sends: () => true, isMuted: () => false, mix };
const publish = vi.fn();
const conference = {
  permission: { publish: { audio: true, video: true } },
  room: { views: ["common", "other"] },
  publish,
} as unknown as Conference;
const problem = vi.fn();
const blocked = () => Promise.reject(new PalaverError("media", "media: nothing came in 20 s"));

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("MediaStream", class {});
  publish.mockReset();
  problem.mockReset();
});

describe("sending", () => {
  it("that is blocked is told once, and tried again until it works", async () => {
    publish.mockImplementationOnce(blocked).mockImplementationOnce(blocked).mockResolvedValue(publication);
    new Outgoing(conference, devices, problem).sync();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(publish).toHaveBeenCalledTimes(3);
    expect(problem).toHaveBeenCalledOnce();
    expect(mix.mock.calls).toEqual([["common"]]);
  });

  it("that stays blocked is given up, and told again", async () => {
    publish.mockImplementation(blocked);
    new Outgoing(conference, devices, problem).sync();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(publish).toHaveBeenCalledTimes(5);
    expect(problem).toHaveBeenCalledTimes(2);
  });

  it("that the room refuses is told and not tried again", async () => {
    publish.mockRejectedValue(new PalaverError("refused", "unauthorized"));
    new Outgoing(conference, devices, problem).sync();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(publish).toHaveBeenCalledOnce();
    expect(problem).toHaveBeenCalledOnce();
  });

  it("that breaks off is taken up again without a word", async () => {
    publish.mockResolvedValue(publication);
    new Outgoing(conference, devices, problem).sync();
    await vi.advanceTimersByTimeAsync(0);
    const ended = publication.on.mock.calls.at(-1)?.[1];
    ended("the server was restarted");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(publish).toHaveBeenCalledTimes(2);
    expect(problem).not.toHaveBeenCalled();
  });
});
