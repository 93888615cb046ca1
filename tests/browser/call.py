"""A call of two browsers over a bad network: who goes through the relay, and what the one who listens saw and heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page

from tests.net.relay import Relay
from tests.servers import Server, until

JOIN = """async ([token, relayed]) => {
  window.me = new BareClient(relayed ? { entrance: window.entrance } : {})
  await me.join(token)
}"""
PUBLISH = """async ({ width, height, fps, ...options }) => {
  const stream = new MediaStream([noise(width, height, fps), ...(await camera()).getAudioTracks()])
  return (await me.publish(stream, { audioCodec: "red", ...options })).id
}"""
SUBSCRIBE = "async (from) => (await me.subscribe(from)).mids"
INBOUND = """async () => Object.fromEntries(
  [...(await me.pc.getStats()).values()].filter((s) => s.type === "inbound-rtp").map((s) => [s.mid, s]))"""

# A picture that compresses badly: in each size it takes most of the bitrate that it may.
NOISE = """window.noise = (width, height, fps) => {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const brush = canvas.getContext("2d", { alpha: false });
  const [across, down] = [32, 18];
  setInterval(() => {
    for (let i = 0; i < 14; i++) {
      brush.fillStyle = `hsl(${360 * Math.random()} 60% ${20 + 60 * Math.random()}%)`;
      const [x, y] = [Math.floor(across * Math.random()), Math.floor(down * Math.random())];
      brush.fillRect((x * width) / across, (y * height) / down, width / across, height / down);
    }
  }, 1000 / fps);
  return canvas.captureStream(fps).getVideoTracks()[0];
}"""
LAYERS = [
    {"rid": rid, "scaleResolutionDownBy": scale, "maxBitrate": bps}
    for rid, scale, bps in (("q", 4, 120_000), ("h", 2, 450_000), ("f", 1, 1_500_000))
]
SINGLE = {"width": 640, "height": 360, "fps": 25, "encodings": [{"maxBitrate": 700_000}]}
LAYERED = {"width": 1280, "height": 720, "fps": 15, "encodings": LAYERS}

Figures = dict[str, Any]
SAMPLES_PER_S = 48_000
PATIENCE_S = 60


@dataclass
class Call:
    """Ann is seen and heard by Bob; ``relayed`` names those of them who are behind the relay."""

    ann: Page
    bob: Page
    mids: list[str] = field(default_factory=list)

    @classmethod
    async def begin(
        cls,
        server: Server,
        page: Callable[[], Awaitable[Page]],
        relay: Relay,
        relayed: str,
        published: dict[str, Any] = SINGLE,
    ) -> Call:
        room = server.room(f"bad network of {relayed}")
        call = cls(await page(), await page())
        for name, one in (("ann", call.ann), ("bob", call.bob)):
            await one.expose_function("entrance", relay.entrance)
            await one.evaluate(NOISE)
            await one.evaluate(JOIN, [server.token(room, name), name == relayed])
        stream = await call.ann.evaluate(PUBLISH, published)
        call.mids = await call.bob.evaluate(SUBSCRIBE, stream)
        await call.sees(25)
        return call

    async def sees(self, frames: int) -> None:
        """Wait until Bob has seen so many frames more."""
        await self._more(self.mids[1], "framesDecoded", frames)

    async def plays(self, seconds: float) -> None:
        """Wait until so much more sound was played to Bob, real or made up."""
        await self._more(self.mids[0], "totalSamplesReceived", seconds * SAMPLES_PER_S)

    async def _more(self, mid: str, name: str, amount: float) -> None:
        value = f"async ([mid, name]) => (await ({INBOUND})())[mid]?.[name] ?? 0"
        before = await self.bob.evaluate(value, [mid, name])
        enough = f"async ([mid, name, wanted]) => await ({value})([mid, name]) >= wanted"
        await until(self.bob, enough, [mid, name, before + amount], PATIENCE_S)

    async def inbound(self) -> tuple[Figures, Figures]:
        """What Bob's browser says of audio and video."""
        found = await self.bob.evaluate(INBOUND)
        audio, video = (found.get(mid, {}) for mid in self.mids)
        return audio, video

    async def shows(self, width: int, timeout_s: float) -> float:
        """Wait until the frames that Bob sees are so wide; the seconds that it took, by Bob's clock."""
        waited = await self.bob.evaluate(
            f"""async ([mid, width, timeout]) => {{
              const start = performance.now()
              for (;;) {{
                const waited = performance.now() - start
                const found = (await ({INBOUND})())[mid]
                if (found.frameWidth === width) return waited
                if (waited > timeout) throw new Error(`still ${{found.frameWidth}} wide after ${{waited}} ms`)
                await new Promise((done) => setTimeout(done, 20))
              }}
            }}""",
            [self.mids[1], width, timeout_s * 1000],
        )
        return float(waited) / 1000


@dataclass(frozen=True)
class Span:
    """What Bob saw and heard between two looks."""

    seconds: float
    audio: Figures
    video: Figures

    @classmethod
    def between(cls, before: tuple[Figures, Figures], after: tuple[Figures, Figures]) -> Span:
        def grown(old: Figures, new: Figures) -> Figures:
            numbers = {key: value for key, value in new.items() if isinstance(value, int | float)}
            return {key: value - old.get(key, 0) for key, value in numbers.items()}

        audio, video = (grown(*pair) for pair in zip(before, after, strict=True))
        return cls(video["timestamp"] / 1000, audio, video)

    @property
    def frozen(self) -> float:
        """The share of the time in which the picture stood still, as Chromium defines it."""
        return float(self.video["totalFreezesDuration"]) / self.seconds

    @property
    def concealed(self) -> float:
        """The share of the sound that was made up."""
        made_up = self.audio["concealedSamples"] - self.audio["silentConcealedSamples"]
        return float(made_up / self.audio["totalSamplesReceived"])
