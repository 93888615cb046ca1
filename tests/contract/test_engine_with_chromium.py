"""What only a browser does to the engine: layers, stopped transceivers, pages that are closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from palaver.room.messages import TransportLost
from palaver.room.values import ParticipantId, TransportId
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.contract.engines import ROOM, Bench, working

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
async function decoded(mid) {
  const stats = [...(await pc.getStats()).values()];
  return stats.find(s => s.type === 'inbound-rtp' && s.mid === mid)?.framesDecoded ?? 0;
}
"""


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


async def negotiate(bench: Bench, page: Page, owner: str) -> str:
    offer = await page.evaluate("offer()")
    answer = await bench.engine.negotiate(ROOM, ParticipantId(owner), TransportId(owner), offer)
    await page.evaluate("answered", answer)
    return answer


async def decodes(page: Page, mid: str, frames: int = 20) -> Any:
    return await page.wait_for_function(f"async () => await decoded('{mid}') >= {frames}", timeout=20_000)


async def test_a_publisher_of_layers_sends_one_that_can_be_watched(bench: Bench, page: Open) -> None:
    ann, bob = await page(), await page()
    layers = [
        {"rid": "q", "scaleResolutionDownBy": 4},
        {"rid": "h", "scaleResolutionDownBy": 2},
        {"rid": "f"},
    ]
    await ann.evaluate("layers => send('video', {sendEncodings: layers})", layers)
    await bench.open_source("s", "ann", video="0")
    answer = await negotiate(bench, ann, "ann")
    assert "simulcast" not in answer
    await bench.heard("SourceReady", "s")
    await bob.evaluate("pc.addTransceiver('video', {direction: 'recvonly'}) && 0")
    await bench.open_sink("q", "bob", "s", "0")
    await negotiate(bench, bob, "bob")
    await decodes(bob, "0")


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
