import { PalaverError } from "palaver-client";
import { describe, expect, it, vi } from "vitest";
import { linked } from "../src/chat.js";
import { freshRoom, inviteLink } from "../src/entrance.js";
import { fit } from "../src/layout.js";
import { Replay } from "../src/replay.js";
import { deviceProblem, explained, initials, isSpent } from "../src/words.js";

describe("the grid", () => {
  it("puts everybody on the screen, in every shape of window", () => {
    for (const [width, height] of [
      [1280, 660],
      [390, 760],
      [820, 1100],
    ] as const)
      for (let count = 1; count <= 16; count++) {
        const { columns, width: w, height: h } = fit(count, width, height);
        const rows = Math.ceil(count / columns);
        expect(columns * w + (columns - 1) * 12).toBeLessThanOrEqual(width);
        if (count <= 9) expect(rows * h + (rows - 1) * 12).toBeLessThanOrEqual(height);
      }
  });

  it("sets two side by side on a desk and one above the other on a phone", () => {
    expect(fit(2, 1280, 660).columns).toBe(2);
    expect(fit(2, 390, 760).columns).toBe(1);
  });

  it("keeps faces recognisable in a crowd, and scrolls", () => {
    expect(fit(60, 390, 700).height).toBeGreaterThanOrEqual(100);
  });
});

describe("the chat", () => {
  it("makes links of web addresses and nothing else", () => {
    const pieces = linked(
      'See https://example.org/a?b=1. <img src=x onerror="alert(1)"> javascript:alert(1)',
    );
    const links = pieces.filter((piece) => typeof piece !== "string");
    expect(links.map((link) => link.getAttribute("href"))).toEqual(["https://example.org/a?b=1"]);
    expect(links[0]?.getAttribute("rel")).toBe("noopener noreferrer");
    expect(pieces.at(-1)).toBe('. <img src=x onerror="alert(1)"> javascript:alert(1)');
  });
});

describe("after a loss of the network", () => {
  it("what is said again is shown once, what was missed is shown", () => {
    vi.useFakeTimers();
    const shown: string[] = [];
    const replay = new Replay(({ message }) => shown.push(message));
    const hear = (...messages: string[]) => {
      for (const message of messages) replay.heard({ from: "bob", to: "all", message });
    };
    hear("one", "two", "two", "three");
    replay.returned();
    hear("two", "three", "four", "two");
    expect(shown).toEqual(["one", "two", "two", "three"]);
    vi.runAllTimers();
    expect(shown).toEqual(["one", "two", "two", "three", "four", "two"]);
    hear("two");
    expect(shown).toHaveLength(7);
    vi.useRealTimers();
  });
});

describe("words", () => {
  it("say what people can do about it", () => {
    expect(explained(new PalaverError("refused", "Room is full"))).toContain("full");
    expect(explained(new PalaverError("refused", "Invalid token"))).toContain("Ask for a new one");
    expect(explained(new PalaverError("unreachable", "x"))).toContain("cannot be reached");
    expect(explained(new Error("something new"))).toContain("something new");
  });

  it("tell a link that is spent from one that may be tried again", () => {
    const wrapped = (message: string) => new Error("x", { cause: new PalaverError("refused", message) });
    for (const message of ["Expired", "Invalid token", "Token was used already, or its room is gone"])
      expect(isSpent(wrapped(message))).toBe(true);
    for (const message of ["Room is full", "Joining room failed"])
      expect(isSpent(wrapped(message))).toBe(false);
    expect(isSpent(new PalaverError("timeout", "token"))).toBe(false);
  });

  it("name the device and the reason", () => {
    Object.defineProperty(navigator, "mediaDevices", { value: {}, configurable: true });
    expect(deviceProblem("camera", new DOMException("", "NotAllowedError"))).toContain("blocks the camera");
    expect(deviceProblem("microphone", new DOMException("", "NotFoundError"))).toBe(
      "No microphone was found.",
    );
  });

  it("stand for faces", () => {
    expect(["Ann Maria Keller", "bob", "  ", "émile zola"].map(initials)).toEqual(["AK", "B", "?", "ÉZ"]);
  });
});

describe("a room", () => {
  it("has a name that is easy to say, and a link that keeps odd ones", () => {
    expect(freshRoom()).toMatch(/^[a-z]+-[a-z]+-\d\d$/);
    expect(new URL(inviteLink("Ann & Bob")).searchParams.get("room")).toBe("Ann & Bob");
  });
});
