import type { Layer } from "palaver-client";
import { describe, expect, it, vi } from "vitest";
import { fitting, limit, needed, worthwhile } from "../src/detail.js";

const layer = (rid: string, width?: number): Layer => ({
  rid,
  track: `t:${rid}`,
  size: width === undefined ? undefined : { width, height: (width * 9) / 16 },
});
const LAYERS = [layer("q", 320), layer("h", 640), layer("f", 1280)];
const place = (width: number) => ({ width, height: (width * 9) / 16 });

describe("the layer for a place on the screen", () => {
  it.each([
    [100, 320],
    [320, 320],
    [321, 640],
    [640, 640],
    [641, undefined],
    [5000, undefined],
  ])("of %i pixels is limited to %s", (width, most) => {
    expect(limit(LAYERS, place(width))?.width).toBe(most);
    expect(limit([...LAYERS].reverse(), place(width))?.width).toBe(most);
  });

  it("fills the place in both directions", () => {
    expect(limit(LAYERS, { width: 200, height: 300 })?.width).toBe(640);
  });

  it("is not limited while sizes are not known", () => {
    expect(limit([layer("q"), layer("h"), layer("f")], place(10))).toBeUndefined();
    expect(limit([layer("q", 320), layer("h"), layer("f")], place(10))?.width).toBe(320);
    expect(limit([layer("q", 320), layer("h"), layer("f")], place(400))).toBeUndefined();
    expect(limit([], place(10))).toBeUndefined();
  });

  it("needs every pixel of the screen for who speaks, and fewer for others", () => {
    vi.stubGlobal("devicePixelRatio", 2);
    expect(needed({ width: 300, height: 150 }, true)).toEqual({ width: 600, height: 300 });
    expect(needed({ width: 300, height: 150 }, false)).toEqual({ width: 400, height: 200 });
  });
});

describe("the size of a view", () => {
  const own = { width: 1280, height: 720 };
  const others = [
    { width: 960, height: 540 },
    { width: 852, height: 480 },
    { width: 640, height: 360 },
    { width: 426, height: 240 },
    { width: 640, height: 480 }, // another shape
    { width: 1920, height: 1080 }, // larger than it is drawn
  ];

  it.each([
    [1, 1200, 1280],
    [1, 900, 960],
    [1, 400, 426],
    [2, 390, 852],
    [3, 390, 852], // denser than eyes can tell
    [3, 844, 1280],
    [1, 5000, 1280],
  ])("fits a place on a screen with density %i and %i pixels: %i", (density, width, wanted) => {
    vi.stubGlobal("devicePixelRatio", density);
    expect(fitting(own, others, place(width)).width).toBe(wanted);
    vi.unstubAllGlobals();
  });

  it("is its own where there is no other", () => {
    expect(fitting(own, [], place(100))).toBe(own);
  });

  it("is changed only where many pixels are won or saved", () => {
    expect(worthwhile({ width: 852, height: 480 }, own)).toBe(true);
    expect(worthwhile(own, { width: 852, height: 480 })).toBe(true);
    expect(worthwhile({ width: 852, height: 480 }, { width: 960, height: 540 })).toBe(false);
    expect(worthwhile(own, own)).toBe(false);
  });
});
