"""What only a browser does to the engine: layers, stopped transceivers, pages that are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from palaver.media.local import LocalEngine
from palaver.room.messages import CloseSink, CloseSource, SourceReady, TransportLost
from palaver.room.values import ParticipantId, StreamId, SubscriptionId, TransportId, VideoFormat
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.contract.engines import ROOM, Bench, until, working

pytestmark = [pytest.mark.net, pytest.mark.browser]
Open = Callable[[], Awaitable[Page]]
CLIENT = """
const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
async function offer() { await pc.setLocalDescription(); return pc.localDescription.sdp; }
async function answered(sdp) { await pc.setRemoteDescription({type: 'answer', sdp}); }
async function send(kind, init = {}) {
  const stream = await navigator.mediaDevices.getUserMedia({[kind]: kind === 'audio' || {width: 640, height: 480}});
  pc.addTransceiver(stream.getTracks()[0], {direction: 'sendonly', streams: [stream], ...init});
}
async function inbound() {
  const stats = [...(await pc.getStats()).values()].filter(s => s.type === 'inbound-rtp');
  return Object.fromEntries(stats.map(s => [s.mid, s]));
}
async function until(condition) { while (!await condition()) await new Promise(done => setTimeout(done, 50)); }
let channel, heard = [];
function open_channel(label) {
  channel = pc.createDataChannel(label, {maxRetransmits: 3});
  channel.binaryType = 'arraybuffer';
  channel.onmessage = ({data}) => heard.push(typeof data === 'string' ? data : [...new Uint8Array(data)]);
}
async function protocol() {
  const stats = await pc.getStats();
  const transport = [...stats.values()].find(s => s.type === 'transport');
  return stats.get(stats.get(transport.selectedCandidatePairId).localCandidateId).protocol;
}
async function decoded(mid) { return (await inbound())[mid]?.framesDecoded ?? 0; }
let camera;
async function sendBoth(codec, variant) {
  camera ??= await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 160, height: 120, frameRate: 15}});
  const stream = camera.clone();
  const [audio, video] = [...stream.getAudioTracks(), ...stream.getVideoTracks()].map(
    track => pc.addTransceiver(track, {direction: 'sendonly', streams: [stream]}));
  const all = RTCRtpSender.getCapabilities('video').codecs;
  const named = all.filter(c => c.mimeType.toLowerCase() === `video/${codec}`);
  const chosen = named[variant % named.length];
  video.setCodecPreferences([chosen, ...all.filter(c => c.mimeType === 'video/rtx')]);
  await offer();
  return {audio: audio.mid, video: video.mid, fmtp: chosen.sdpFmtpLine ?? ''};
}
async function receiveBoth() {
  const [audio, video] = ['audio', 'video'].map(kind => pc.addTransceiver(kind, {direction: 'recvonly'}));
  await offer();
  return {audio: audio.mid, video: video.mid};
}
"""
CODECS = ("vp8", "h264", "vp9", "av1")


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    async with working("local") as bench:
        yield bench


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Open]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(permissions=["camera", "microphone"])
        body = f"<!doctype html><script>{CLIENT}</script>"
        await context.route("**/*", lambda route: route.fulfill(body=body, content_type="text/html"))

        async def opened() -> Page:
            made = await context.new_page()
            await made.goto("http://localhost/")
            return made

        yield opened
        await browser.close()


async def negotiate(bench: Bench, page: Page, owner: str, without: str = "nothing") -> str:
    """``without``: a protocol whose candidates the browser is not to know."""
    offer = await page.evaluate("offer()")
    answer = await bench.engine.negotiate(ROOM, ParticipantId(owner), TransportId(owner), offer)
    lines = [line for line in answer.splitlines() if f" 1 {without} " not in line]
    await page.evaluate("answered", "\r\n".join([*lines, ""]))
    return answer


async def decodes(page: Page, mid: str, frames: int = 20) -> None:
    async with asyncio.timeout(20):  # wait_for_function takes the promise of an async one for its fulfilment
        await page.evaluate("([mid, least]) => until(async () => await decoded(mid) >= least)", [mid, frames])


async def shows(page: Page, condition: str) -> None:
    async with asyncio.timeout(20):
        await page.evaluate(f"until(() => {condition})")


async def test_a_publisher_of_layers_can_be_watched(bench: Bench, page: Open) -> None:
    ann, bob = await page(), await page()
    layers = [
        {"rid": "q", "scaleResolutionDownBy": 4},
        {"rid": "h", "scaleResolutionDownBy": 2},
        {"rid": "f"},
    ]
    await ann.evaluate("layers => send('video', {sendEncodings: layers})", layers)
    await bench.open_source("s", "ann", video="0")
    answer = await negotiate(bench, ann, "ann")
    assert "a=simulcast:recv q;h;f" in answer
    ready = await bench.heard("SourceReady", "s")
    assert isinstance(ready, SourceReady)
    assert [(track.id, track.rid) for track in ready.tracks] == [(f"ann-0:{rid}", rid) for rid in "qhf"]
    await bob.evaluate("pc.addTransceiver('video', {direction: 'recvonly'}) && 0")
    await bench.open_sink("q", "bob", "s", "0")
    await negotiate(bench, bob, "bob")
    await decodes(bob, "0")


async def test_a_browser_whose_udp_leads_nowhere_talks_over_tcp(bench: Bench, page: Open) -> None:
    ann, bob = await page(), await page()
    await ann.evaluate("send('video')")
    await bench.open_source("s", "ann", video="0")
    await negotiate(bench, ann, "ann", without="udp")
    await bench.heard("SourceReady", "s")
    await bob.evaluate("pc.addTransceiver('video', {direction: 'recvonly'}) && 0")
    await bench.open_sink("q", "bob", "s", "0")
    await negotiate(bench, bob, "bob", without="udp")
    await decodes(bob, "0")
    for one in (ann, bob):
        assert await one.evaluate("protocol()") == "tcp"
    assert bench.engine.stats()["tcp_connections"] >= 2


async def test_what_is_said_on_a_data_channel_is_heard_by_the_others_of_its_label(
    bench: Bench, page: Open
) -> None:
    labels = {"ann": "chat", "bob": "chat", "cat": "chat", "dan": "game"}
    pages = {name: await page() for name in labels}
    for name, label in labels.items():
        await pages[name].evaluate("send('audio')")
        await pages[name].evaluate("open_channel", label)
        await bench.open_source(f"s-{name}", name, audio="0")
        answer = await negotiate(bench, pages[name], name)
        assert "a=max-message-size:16384" in answer
    for one in pages.values():
        await shows(one, "channel.readyState === 'open'")
    await pages["ann"].evaluate("channel.send('hello'); channel.send(new Uint8Array([1, 2, 3]))")
    for name in ("bob", "cat"):
        await shows(pages[name], "heard.length === 2")
        assert await pages[name].evaluate("heard") == ["hello", [1, 2, 3]]
    await pages["dan"].evaluate("channel.send('anybody?')")
    await pages["bob"].evaluate("channel.send('x'.repeat(16384))")
    await shows(pages["ann"], "heard.length === 1")
    assert await pages["ann"].evaluate("heard[0].length") == 16384
    assert await pages["dan"].evaluate("heard") == []
    assert bench.engine.stats()["channel_messages_total"] == 6


async def test_one_section_may_be_offered_both_ways(bench: Bench, page: Open) -> None:
    ann = await page()
    await ann.evaluate("send('video', {direction: 'sendrecv'})")
    await ann.evaluate("pc.addTransceiver('video', {direction: 'sendrecv'}) && 0")
    await bench.open_source("s", "ann", video="0")
    await negotiate(bench, ann, "ann")
    await bench.heard("SourceReady", "s")
    await bench.open_sink("q", "ann", "s", "1")
    await negotiate(bench, ann, "ann")
    await bench.heard("SinkReady", "q")
    await decodes(ann, "1")
    assert await ann.evaluate("pc.getTransceivers().map(t => t.currentDirection)") == ["sendonly", "recvonly"]


async def test_a_stopped_section_ends_its_source_and_its_place_is_used_again(
    bench: Bench, page: Open
) -> None:
    ann = await page()
    await ann.evaluate("send('video').then(() => send('audio'))")
    await bench.open_source("s", "ann", audio="1")
    await bench.open_source("t", "ann", video="0")
    await negotiate(bench, ann, "ann")
    await bench.heard("SourceReady", "t")
    await ann.evaluate("pc.getTransceivers()[1].stop()")
    await negotiate(bench, ann, "ann")
    assert getattr(await bench.heard("SourceLost", "s"), "reason", None) == "Stopped by the client"
    await ann.evaluate("pc.addTransceiver('video', {direction: 'recvonly'}) && 0")
    assert (await ann.evaluate("offer()")).count("m=") == 2, "the stopped section's place is taken"
    mid = await ann.evaluate("pc.getTransceivers()[1].mid")
    await bench.open_sink("q", "ann", "t", mid)
    await negotiate(bench, ann, "ann")
    await bench.heard("SinkReady", "q")
    await decodes(ann, mid)


async def test_stopping_the_first_section_loses_the_transport_and_says_so(bench: Bench, page: Open) -> None:
    """Chromium builds its connection anew when the section that names the bundle goes (RFC 8843 §7.3.1)."""
    ann = await page()
    await ann.evaluate("send('video').then(() => send('audio'))")
    await bench.open_source("s", "ann", audio="1", video="0")
    await negotiate(bench, ann, "ann")
    await bench.heard("SourceReady", "s")
    await ann.evaluate("pc.getTransceivers()[0].stop()")
    await negotiate(bench, ann, "ann")
    await bench.heard("TransportLost", "ann")
    assert bench.held() == 0


async def test_a_closed_page_is_a_lost_transport(bench: Bench, page: Open) -> None:
    ann = await page()
    await ann.evaluate("send('video')")
    await bench.open_source("s", "ann", video="0")
    await negotiate(bench, ann, "ann")
    await bench.heard("SourceReady", "s")
    await ann.close()
    # Chromium does not say goodbye: what tells is that its ICE checks stay away (RFC 7675: 30 s)
    lost = await bench.heard("TransportLost", "ann", deadline_s=45)
    assert lost == TransportLost(TransportId("ann"), "Ice procedure failed.")
    assert bench.held() == 0


@dataclass(frozen=True, slots=True)
class Loop:
    """A stream that a page sends and gets back on the same connection."""

    stream: str
    sink: str
    fmtp: str
    sent: dict[str, str]
    received: dict[str, str]


async def loop(bench: Bench, page: Page, codec: str, number: int) -> Loop:
    """Publish one more stream and subscribe to it, by two negotiations as OWT's SDK does."""
    formats = tuple(VideoFormat(name) for name in CODECS)
    sent = await page.evaluate(
        "([codec, variant]) => sendBoth(codec, variant)", [codec, number // len(CODECS)]
    )
    stream, sink = f"s{number}", f"q{number}"
    await bench.open_source(stream, "ann", audio=sent["audio"], video=sent["video"], formats=formats)
    await negotiate(bench, page, "ann")
    ready = await bench.heard("SourceReady", stream)
    assert isinstance(ready, SourceReady)
    assert [track.format.codec for track in ready.tracks] == ["opus", codec]
    video = ready.tracks[1].format
    assert isinstance(video, VideoFormat)
    received = await page.evaluate("receiveBoth()")
    await bench.open_sink(sink, "ann", stream, received["video"], audio=received["audio"], format=video)
    await negotiate(bench, page, "ann")
    await bench.heard("SinkReady", sink)
    return Loop(stream, sink, sent.pop("fmtp"), sent, received)


async def plays(page: Page, loops: list[Loop], frames: int = 10) -> None:
    """Wait until every loop decoded this many more pictures and got more sound."""
    before = await page.evaluate("inbound()")
    wanted = [
        [
            one.received["video"],
            "framesDecoded",
            before.get(one.received["video"], {}).get("framesDecoded", 0) + frames,
        ]
        for one in loops
    ] + [
        [
            one.received["audio"],
            "packetsReceived",
            before.get(one.received["audio"], {}).get("packetsReceived", 0) + 25,
        ]
        for one in loops
    ]
    enough = """wanted => until(async () => { const now = await inbound();
        return wanted.every(([mid, what, least]) => (now[mid]?.[what] ?? 0) >= least); })"""
    try:
        async with asyncio.timeout(40):
            await page.evaluate(enough, wanted)
    except TimeoutError as late:
        now = await page.evaluate("inbound()")
        missing = [(mid, what, now.get(mid, {}).get(what), least) for mid, what, least in wanted]
        raise AssertionError(f"not played: {[m for m in missing if (m[2] or 0) < m[3]]}") from late


@pytest.mark.timeout(180)
async def test_twenty_loops_of_every_codec_share_one_connection_and_half_of_them_end(
    bench: Bench, page: Open
) -> None:
    ann = await page()
    loops = [await loop(bench, ann, CODECS[n % len(CODECS)], n) for n in range(20)]
    assert await ann.evaluate("pc.getTransceivers().length") == 80
    assert len({one.fmtp for one in loops[1::4]}) > 1, "H264 came in several profiles and packetization modes"
    await plays(ann, loops)

    ended, kept = loops[::2] + loops[1:8:2], loops[9::2]
    for one in ended:
        await bench.engine.perform(ROOM, CloseSink(SubscriptionId(one.sink)))
        await bench.engine.perform(ROOM, CloseSource(StreamId(one.stream)))
    await negotiate(bench, ann, "ann")
    directions = await ann.evaluate(
        "Object.fromEntries(pc.getTransceivers().map(t => [t.mid, t.currentDirection]))"
    )
    for one in ended:
        assert {directions[mid] for mid in (*one.sent.values(), *one.received.values())} == {"inactive"}
    for one in kept:
        assert {directions[mid] for mid in one.sent.values()} == {"sendonly"}
        assert {directions[mid] for mid in one.received.values()} == {"recvonly"}
    await plays(ann, kept)

    later = await loop(bench, ann, "vp8", 20)
    await plays(ann, [*kept, later])
    assert not [r for r in bench.reports if "Lost" in type(r).__name__]


async def test_the_loudness_of_a_stream_is_known_while_it_lasts(bench: Bench, page: Open) -> None:
    engine = bench.engine
    assert isinstance(engine, LocalEngine)
    ann = await page()
    await ann.evaluate("send('audio')")
    await bench.open_source("s", "ann", audio="0")
    await negotiate(bench, ann, "ann")
    await bench.heard("SourceReady", "s")
    await until(lambda: engine.audio_levels(ROOM))
    ((stream, (level_dbov, _)),) = engine.audio_levels(ROOM).items()
    assert stream == "s"
    assert -127 <= level_dbov <= 0
    await engine.perform(ROOM, CloseSource(StreamId("s")))
    assert not engine.audio_levels(ROOM)


async def test_a_browser_takes_public_addresses_and_connects_by_those_that_work(page: Open) -> None:
    async with working("local", public_addresses=("127.0.0.2", "::1")) as bench:
        ann = await page()
        await ann.evaluate("send('audio')")
        await bench.open_source("s", "ann", audio="0")
        await negotiate(bench, ann, "ann")
        await bench.heard("SourceReady", "s")
        addresses = """async () => [...(await pc.getStats()).values()]
            .filter(s => s.type === 'remote-candidate').map(s => s.address)"""
        assert {"127.0.0.1", "127.0.0.2"} <= set(await ann.evaluate(addresses))
