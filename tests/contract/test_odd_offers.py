"""Legal offers that no browser writes, over loopback with a whole WebRTC client: media flows, or it is said why not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from aiortc import RTCSessionDescription
from structlog.testing import capture_logs

from palaver.room.messages import SinkReady
from palaver.room.values import ParticipantId, SubscriptionId, TransportId
from tests.contract.engines import ROOM, Bench, until, working
from tests.contract.guests import Caller

pytestmark = pytest.mark.net
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
Edit = Callable[[str], str]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    async with working("local") as bench:
        yield bench


def without_ssrcs(sdp: str) -> str:
    """Leave out which SSRCs are whose."""
    return re.sub(r"a=ssrc(-group)?:.*\r\n", "", sdp)


def without_mids(sdp: str) -> str:
    """Leave it to payload types as well."""
    return re.sub(rf"a=extmap:\d+ {MID}\r\n", "", without_ssrcs(sdp))


def numbers_by_section(sdp: str) -> str:
    """MID is 2 for sound and 1 for the picture, where 1 is the level of the sound."""
    audio, video = without_ssrcs(sdp).split("m=video", 1)
    audio = audio.replace(f"a=extmap:1 {MID}", f"a=extmap:2 {MID}").replace(
        f"a=extmap:2 {LEVEL}", f"a=extmap:1 {LEVEL}"
    )
    return audio + "m=video" + video


def other_lines(sdp: str) -> str:
    """Lines that RFC 8866 allows, in its order and out of it."""
    sdp = sdp.replace(
        "t=0 0\r\n", "i=a talk\r\nb=AS:900\r\nb=TIAS:900000\r\nt=0 0\r\na=group:LS 0 1\r\na=tool:x y\r\n"
    )
    sdp = re.sub(
        r"(c=IN IP4 [^\r]*\r\n)", r"i=a section\r\n\1b=AS:500\r\nb=TIAS:500000\r\nk=clear:x\r\n", sdp
    )
    return re.sub(r"(a=mid:\S+\r\n)", r"\1b=CT:9\r\na=x-tab:\there\r\na=rtcp-rsize\r\n", sdp)


def renamed(sdp: str) -> str:
    """Names of sections with hyphens and full stops, and a group in another order."""
    sdp = sdp.replace("a=mid:0", "a=mid:mic-0.a").replace("a=mid:1", "a=mid:mic_0.a")
    return sdp.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE mic_0.a mic-0.a")


async def negotiate(bench: Bench, guest: Caller, owner: str, edit: Edit, restore: Edit = str) -> str:
    connection = guest.connection
    await connection.setLocalDescription(await connection.createOffer())
    offer = edit(connection.localDescription.sdp)
    answer = await bench.engine.negotiate(ROOM, ParticipantId(owner), TransportId(owner), offer)
    await connection.setRemoteDescription(RTCSessionDescription(restore(answer), "answer"))
    return answer


async def published(bench: Bench, edit: Edit, restore: Edit = str, mids: tuple[str, str] = ("0", "1")) -> str:
    guest = bench.guest("ann")
    assert isinstance(guest, Caller)
    guest.add("audio", "sendonly")
    guest.add("video", "sendonly")
    await bench.open_source("s", "ann", audio=mids[0], video=mids[1])
    answer = await negotiate(bench, guest, "ann", edit, restore)
    await bench.heard("SourceReady", "s")
    return answer


async def flows(bench: Bench) -> None:
    """Sound and picture both arrive at a subscriber."""
    bob = bench.guest("bob")
    assert isinstance(bob, Caller)
    audio, video = bob.add("audio", "recvonly"), bob.add("video", "recvonly")
    await bench.open_sink("q", "bob", "s", video, audio=audio)
    await bob.negotiate()
    async with asyncio.timeout(30):
        await asyncio.gather(bob.received(audio).recv(), bob.received(video).recv())


@pytest.mark.parametrize("edit", [without_ssrcs, without_mids, numbers_by_section, other_lines])
async def test_media_flows(bench: Bench, edit: Edit) -> None:
    await published(bench, edit)
    await flows(bench)
    assert bench.engine.stats()["packets_unroutable_total"] == 0


async def test_numbers_of_extensions_are_answered_by_section(bench: Bench) -> None:
    answer = await published(bench, numbers_by_section)
    found = re.findall(rf"a=extmap:(\d+) {MID}", answer)
    assert found == ["2", "1"]


async def test_sections_may_have_any_name(bench: Bench) -> None:
    def restore(answer: str) -> str:
        assert "a=group:BUNDLE mic-0.a mic_0.a" in answer
        return answer.replace("mic-0.a", "0").replace("mic_0.a", "1")

    await published(bench, renamed, restore, ("mic-0.a", "mic_0.a"))


async def test_a_section_outside_of_the_bundle_is_rejected(bench: Bench) -> None:
    guest = bench.guest("ann")
    assert isinstance(guest, Caller)
    guest.add("audio", "sendonly")
    guest.add("video", "sendonly")
    await bench.open_source("s", "ann", audio="0", video="1")
    answer = await negotiate(bench, guest, "ann", lambda sdp: sdp.replace("BUNDLE 0 1", "BUNDLE 0"))
    assert re.findall(r"m=(\w+) (\d+)", answer) == [("audio", "9"), ("video", "0")]
    await bench.heard("SourceReady", "s")


async def test_a_sink_is_ready_without_the_section_that_has_no_common_codec(bench: Bench) -> None:
    await published(bench, str)
    bob = bench.guest("bob")
    assert isinstance(bob, Caller)
    audio, video = bob.add("audio", "recvonly"), bob.add("video", "recvonly")
    await bench.open_sink("q", "bob", "s", video, audio=audio)
    answer = await negotiate(
        bench,
        bob,
        "bob",
        lambda sdp: re.sub(r"(VP8|H264)/90000", "H261/90000", sdp),
        lambda sdp: sdp.replace("H261/90000", "VP8/90000"),  # the guest knows what it offered
    )
    assert re.findall(r"m=(\w+) (\d+)", answer) == [("audio", "9"), ("video", "0")]
    ready = await bench.heard("SinkReady", "q")
    assert ready == SinkReady(SubscriptionId("q"), frozenset({video}))


async def test_what_cannot_be_told_apart_is_counted_and_said_once(bench: Bench) -> None:
    guest = bench.guest("ann")
    assert isinstance(guest, Caller)
    one, other = guest.add("video", "sendonly"), guest.add("video", "sendonly")
    await bench.open_source("s", "ann", video=one)
    await bench.open_source("t", "ann", video=other)
    with capture_logs() as logs:
        await negotiate(bench, guest, "ann", without_mids)
        await until(lambda: bench.engine.stats()["packets_unroutable_total"] > 20)
        await until(lambda: any(line["event"] == "media of no section" for line in logs))
    assert len([line for line in logs if line["event"] == "media of no section"]) == 1
