"""What a browser's offer says of its codecs is obeyed: by the browser itself, whom the answer tells, and by a view."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.call import NOISE
from tests.servers import Server, until

Bare = Callable[[], Awaitable[Page]]
MAX_KBPS = 200
LEFT_HZ, RIGHT_HZ = 500, 1700

JOIN = """async ([token, from, to]) => {
  window.me = new BareClient({ edit: (sdp) => sdp.replace(new RegExp(from, "g"), to) })
  await me.join(token)
}"""
LIMITED = (r"(a=rtpmap:(\d+) VP8/90000\r\n)", f"$1a=fmtp:$2 x-google-max-bitrate={MAX_KBPS}\r\n")
STEREO = ("useinbandfec=1", "useinbandfec=1;stereo=1;sprop-stereo=1")

SENT = """async () => [...(await me.pc.getStats()).values()].find(
  (s) => s.type === "outbound-rtp" && s.kind === "video")"""
FRAMES = f"async (frames) => ((await ({SENT})())?.framesSent ?? 0) >= frames"

TONES = """async ([left, right]) => {
  const audio = new AudioContext()
  const both = new ChannelMergerNode(audio, { numberOfInputs: 2 })
  for (const [channel, frequency] of [left, right].entries()) {
    const tone = new OscillatorNode(audio, { frequency })
    tone.connect(new GainNode(audio, { gain: 0.3 })).connect(both, 0, channel)
    tone.start()
  }
  const out = new MediaStreamAudioDestinationNode(audio, { channelCount: 2 })
  both.connect(out)
  return (await me.publish(out.stream, {})).id
}"""
LISTEN = """async (from) => {
  const { mids: [mid] } = await me.subscribe(from, ["audio"])
  const audio = new AudioContext()
  const apart = new ChannelSplitterNode(audio, { numberOfOutputs: 2 })
  const heard = new MediaStreamAudioSourceNode(audio, { mediaStream: new MediaStream([me.tracks.get(mid).track]) })
  heard.connect(apart)
  window.ears = [0, 1].map((channel) => {
    const ear = new AnalyserNode(audio, { fftSize: 2048, smoothingTimeConstant: 0.8 })
    apart.connect(ear, channel)
    return ear
  })
}"""
# By how many decibels each ear hears the left tone louder than the right one; nothing until both are heard at all.
TILT = """([left, right]) => ears.map((ear) => {
  const levels = new Float32Array(ear.frequencyBinCount)
  ear.getFloatFrequencyData(levels)
  const at = (hertz) => levels[Math.round((hertz * ear.fftSize) / ear.context.sampleRate)]
  return Math.max(at(left), at(right)) > -50 ? at(left) - at(right) : undefined
})"""
APART = f"(tones) => (([l, r]) => l > 20 && r < -20)(({TILT})(tones))"
ALIKE = f"(tones) => (([l, r]) => Math.abs(l) < 6 && Math.abs(r) < 6)(({TILT})(tones))"


async def rate_kbps(page: Page, frames: int) -> float:
    """What the page's camera sends on average during so many frames more."""
    before: dict[str, Any] = await page.evaluate(SENT)
    await until(page, FRAMES, before["framesSent"] + frames, 60)
    after: dict[str, Any] = await page.evaluate(SENT)
    return float((after["bytesSent"] - before["bytesSent"]) * 8 / (after["timestamp"] - before["timestamp"]))


async def test_the_most_that_a_publication_may_take_is_obeyed(bare: Bare, server: Server) -> None:
    ann = await bare()
    await ann.evaluate(NOISE)
    await ann.evaluate(JOIN, [server.token(server.room("limited"), "ann"), *LIMITED])
    await ann.evaluate(
        "async () => await me.publish(new MediaStream([noise(640, 360, 25)]), { codec: 'vp8' })"
    )
    await until(ann, FRAMES, 150, 60)  # the browser has settled
    assert MAX_KBPS * 0.3 < await rate_kbps(ann, 150) < MAX_KBPS * 1.3


async def publish_tones(bare: Bare, server: Server, room: str) -> tuple[str, Page]:
    """A stream with a tone at the left and another at the right, and somebody who may listen."""
    ann, bob = await bare(), await bare()
    for name, page in (("ann", ann), ("bob", bob)):
        await page.evaluate(JOIN, [server.token(room, name), *STEREO])
    stream = await ann.evaluate(TONES, [LEFT_HZ, RIGHT_HZ])
    return stream, bob


async def test_left_and_right_arrive_apart(bare: Bare, server: Server) -> None:
    stream, bob = await publish_tones(bare, server, server.room("stereo"))
    await bob.evaluate(LISTEN, stream)
    await until(bob, APART, [LEFT_HZ, RIGHT_HZ], 30)


@pytest.mark.parametrize(("channels", "heard"), [(1, ALIKE), (2, APART)])
async def test_a_view_has_as_many_channels_as_it_says(
    bare: Bare, server: Server, channels: int, heard: str
) -> None:
    form = {"codec": "opus", "sampleRate": 48000, "channelNum": channels}
    views = [{"label": "common", "audio": {"format": form, "vad": False}, "video": False}]
    published = {"codec": "opus", "sampleRate": 48000, "channelNum": 2}
    room = server.room(f"view with {channels}", views=views, mediaOut={"audio": [form, published]})
    stream, bob = await publish_tones(bare, server, room)
    mix = {"op": "add", "path": "/info/inViews", "value": "common"}
    assert server.rest("PATCH", f"/v1.1/rooms/{room}/streams/{stream}", [mix]).status_code == 200
    await bob.evaluate(LISTEN, f"{room}-common")
    await until(bob, heard, [LEFT_HZ, RIGHT_HZ], 40)
