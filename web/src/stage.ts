/** The conference: the grid, the bar, and the panels beside them. */

import type { Conference } from "palaver-client";
import { Arrangement } from "./arrangement.js";
import { type Chat, chat } from "./chat.js";
import { deviceButton, roundButton, shareButton, sharingNotice } from "./controls.js";
import type { Device, Devices } from "./devices.js";
import { h } from "./dom.js";
import { inviteLink } from "./entrance.js";
import { icons } from "./icons.js";
import { keepFitted } from "./layout.js";
import type { Screen } from "./lobby.js";
import { wakeAudio } from "./loudness.js";
import { MixedView } from "./mixed.js";
import { Outgoing } from "./outgoing.js";
import { peopleList } from "./people.js";
import { Recordings, recordingMark } from "./recordings.js";
import { Replay } from "./replay.js";
import { type Person, Roster } from "./roster.js";
import { type Settings, settings } from "./settings.js";
import { Sharing } from "./sharing.js";
import { Side } from "./side.js";
import { Statistics } from "./statistics.js";
import { Streams } from "./streams.js";
import { Tile } from "./tile.js";
import { toast } from "./toasts.js";
import { viewOf } from "./view.js";
import { explained } from "./words.js";

/** So often pictures are fitted to their tiles, and statistics are read. */
const LOOK_MS = 1000;

/** Ends by itself with the conference; `close` only tidies up. */
export class Stage implements Screen {
  readonly element: HTMLElement;
  readonly #tiles = new Map<string, Tile>();
  readonly #roster: Roster;
  readonly #outgoing: Outgoing;
  readonly #closing: (() => void)[] = [];
  readonly #grid = h("section", { class: "grid", "aria-label": "Participants" });
  readonly #alone: HTMLElement;
  readonly #banner = h("div", { class: "banner", role: "status", hidden: true });
  readonly #screens = h("section", { class: "screens", "aria-label": "Shared screens", hidden: true });
  readonly #sharing: Sharing;
  readonly #side: Side<"recordings" | "streams" | "chat" | "people" | "settings">;
  readonly #people = peopleList();
  readonly #chat: Chat;
  readonly #fitted: { update: () => void };
  readonly #statistics: Statistics;
  readonly #settings: Settings;
  readonly #recordings: Recordings;
  readonly #streams: Streams;
  readonly #replay = new Replay(({ from, message }) => this.#heard(from, message));
  readonly #mixed: MixedView | undefined;
  readonly #switch = roundButton(
    "mixed",
    "Mixed view (G)",
    "mixed-view",
    () => void this.#mix(),
    "panel-button",
  );
  #mixing = false;
  #unread = 0;

  constructor(
    readonly conference: Conference,
    readonly devices: Devices,
    readonly room: string | undefined,
  ) {
    const problem = (error: unknown) => toast(explained(error), "problem");
    this.#roster = new Roster(conference, problem);
    this.#statistics = new Statistics(conference);
    this.#outgoing = new Outgoing(conference, devices, problem);
    this.#sharing = new Sharing(conference, problem);
    // Who may only watch must not believe to be seen.
    for (const device of ["mic", "camera"] as const)
      if (!this.#outgoing.allows(device)) devices.forgo(device);
    this.#chat = chat((message) => conference.text(message));
    this.#settings = settings(devices, () => void this.#look());
    this.#recordings = new Recordings(conference, problem);
    this.#streams = new Streams(conference, problem);
    this.#side = new Side({
      recordings: this.#recordings,
      streams: this.#streams,
      settings: { icon: "settings", title: "Settings", key: "O", ...this.#settings },
      people: { icon: "people", title: "People", key: "P", element: this.#people.element },
      chat: { icon: "chat", title: "Chat", key: "C", ...this.#chat, shown: () => this.#read() },
    });
    this.#alone = this.#invitation();
    this.#mixed = this.#view(problem);
    const mark = recordingMark(conference);
    for (const name of ["recordings", "streams"] as const) {
      const [button, panel] = [
        this.#side.buttons[name],
        name === "streams" ? this.#streams : this.#recordings,
      ];
      button.hidden = true;
      void panel.may().then((may) => {
        button.hidden = !may;
      });
    }
    const area = h("div", { class: "area" }, this.#screens, this.#grid, this.#alone, this.#mixed?.element);
    this.element = h(
      "main",
      { class: "stage" },
      h("h1", { class: "unseen" }, this.room ?? "Conference"),
      h("div", { class: "notices" }, mark.element, this.#banner, sharingNotice(this.#sharing)),
      h("div", { class: "middle" }, area, this.#side.element),
      this.#bar(),
    );
    const fitted = keepFitted(this.#grid);
    this.#fitted = fitted;
    this.#follow();
    this.#closing.push(
      fitted.close,
      mark.close,
      () => this.#roster.close(),
      () => this.#mixed?.close(),
      () => this.#outgoing.close(),
      () => this.#sharing.close(),
      () => this.#side.close(),
    );
    this.#show();
    this.#outgoing.sync();
  }

  close(): void {
    for (const close of this.#closing) close();
    for (const tile of this.#tiles.values()) tile.close();
  }

  #follow(): void {
    const { conference, devices } = this;
    const tick = setInterval(() => {
      const now = performance.now();
      for (const tile of this.#tiles.values()) tile.tick(now);
    }, 100);
    const look = setInterval(() => void this.#look(), LOOK_MS);
    const keys = (event: KeyboardEvent) => this.#key(event);
    document.addEventListener("keydown", keys);
    this.#closing.push(
      () => clearInterval(tick),
      () => clearInterval(look),
      () => document.removeEventListener("keydown", keys),
      devices.on("change", () => {
        this.#outgoing.sync();
        this.#show();
      }),
      this.#roster.on("change", () => this.#show()),
      conference.on("participantjoined", ({ user }) => toast(`${user || "A guest"} joined`)),
      conference.on("participantleft", ({ user }) => toast(`${user || "A guest"} left`)),
      conference.on("message", (message) => this.#replay.heard(message)),
      conference.on("reconnecting", () => this.#tell("Connection lost. Trying to come back…")),
      conference.on("reconnected", () => {
        this.#replay.returned();
        this.#tell(undefined);
      }),
    );
  }

  #bar(): HTMLElement {
    const devices = (["mic", "camera"] as const)
      .filter((device) => this.#outgoing.allows(device))
      .map((device) => deviceButton(device, this.devices, () => void this.#toggle(device)));
    const share = this.#sharing.possible ? shareButton(this.#sharing) : undefined;
    const leave = roundButton("leave", "Leave", "leave", () => void this.conference.leave(), "leave");
    const invite = this.room
      ? roundButton("invite", "Copy the invite link", "invite", () => void this.#invite())
      : undefined;
    const title = h(
      "div",
      { class: "title", "aria-hidden": "true" },
      h("span", { class: "sign" }, icons.bubbles()),
      h("span", {}, this.room ?? "Palaver"),
    );
    return h(
      "nav",
      { class: "bar", "aria-label": "Controls" },
      title,
      h("div", { class: "controls" }, ...devices, share, leave),
      h("div", { class: "more" }, invite, this.#mixed && this.#switch, ...Object.values(this.#side.buttons)),
    );
  }

  #invitation(): HTMLElement {
    const copy = h(
      "button",
      { type: "button", class: "primary", onclick: () => void this.#invite() },
      icons.invite(),
      "Copy the invite link",
    );
    const text = this.room ? "Send the link to those you want to meet." : "The others will appear here.";
    return h(
      "div",
      { class: "alone" },
      h("h2", {}, "You are the first one here"),
      h("p", {}, text),
      this.room ? copy : undefined,
    );
  }

  /** The room as one picture, if there is one that we may see. */
  #view(problem: (error: unknown) => void): MixedView | undefined {
    const view = viewOf(this.conference);
    if (view?.view === undefined) return undefined;
    this.#switch.setAttribute("aria-pressed", "false");
    const arrangement = new Arrangement(this.conference, view.view, this.room !== undefined);
    const host = { problem, silenced: () => this.#silenced() };
    return new MixedView(this.conference, view, arrangement, host);
  }

  /** From the grid to the mixed view, or back. What is not seen is not received. */
  async #mix(): Promise<void> {
    const mixed = this.#mixed;
    if (!mixed) return;
    this.#mixing = !this.#mixing;
    this.#shown();
    if (!this.#mixing) {
      mixed.shut();
      this.#roster.rest(false);
      return;
    }
    try {
      await mixed.open();
      if (this.#mixing) this.#roster.rest(true);
    } catch (error) {
      if (!this.#mixing) return;
      this.#mixing = false;
      this.#shown();
      toast(explained(error), "problem");
    }
  }

  #shown(): void {
    this.#switch.setAttribute("aria-pressed", String(this.#mixing));
    this.#switch.classList.toggle("open", this.#mixing);
    this.#grid.hidden = this.#mixing;
    this.#show();
  }

  #show(): void {
    const { people, screens } = this.#roster;
    const gone = new Set(this.#tiles.keys());
    for (const person of [...people, ...screens]) {
      gone.delete(person.key);
      const { name, own, screen } = person;
      this.#tile(person).show({ name, own, screen, ...this.#media(person) });
    }
    for (const key of gone) {
      this.#tiles.get(key)?.close();
      this.#tiles.delete(key);
    }
    this.#people.show(people);
    this.#side.buttons.people.dataset.count = String(people.length);
    this.#screens.hidden = screens.length === 0 || this.#mixing;
    this.#alone.hidden = people.length > 1 || this.#mixing;
    this.#fitted.update();
    this.#fit(people);
  }

  /** Small tiles get small pictures, large ones and who speaks large ones. */
  #fit(people: readonly Person[]): void {
    if (this.#mixing) return;
    const now = performance.now();
    for (const person of people) {
      const tile = this.#tiles.get(person.key);
      if (tile && !person.own) person.need(tile.need(now));
    }
  }

  async #look(): Promise<void> {
    const { people, screens } = this.#roster;
    this.#fit(people);
    const lines = this.#settings.counting ? await this.#statistics.read() : undefined;
    this.#mixed?.tell(lines?.get(this.#mixed.picture?.id ?? ""));
    for (const { key, layer } of [...people, ...screens]) {
      const tile = this.#tiles.get(key);
      const line = lines?.get(tile?.picture?.id ?? "");
      tile?.tell(line && layer?.rid ? `${layer.rid} · ${line}` : line);
    }
  }

  /** Our own picture is what the devices give, at once and not by way of the server. */
  #media(person: Person) {
    if (!person.own)
      return {
        video: person.track("video"),
        audio: person.track("audio"),
        muted: person.muted,
        held: person.camera && person.layer?.sending === false,
      };
    return {
      video: this.devices.isOn("camera") ? this.devices.track("camera") : undefined,
      audio: this.devices.track("mic"),
      muted: !this.devices.isOn("mic"),
      held: false,
    };
  }

  #tile(person: Person): Tile {
    const known = this.#tiles.get(person.key);
    if (known) return known;
    const tile = new Tile(() => this.#silenced());
    this.#tiles.set(person.key, tile);
    (person.screen ? this.#screens : this.#grid).append(tile.element);
    return tile;
  }

  /** The browser wants a touch before it plays sound. */
  #silenced(): void {
    if (this.#banner.dataset.kind === "sound") return;
    const hear = () => {
      wakeAudio();
      for (const tile of this.#tiles.values()) tile.play();
      this.#mixed?.play();
      this.#tell(undefined);
    };
    this.#tell(
      "Your browser holds back the sound.",
      h("button", { type: "button", onclick: hear }, "Hear everybody"),
    );
    this.#banner.dataset.kind = "sound";
  }

  #tell(text: string | undefined, action?: HTMLElement): void {
    this.#banner.hidden = text === undefined;
    delete this.#banner.dataset.kind;
    this.#banner.replaceChildren(text ?? "", action ?? "");
  }

  async #toggle(device: Device): Promise<void> {
    if (!this.#outgoing.allows(device)) return;
    const problem = await this.devices.toggle(device);
    if (problem) toast(problem, "problem");
  }

  async #invite(): Promise<void> {
    const link = inviteLink(this.room ?? "");
    try {
      await navigator.clipboard.writeText(link);
      toast("Invite link copied");
    } catch {
      toast(link);
    }
  }

  #heard(from: string, message: string): void {
    const person = this.conference.participants.find(({ id }) => id === from);
    const own = from === this.conference.me.id;
    this.#chat.heard({ id: from, name: person?.user || "Guest", own }, message);
    if (own || this.#side.open === "chat") return;
    this.#side.count("chat", ++this.#unread);
    toast(`${person?.user || "Guest"}: ${message.length > 90 ? `${message.slice(0, 90)}…` : message}`);
  }

  #read(): () => void {
    this.#unread = 0;
    this.#side.count("chat", 0);
    return () => undefined;
  }

  #key(event: KeyboardEvent): void {
    if (event.key === "Escape" && this.#side.open) this.#side.shut();
    const { target } = event;
    const line = target instanceof HTMLInputElement && target.type !== "radio";
    const writing = line || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
    if (writing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const act: Record<string, () => void> = {
      m: () => void this.#toggle("mic"),
      v: () => void this.#toggle("camera"),
      d: () => void (this.#sharing.possible && this.#sharing.toggle()),
      c: () => this.#side.toggle("chat"),
      p: () => this.#side.toggle("people"),
      o: () => this.#side.toggle("settings"),
      r: () => this.#side.buttons.recordings.hidden || this.#side.toggle("recordings"),
      l: () => this.#side.buttons.streams.hidden || this.#side.toggle("streams"),
      g: () => void this.#mix(),
      s: () => this.#settings.count(!this.#settings.counting),
    };
    const chosen = act[event.key.toLowerCase()];
    if (!chosen) return;
    event.preventDefault();
    chosen();
  }
}
