"""The server's own sources and sinks on the real engine: media flows from and to them as from and to clients."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import psutil
import pytest

from palaver.media.pipelines.frames import Codec
from palaver.mixing.canvas import planes
from palaver.room.endpoints import FileSink
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    OpenSink,
    SetComposition,
    SetSinkOrigin,
    SetSourceActive,
    SourceResumed,
)
from palaver.room.values import (
    AudioFormat,
    Composition,
    MixInput,
    Placement,
    Region,
    Resolution,
    StreamId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    Track,
    VideoParameters,
    View,
)
from tests.contract.engines import OPUS, ROOM, VP8, counter, until
from tests.contract.guests import Caller
from tests.contract.server_house import H264, QUARTER, VIEW, House, Listener, S, open_house, picture

pytestmark = [pytest.mark.net, pytest.mark.timeout(120)]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as here:
        yield here


async def test_a_test_source_says_what_it_makes(house: House) -> None:
    ready = await house.bars()
    parameters = VideoParameters(Resolution(640, 360), 30.0)
    assert ready.tracks == (Track("audio", OPUS, "streaming"), Track("video", VP8, "streaming", parameters))
    await house.bench.engine.perform(ROOM, CloseSource(S))
    await until(lambda: counter(house.bench, "producers") == 0)
    await until(lambda: house.bench.held() == 0)


async def test_a_test_source_takes_the_format_that_the_room_takes(house: House) -> None:
    ready = await house.bars((H264,))
    assert ready.tracks[1].format == H264


async def test_a_client_sees_the_bars(house: House) -> None:
    await house.bars()
    guest = house.bench.guest("ben")
    assert isinstance(guest, Caller)
    await house.bench.open_sink("sub", "ben", S, guest.add("video", "recvonly"))
    await guest.negotiate()
    await house.bench.heard("SinkReady", "sub")
    track = guest.received("0")
    async with asyncio.timeout(30):
        while not _shows_bars(await track.recv()):
            pass


def _shows_bars(frame: object) -> bool:
    luma = planes(frame)[0]  # type: ignore[arg-type]  # pictures of PyAV
    shades = [int(luma[20, at]) for at in range(45, 640, 91)]
    return len(shades) == 7 and shades == sorted(shades, reverse=True) and shades[0] - shades[-1] > 100


async def test_a_sink_gets_a_stream_as_it_comes(house: House) -> None:
    await house.bars()
    listener = await house.listen(picture(), SubscribedTrack("audio", S, format=OPUS, formats=(OPUS,)))
    await until(lambda: listener.got(Codec.VP8) and listener.got(Codec.OPUS))
    assert listener.formats == {"video": VP8, "audio": OPUS}
    assert listener.got(Codec.VP8)[0].key_frame
    assert counter(house.bench, "pipelines") == 0, "nothing is transcoded"


async def test_a_sink_gets_a_stream_in_another_form_and_another_stream(house: House) -> None:
    await house.bars()
    wanted = picture(formats=(H264,), transcoded=True, parameters=VideoParameters(QUARTER))
    listener = await house.listen(wanted)
    await until(lambda: listener.got(Codec.H264))
    assert listener.formats == {"video": H264}
    await house.view()
    view = picture(stream=VIEW, transcoded=True)
    await house.bench.engine.perform(ROOM, SetSinkOrigin(SubscriptionId("file"), view))
    await until(lambda: listener.got(Codec.VP8))
    await house.bench.engine.perform(ROOM, CloseSink(SubscriptionId("file")))
    await house.bench.engine.close_room(ROOM)
    await until(lambda: house.bench.held() == 0)


async def test_a_sink_hears_a_view_that_the_source_is_in(house: House) -> None:
    await house.bars()
    await house.view()
    sound = SubscribedTrack("audio", VIEW, format=OPUS, formats=(OPUS,), transcoded=True)
    listener = await house.listen(sound)
    await until(lambda: len(listener.got(Codec.OPUS)) > 5)


async def test_a_view_that_no_mixer_can_be_told_of_ends_nothing_else(house: House) -> None:
    await house.bars()
    whole = Region("1", "0", "0", "1", "1")
    view = View("huge", OPUS, VP8, VideoParameters(QUARTER, 15.0, None, 100))
    huge = Composition(view, (Placement(whole, S),) * 30_000, (MixInput(S, None, "bars"),))
    await house.bench.engine.perform(ROOM, SetComposition(StreamId("room-huge"), huge))
    await house.listen(picture(stream=StreamId("room-huge"), transcoded=True))
    await until(lambda: counter(house.bench, "pipeline_restarts_total") >= 2)
    assert counter(house.bench, "tasks_failed_total") >= 2
    await house.view()
    other = await house.listen(picture(stream=VIEW, transcoded=True), name="other")
    await until(lambda: other.got(Codec.VP8))


async def test_a_sink_that_asks_for_what_nobody_encodes_is_lost(house: House) -> None:
    await house.bars()
    wanted = SubscribedTrack("audio", S, formats=(AudioFormat("speex"),), transcoded=True)
    subscription = Subscription(SubscriptionId("file"), None, None, (wanted,))
    await house.bench.engine.perform(ROOM, OpenSink(subscription, FileSink("a.mkv", "mkv")))
    await house.bench.heard("SinkLost", "file")


async def test_nothing_comes_of_a_muted_source(house: House) -> None:
    await house.bars()
    listener = await house.listen(picture())
    await until(lambda: listener.got(Codec.VP8))
    await house.bench.engine.perform(ROOM, SetSourceActive(S, "video", active=False))
    await until(lambda: _falls_silent(listener))
    await house.bench.engine.perform(ROOM, SetSourceActive(S, "video", active=True))
    await until(lambda: listener.got(Codec.VP8))


def _falls_silent(listener: Listener) -> bool:
    """Whether nothing has come since this was asked the last thirty times."""
    listener.silence = 0 if listener.frames else listener.silence + 1
    listener.frames.clear()
    return listener.silence > 30


async def test_a_source_whose_process_is_killed_comes_back(house: House) -> None:
    await house.bars()
    listener = await house.listen(picture())
    await until(lambda: listener.got(Codec.VP8))
    fork_servers = [
        child
        for child in psutil.Process().children()
        if any("forkserver" in word for word in child.cmdline())
    ]
    victims = [child for fork_server in fork_servers for child in fork_server.children()]
    assert victims
    for victim in victims:
        os.kill(victim.pid, signal.SIGKILL)
    await house.bench.heard("SourceInterrupted", S, 30)
    resumed = await house.bench.heard("SourceResumed", S, 30)
    assert isinstance(resumed, SourceResumed)
    listener.frames.clear()
    await until(lambda: listener.got(Codec.VP8))
