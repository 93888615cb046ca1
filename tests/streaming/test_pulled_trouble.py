"""Other servers that misbehave: what a puller says of it, and that it goes on when they are well again."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from palaver.streaming.control import AUDIO_TRACK, VIDEO_TRACK
from tests.streaming.odd_servers import Behaviour, answer, http_server, live, shelf, trickle
from tests.streaming.pulling import Pulling, clip, pulling

pytestmark = pytest.mark.timeout(120)
SECONDS = 2.0


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Another one for each connection; the last one stays."""
    left = list(behaviours)

    async def behave(path: str, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(path, writer)

    return behave


async def garbage(_: str, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(random.Random(1).randbytes(200_000)))


async def hanging(_: str, writer: asyncio.StreamWriter) -> None:
    """Half a stream, and then nothing while the connection stays."""
    writer.write(answer(b"", length=False))
    await trickle(clip(seconds=SECONDS), writer, SECONDS)
    await asyncio.Event().wait()


async def begun(
    stack: AsyncExitStack, behaviour: Behaviour, name: str = "live.ts", **wanted: bool
) -> Pulling:
    address = await stack.enter_async_context(http_server(behaviour))
    return await stack.enter_async_context(pulling(f"{address}/{name}", **wanted))


async def test_one_that_closes_again_and_again_is_fetched_again_each_time() -> None:
    async with AsyncExitStack() as stack:
        short = live(clip(seconds=SECONDS), SECONDS, times=1)
        puller = await begun(stack, in_turn(short, short, live(clip(seconds=SECONDS), SECONDS)))
        await puller.until(lambda: len(puller.interruptions) >= 2)
        assert not any(one.final for one in puller.interruptions)
        await puller.more(count=20)
        assert puller.lost is None


async def test_garbage_is_an_interruption_with_a_reason_and_costs_no_process() -> None:
    async with AsyncExitStack() as stack:
        puller = await begun(stack, in_turn(garbage, garbage, live(clip(seconds=SECONDS), SECONDS)))
        await puller.more(count=10)
        assert all(one.reason for one in puller.interruptions)
        assert puller.interruptions
        assert puller.lost is None


def of_unknown_codec(flv: bytes) -> bytes:
    """The same with pictures of a codec that there is not (the lower half of a video tag's first byte)."""
    made, at = bytearray(flv), 13
    while at + 11 < len(made):
        if made[at] == 9:
            made[at + 11] = made[at + 11] & 0xF0 | 15
        at += 15 + int.from_bytes(made[at + 1 : at + 4], "big")
    return bytes(made)


async def test_a_track_of_an_unknown_codec_is_none() -> None:
    async with AsyncExitStack() as stack:
        odd = of_unknown_codec(clip("flv", seconds=SECONDS))
        puller = await begun(stack, live(odd, SECONDS, times=1), "live.flv")
        await puller.more(AUDIO_TRACK)
        assert puller.found[0].video is None
        assert puller.lost is None


async def test_one_that_hangs_is_left_and_fetched_again() -> None:
    async with AsyncExitStack() as stack:
        puller = await begun(stack, in_turn(hanging, live(clip(seconds=SECONDS), SECONDS)))
        await puller.until(lambda: puller.interruptions)
        await puller.more(count=10)
        assert puller.lost is None


async def test_one_that_comes_back_in_another_form_is_told_anew() -> None:
    async with AsyncExitStack() as stack:
        other = clip(codec="mpeg2video", seconds=SECONDS, audio=None)
        first = live(clip(seconds=SECONDS), SECONDS, times=1)
        puller = await begun(stack, in_turn(first, live(other, SECONDS)))
        await puller.until(lambda: len(puller.found) >= 2 and puller.found[-1].audio is None)
        puller.watch()
        await puller.more(VIDEO_TRACK)
        assert puller.found[0].audio is not None


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("file:///etc/passwd", "no stream that can be read"),
        ("http://169.254.169.254/latest/meta-data.ts", "not allowed"),
    ],
)
async def test_a_playlist_cannot_name_what_a_request_could_not(named: str, words: str) -> None:
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{named}\n#EXT-X-ENDLIST\n".encode()
    async with AsyncExitStack() as stack:
        puller = await begun(stack, shelf(list=playlist), "list.m3u8")
        await puller.until(lambda: puller.interruptions)
        assert puller.found == []
        assert words in puller.interruptions[0].reason


@pytest.mark.parametrize(
    ("behaviour", "wanted", "words"),
    [
        (shelf(), {}, "no such stream"),
        (shelf(live=clip(seconds=SECONDS, audio=None)), {"audio": True}, "no audio"),
    ],
)
async def test_the_reason_is_said(behaviour: Behaviour, wanted: dict[str, bool], words: str) -> None:
    async with AsyncExitStack() as stack:
        puller = await begun(stack, behaviour, "live.ts", **wanted)
        await puller.until(lambda: puller.interruptions)
        assert words in puller.interruptions[0].reason
