// The viewers' page: plays the HLS stream whose address is the page's own, by hls.js or by the browser itself.

import Hls from "hls.js/light";

/** What the badge says, by the state of the stream. */
export const WORDS = {
  waiting: "Connecting…",
  live: "Live",
  stalled: "Waiting for the stream…",
  ended: "The stream has ended.",
  missing: "There is no stream at this address, or it has not begun yet.",
} as const;

export type State = keyof typeof WORDS;

const RETRY_MS = 2000;
const FAR_BEHIND_S = 12;

/** The playlist's address beside the page's: `/live/name` → `/live/name/index.m3u8`. */
export function playlistOf(address: string): string {
  const url = new URL(address);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/index.m3u8`;
  url.hash = "";
  return url.href;
}

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

class Theatre {
  private readonly video = element<HTMLVideoElement>("video");
  private readonly badge = element("badge");
  private readonly sound = element<HTMLButtonElement>("sound");
  private readonly newest = element<HTMLButtonElement>("newest");
  private hls: Hls | undefined;

  constructor(private readonly playlist: string) {
    this.video.addEventListener("playing", () => this.show("live"));
    this.video.addEventListener("waiting", () => this.show("stalled"));
    this.video.addEventListener("ended", () => this.show("ended"));
    this.video.addEventListener("timeupdate", () => this.look());
    this.video.addEventListener("volumechange", () => this.look());
    this.sound.addEventListener("click", () => {
      this.video.muted = false;
    });
    this.newest.addEventListener("click", () => {
      this.video.currentTime = this.edge();
      void this.video.play();
    });
  }

  play(): void {
    if (Hls.isSupported()) this.playByHls();
    else {
      this.video.src = this.playlist;
      this.video.addEventListener("error", () => this.retry("missing"));
    }
  }

  private playByHls(): void {
    this.hls?.destroy();
    const hls = new Hls({ liveSyncDurationCount: 2, lowLatencyMode: true, enableWorker: false });
    this.hls = hls;
    hls.on(Hls.Events.ERROR, (_, { fatal, type }) => {
      if (!fatal) return;
      if (type === Hls.ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
      else this.retry(this.video.currentTime > 0 ? "stalled" : "missing");
    });
    hls.loadSource(this.playlist);
    hls.attachMedia(this.video);
  }

  private retry(state: State): void {
    this.show(state);
    setTimeout(() => this.play(), RETRY_MS);
  }

  private edge(): number {
    if (this.hls?.liveSyncPosition) return this.hls.liveSyncPosition;
    const { seekable } = this.video;
    return seekable.length ? seekable.end(seekable.length - 1) : this.video.currentTime;
  }

  private look(): void {
    this.sound.hidden = !this.video.muted || this.video.currentTime === 0;
    this.newest.hidden = this.edge() - this.video.currentTime < FAR_BEHIND_S;
  }

  private show(state: State): void {
    this.badge.dataset.state = state;
    this.badge.textContent = WORDS[state];
  }
}

if (document.getElementById("video")) new Theatre(playlistOf(location.href)).play();
