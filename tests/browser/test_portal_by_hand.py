"""The client-portal protocol as a program sees it that was written from the document alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page

from tests.servers import Server, until

Bare = Callable[[], Awaitable[Page]]

JOIN = "async (token) => { window.me = new BareClient(); return await me.join(token) }"
PUBLISH = "async (options) => await me.publish(await camera(), options)"
SUBSCRIBE = "async (from) => await me.subscribe(from)"
DECODES = "async ([mid, frames]) => ((await me.received())[mid]?.frames ?? 0) >= frames"
HEARS = """async ([mid, energy]) => { const s = (await me.received())[mid]; return s && s.energy > energy }"""


async def decodes(page: Page, mid: str, frames: int, timeout_s: float = 10) -> None:
    """Wait until ``frames`` frames of section ``mid`` were decoded."""
    await until(page, DECODES, [mid, frames], timeout_s)


async def events(page: Page, name: str) -> list[tuple[float, Any]]:
    """(milliseconds, data) of the notifications called ``name`` so far."""
    return [(t, data) for t, event, data in await page.evaluate("me.log") if event == name]


async def test_a_publication_reaches_a_subscriber_with_sound_and_picture(bare: Bare, server: Server) -> None:
    room = server.room("by hand")
    ann, bob = await bare(), await bare()
    await ann.evaluate(JOIN, server.token(room, "ann"))
    joined = await bob.evaluate(JOIN, server.token(room, "bob"))
    assert {p["user"] for p in joined["room"]["participants"]} == {"ann", "bob"}

    published = await ann.evaluate(PUBLISH, {})
    assert published["took"] < 700, "publish must resolve within 0.7 s"
    listed = server.rest("GET", f"/v1.1/rooms/{room}/streams").json()
    assert published["id"] in [stream["id"] for stream in listed]

    subscribed = await bob.evaluate(SUBSCRIBE, published["id"])
    audio, video = subscribed["mids"]
    await decodes(bob, video, 60)
    await until(bob, HEARS, [audio, 0.0001])


async def test_the_stream_is_announced_after_its_publisher_is_ready(bare: Bare, server: Server) -> None:
    room = server.room("announce")
    ann = await bare()
    await ann.evaluate(JOIN, server.token(room, "ann"))
    published = await ann.evaluate(PUBLISH, {})
    await ann.wait_for_function("me.log.some(([, e, d]) => e === 'stream' && d.status === 'add')")
    progress = await events(ann, "progress")
    order = [(d["status"], d.get("sessionId")) for _, d in progress]
    assert order == [("soac", None), ("ready", None), ("ready", published["id"])]
    added = [(t, d) for t, d in await events(ann, "stream") if d["status"] == "add"]
    assert [d["id"] for _, d in added] == [published["id"]]
    assert (
        added[0][0] >= progress[-1][0]
    )  # how much later the server sends it is tested where time stands still


@pytest.mark.parametrize("codec", ["vp8", "vp9", "h264", "av1"])
async def test_every_video_codec_of_the_browser_is_forwarded(bare: Bare, server: Server, codec: str) -> None:
    formats = [{"codec": "vp8"}, {"codec": "vp9"}, {"codec": "h264"}, {"codec": "av1"}]
    opus = {"codec": "opus", "sampleRate": 48000, "channelNum": 2}
    room = server.room(codec, mediaIn={"audio": [opus], "video": formats})
    ann, bob = await bare(), await bare()
    await ann.evaluate(JOIN, server.token(room, "ann"))
    await bob.evaluate(JOIN, server.token(room, "bob"))
    published = await ann.evaluate(PUBLISH, {"codec": codec})
    stream = server.rest("GET", f"/v1.1/rooms/{room}/streams/{published['id']}").json()
    assert stream["media"]["video"]["original"][0]["format"]["codec"] == codec
    subscribed = await bob.evaluate(SUBSCRIBE, published["id"])
    await decodes(bob, subscribed["mids"][1], 30, timeout_s=20)


@pytest.mark.parametrize("codec", ["opus", "pcmu", "pcma", "g722"])
async def test_every_audio_codec_of_the_browser_is_forwarded(bare: Bare, server: Server, codec: str) -> None:
    room = server.room(codec)
    ann, bob = await bare(), await bare()
    await ann.evaluate(JOIN, server.token(room, "ann"))
    await bob.evaluate(JOIN, server.token(room, "bob"))
    published = await ann.evaluate(PUBLISH, {"audioCodec": codec})
    subscribed = await bob.evaluate(SUBSCRIBE, published["id"])
    await until(bob, HEARS, [subscribed["mids"][0], 0.0001])


@pytest.mark.timeout(150)
async def test_twenty_publications_and_subscriptions_share_one_connection(bare: Bare, server: Server) -> None:
    room = server.room("twenty")
    ann = await bare()
    await ann.evaluate(JOIN, server.token(room, "ann"))
    ids = await ann.evaluate(
        """async () => {
          const ids = []
          const stream = await camera(160, 120)
          for (let i = 0; i < 20; i++) ids.push((await me.publish(stream.clone())).id)
          return ids
        }"""
    )
    assert len(set(ids)) == 20
    mids = await ann.evaluate(
        """async (ids) => {
          const mids = []
          for (const id of ids) mids.push((await me.subscribe(id)).mids[1])
          return mids
        }""",
        ids,
    )
    assert await ann.evaluate("me.pc.getTransceivers().length") == 80
    for mid in mids:
        await decodes(ann, mid, 5, timeout_s=60)


async def test_a_view_shows_and_sounds_who_is_in_it(bare: Bare, server: Server) -> None:
    room = server.room("view")
    ann, bob = await bare(), await bare()
    await ann.evaluate(JOIN, server.token(room, "ann"))
    joined = await bob.evaluate(JOIN, server.token(room, "bob"))
    (view,) = [s for s in joined["room"]["streams"] if s["type"] == "mixed"]
    assert view["id"] == f"{room}-common"
    published = await ann.evaluate(PUBLISH, {})
    mix = {"id": published["id"], "operation": "mix", "data": "common"}
    await ann.evaluate("(control) => me.request('stream-control', control)", mix)
    audio, video = (await bob.evaluate(SUBSCRIBE, view["id"]))["mids"]
    await decodes(bob, video, 20, timeout_s=30)
    await until(bob, HEARS, [audio, 0.0001], 30)


async def test_muting_is_told_to_everybody_and_stops_the_packets(bare: Bare, server: Server) -> None:
    room = server.room("mute")
    ann, bob = await bare(), await bare()
    await ann.evaluate(JOIN, server.token(room, "ann"))
    await bob.evaluate(JOIN, server.token(room, "bob"))
    published = await ann.evaluate(PUBLISH, {})
    _, video = (await bob.evaluate(SUBSCRIBE, published["id"]))["mids"]
    await decodes(bob, video, 10)
    control = {"id": published["id"], "operation": "pause", "data": "video"}
    await ann.evaluate("async (c) => await me.request('stream-control', c)", control)
    muted = "me.log.some(([, e, d]) => e === 'stream' && d.status === 'update' && d.data.field === 'video.status')"
    await bob.wait_for_function(muted)
    before = (await bob.evaluate("me.received()"))[video]["packets"]
    await bob.wait_for_timeout(700)  # the absence of packets needs a stretch of time to be seen
    after = (await bob.evaluate("me.received()"))[video]["packets"]
    assert after - before < 15, "packets kept coming after the mute"
    frames = (await bob.evaluate("me.received()"))[video]["frames"]
    await ann.evaluate("async (c) => await me.request('stream-control', c)", {**control, "operation": "play"})
    await decodes(bob, video, frames + 30)


async def test_a_subscriber_is_told_when_its_source_goes(bare: Bare, server: Server) -> None:
    room = server.room("gone")
    ann, bob = await bare(), await bare()
    await ann.evaluate(JOIN, server.token(room, "ann"))
    await bob.evaluate(JOIN, server.token(room, "bob"))
    published = await ann.evaluate(PUBLISH, {})
    await bob.evaluate(SUBSCRIBE, published["id"])
    await ann.evaluate("async (id) => await me.request('unpublish', {id})", published["id"])
    await bob.wait_for_function("me.log.some(([, e, d]) => e === 'stream' && d.status === 'remove')")
    errors = [d for _, d in await events(bob, "progress") if d["status"] == "error"]
    assert [e["data"] for e in errors] == ["Source stream loss"]
    progress = [d for _, d in await events(ann, "progress") if d["status"] == "error"]
    assert progress == [], "a client's own unpublish is not an error to it"
