import { beforeEach, describe, expect, it, vi } from "vitest";
import { join, portalOf } from "../src/join.js";
import { Portal } from "../src/portal.js";
import { FakeSocket, loginAnswer, TOKEN, ticket } from "./fakes.js";

const DEADLINES = { joinMs: 1000, answerMs: 500, mediaMs: 1000, returnMs: 5000 };

let socket: FakeSocket;
let portal: Portal;
let told: string[];

beforeEach(() => {
  vi.useFakeTimers();
  socket = new FakeSocket();
  portal = new Portal(socket, DEADLINES);
  told = [];
  for (const name of ["reconnecting", "reconnected", "ended"] as const)
    portal.on(name, (event) => told.push(event ? `${name} ${event}` : name));
});

async function inside(reconnectionTicket = ticket(Date.now() + 600_000)) {
  const entered = portal.login(TOKEN);
  (await socket.next("login")).ok({ ...loginAnswer(), reconnectionTicket });
  return entered;
}

describe("a token", () => {
  it("says where its portal is", () => {
    expect(portalOf(btoa('{"host":"a:1","secure":true}'))).toBe("https://a:1");
    expect(portalOf(btoa('{"host":"a:1","secure":false}'))).toBe("http://a:1");
    expect(portalOf(btoa('{"host":"https://a","secure":false}'))).toBe("https://a");
    expect(portalOf(btoa('{"host":"a","secure":true,"path":"/rtc"}'))).toBe("https://a/rtc");
  });

  it("that is none is refused before anything is opened", async () => {
    const openSocket = vi.fn();
    await expect(join("%%%", { openSocket })).rejects.toMatchObject({ code: "refused" });
    expect(openSocket).not.toHaveBeenCalled();
  });
});

describe("login", () => {
  it("introduces itself as a client whose session can be resumed", async () => {
    void portal.login("the token");
    expect((await socket.next("login")).data).toEqual({
      token: "the token",
      userAgent: { sdk: { version: expect.any(String), type: "JavaScript" } },
      protocol: "1.2",
    });
  });

  it("passes on why it was refused, and hangs up", async () => {
    const entered = portal.login(TOKEN);
    (await socket.next("login")).refuse("Room is full");
    await expect(entered).rejects.toMatchObject({ code: "refused", message: "Room is full" });
    expect(socket.closed).toBe(true);
  });

  it("tells an unreachable server from a silent one", async () => {
    const entered = portal.login(TOKEN);
    socket.tell("connect_error", new Error("xhr poll error"));
    await expect(entered).rejects.toMatchObject({ code: "unreachable" });

    const silent = new Portal(new FakeSocket(), DEADLINES).login(TOKEN);
    silent.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(DEADLINES.joinMs);
    await expect(silent).rejects.toMatchObject({ code: "timeout" });
  });
});

describe("a request", () => {
  it("that nobody answers fails in time", async () => {
    await inside();
    const asked = portal.request("text", { to: "all", message: "hello" });
    asked.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(DEADLINES.answerMs);
    await expect(asked).rejects.toMatchObject({ code: "timeout" });
  });

  it("on its way when the network goes fails, one made later waits until we are back", async () => {
    await inside();
    const early = portal.request("text", { to: "all", message: "early" });
    early.catch(() => undefined);
    socket.tell("disconnect", "transport close");
    await expect(early).rejects.toMatchObject({ code: "lost" });
    socket.sent.length = 0;

    const late = portal.request("text", { to: "all", message: "late" });
    socket.tell("connect");
    (await socket.next("relogin")).ok(ticket(Date.now() + 600_000));
    (await socket.next("text")).ok();
    await expect(late).resolves.toBeUndefined();
  });
});

describe("after a loss of the network", () => {
  it("the session is resumed by the ticket, and by the new one the next time", async () => {
    const [first, second] = [ticket(Date.now() + 600_000), ticket(Date.now() + 700_000)];
    await inside(first);
    socket.tell("disconnect", "ping timeout");
    socket.tell("connect");
    const relogin = await socket.next("relogin");
    expect(relogin.data).toBe(first);
    relogin.ok(second);
    await vi.advanceTimersByTimeAsync(0);
    socket.tell("disconnect", "ping timeout");
    socket.tell("connect");
    expect((await socket.next("relogin")).data).toBe(second);
    expect(told).toEqual(["reconnecting", "reconnected", "reconnecting"]);
  });

  it("a refused relogin is the end", async () => {
    await inside();
    socket.tell("disconnect", "transport close");
    socket.tell("connect");
    (await socket.next("relogin")).refuse("Ticket is expired");
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toEqual(["reconnecting", "ended lost"]);
    await expect(portal.request("text", { to: "all", message: "x" })).rejects.toMatchObject({
      code: "ended",
    });
  });

  it("the way back is given up in the end", async () => {
    await inside();
    socket.tell("disconnect", "transport close");
    await vi.advanceTimersByTimeAsync(DEADLINES.returnMs);
    expect(told).toEqual(["reconnecting", "ended lost"]);
    expect(socket.closed).toBe(true);
  });

  it("a server that went down politely is called again", async () => {
    await inside();
    socket.tell("disconnect", "io server disconnect");
    expect(socket.connects).toBe(1);
  });
});

describe("the ticket", () => {
  it("is renewed a minute before it ends", async () => {
    await inside(ticket(Date.now() + 600_000));
    await vi.advanceTimersByTimeAsync(539_000);
    expect(socket.sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);
    const renewed = ticket(Date.now() + 600_000);
    (await socket.next("refreshReconnectionTicket")).ok(renewed);
    await vi.advanceTimersByTimeAsync(0);
    socket.tell("disconnect", "transport close");
    socket.tell("connect");
    expect((await socket.next("relogin")).data).toBe(renewed);
  });
});

describe("the end", () => {
  it("comes at once when the server drops us, and nothing is heard after it", async () => {
    await inside();
    const heard = vi.fn();
    portal.on("text", heard);
    socket.tell("drop");
    socket.tell("text", { from: "bob", to: "all", message: "late" });
    expect(told).toEqual(["ended dropped"]);
    expect(heard).not.toHaveBeenCalled();
  });

  it("by leaving says goodbye first, and does not wait for ever for the answer", async () => {
    await inside();
    const left = portal.leave();
    expect(socket.sent.map(({ name }) => name)).toEqual(["logout"]);
    await vi.advanceTimersByTimeAsync(2000);
    await left;
    expect(told).toEqual(["ended left"]);
    expect(socket.closed).toBe(true);
  });
});
