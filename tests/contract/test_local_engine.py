"""What only an engine with packets can show, over loopback with a whole WebRTC client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from palaver.media._core import Core, CoreBusy
from palaver.media.local import LocalEngine
from palaver.media.ports import EngineError, NegotiationError, TransportNotFound
from palaver.media.webrtc import answers
from palaver.media.webrtc.sdp import parse
from palaver.room.messages import (
    CloseSource,
    CloseTransports,
    ResolutionSeen,
    SetSinkActive,
    SetSourceActive,
    SourceLost,
    TransportLost,
)
from palaver.room.values import ParticipantId, Resolution, StreamId, SubscriptionId, TransportId
from tests.contract.engines import ROOM, Bench, counter, until, working
from tests.contract.guests import Caller
from tests.offers import offer

pytestmark = pytest.mark.net
ANN, BOB, S = ParticipantId("ann"), ParticipantId("bob"), StreamId("s")


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    async with working("local") as bench:
        yield bench


def engine_of(bench: Bench) -> LocalEngine:
    assert isinstance(bench.engine, LocalEngine)
    return bench.engine


async def test_pictures_arrive_and_their_size_is_reported(bench: Bench) -> None:
    await bench.published()
    bob = bench.guest("bob")
    assert isinstance(bob, Caller)
    await bench.open_sink("q", "bob", "s", mid := bob.add("video", "recvonly"))
    await bob.negotiate()
    async with asyncio.timeout(15):
        frame = await bob.received(mid).recv()
    assert (getattr(frame, "width", 0), getattr(frame, "height", 0)) == (640, 480)
    seen = await bench.heard("ResolutionSeen", "s")
    assert isinstance(seen, ResolutionSeen)
    assert (seen.track, seen.resolution) == ("ann-1", Resolution(640, 480))


async def subscribed(bench: Bench, *, active: bool = True) -> None:
    await bench.published()
    bob = bench.guest("bob")
    await bench.open_sink("q", "bob", "s", bob.add("video", "recvonly"), active=active)
    await bob.negotiate()
    await bench.heard("SinkReady", "q")


async def forwards(bench: Bench) -> None:
    before = counter(bench, "packets_forwarded_total")
    await until(lambda: counter(bench, "packets_forwarded_total") > before + 20)


async def is_silent(bench: Bench) -> None:
    """Packets keep arriving for a while, and none is forwarded (but those on their way when it began)."""
    received = counter(bench, "packets_received_total")
    await until(lambda: counter(bench, "packets_received_total") > received + 20)
    before, received = counter(bench, "packets_forwarded_total"), counter(bench, "packets_received_total")
    await until(lambda: counter(bench, "packets_received_total") > received + 60)
    assert counter(bench, "packets_forwarded_total") == before


async def test_a_muted_source_is_not_forwarded(bench: Bench) -> None:
    await subscribed(bench)
    await forwards(bench)
    await bench.engine.perform(ROOM, SetSourceActive(S, "video", active=False))
    await is_silent(bench)
    await bench.engine.perform(ROOM, SetSourceActive(S, "video", active=True))
    await forwards(bench)


async def test_a_sink_opened_inactive_gets_nothing_until_it_is_resumed(bench: Bench) -> None:
    await subscribed(bench, active=False)
    await is_silent(bench)
    await bench.engine.perform(ROOM, SetSinkActive(SubscriptionId("q"), "video", active=True))
    await forwards(bench)


async def test_a_source_closed_while_the_core_answers_stays_closed(bench: Bench) -> None:
    await bench.open_source("s", "ann", video="0")
    await bench.open_source("t", "ann", audio="1")
    text = offer(("video", "0", "sendonly"), ("audio", "1", "sendonly"))
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(bench.engine.negotiate(ROOM, ANN, TransportId("ann"), text))
        await asyncio.sleep(0)  # it has begun
        await bench.engine.perform(ROOM, CloseSource(S))
        assert not asked.done()
    await until(lambda: counter(bench, "producers") == 1)
    await bench.engine.perform(ROOM, CloseSource(StreamId("t")))
    await until(lambda: counter(bench, "producers") == 0)


SENDING = offer(("audio", "0", "sendonly"))


async def test_a_participant_who_leaves_while_the_core_answers_has_no_transport(bench: Bench) -> None:
    await bench.open_source("s", "ann", audio="0")
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_refusal(bench, SENDING))
        waiting = tasks.create_task(_refusal(bench, SENDING))
        await asyncio.sleep(0)  # both have begun, the second waits for the first
        await bench.engine.perform(ROOM, CloseTransports(ANN))
    assert isinstance(first.result(), TransportNotFound)
    assert isinstance(waiting.result(), TransportNotFound)
    assert bench.held() == 0
    await until(lambda: counter(bench, "transports") == 0)


async def test_an_engine_that_stops_ends_the_negotiations_under_way(bench: Bench) -> None:
    await bench.open_source("s", "ann", audio="0")
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(_refusal(bench, SENDING))
        await asyncio.sleep(0)
        engine_of(bench)._events._take = lambda event: None  # type: ignore[method-assign]  # the answer is not heard
        bench.stop()
    assert isinstance(asked.result(), EngineError)


async def _refusal(bench: Bench, text: str) -> Exception | None:
    try:
        await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), text)
    except (EngineError, NegotiationError) as refusal:
        return refusal
    return None


async def test_an_unanswered_offer_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ANSWER_TIMEOUT_S", 0.05)
    await bench.open_source("s", "ann", audio="0")
    engine_of(bench)._events._take = lambda event: None  # type: ignore[method-assign]  # the answer is not heard
    assert isinstance(await _refusal(bench, SENDING), EngineError)
    await bench.engine.perform(ROOM, CloseTransports(ANN))
    await until(lambda: counter(bench, "transports") == 0)
    assert bench.held() == 0


async def test_what_the_core_refuses_changes_nothing(bench: Bench) -> None:
    ann = await bench.published()
    moved = offer(("video", "7", "sendonly"), ("audio", "8", "sendonly"))
    with pytest.raises(NegotiationError, match="is not where it was"):
        await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), moved)
    await bench.open_source("t", "ann", video=ann.add("video", "sendonly"))
    await ann.negotiate()
    await bench.heard("SourceReady", "t")


async def test_what_the_core_refuses_first_may_be_followed_by_a_good_offer(bench: Bench) -> None:
    ann = bench.guest("ann")
    await bench.open_source("s", "ann", audio=ann.add("audio", "sendonly"))
    for _ in range(3):
        with pytest.raises(NegotiationError, match="unusable a=fingerprint"):
            await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), SENDING.replace("sha-256", "crc-32"))
    await ann.negotiate()
    await bench.heard("SourceReady", "s")


async def test_a_section_that_is_bundled_only_is_answered(bench: Bench) -> None:
    await bench.open_source("s", "ann", audio="0", video="1")
    text = offer(("audio", "0", "sendonly"), ("video", "1", "sendonly"))
    text = text.replace("m=video 9", "m=video 0").replace("a=mid:1", "a=mid:1\r\na=bundle-only")
    answer = await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), text)
    assert [(s.direction, s.refused) for s in parse(answer).sections] == [("recvonly", False)] * 2


async def test_a_source_whose_sections_were_all_stopped_is_lost(bench: Bench) -> None:
    ann = await bench.published()
    await bench.open_source("t", "ann", video=ann.add("video", "sendonly"))
    await ann.negotiate()
    await bench.heard("SourceReady", "t")
    assert isinstance(ann, Caller)
    stopped = parse(ann.connection.localDescription.sdp)
    for section in stopped.sections[:2]:
        section.lines[0] = section.lines[0].replace(" " + section.lines[0].split()[1], " 0", 1)
        section.direction = "inactive"
    stopped.session = [line.replace("BUNDLE 0 1 2", "BUNDLE 2") for line in stopped.session]
    await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), str(stopped))
    lost = await bench.heard("SourceLost", "s")
    assert getattr(lost, "reason", None) == "Stopped by the client"
    assert ("SourceLost", "t") not in bench.story()


async def test_a_client_that_never_connects_is_lost() -> None:
    async with working("local", connect_timeout_s=0.2) as bench:
        await bench.open_source("s", "ann", audio="0")
        await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), SENDING)
        lost = await bench.heard("TransportLost", "ann")
        assert lost == TransportLost(TransportId("ann"), "Ice procedure failed.")
        assert bench.held() == 0


def fill(engine: LocalEngine) -> None:
    """Give the core's threads more commands than their queues take."""
    for thread in range(2):
        with pytest.raises(CoreBusy):
            _flood(engine, (thread << 56) + 1)  # an unknown producer: ignored


def _flood(engine: LocalEngine, producer: int) -> None:
    while True:
        engine._context.core.unpublish(producer)


async def test_closing_survives_a_core_that_is_behind(bench: Bench) -> None:
    await bench.open_source("s", "ann", audio="0")
    await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), SENDING)
    await until(lambda: counter(bench, "producers") == 1)
    fill(engine_of(bench))
    await bench.engine.perform(ROOM, SetSourceActive(S, "audio", active=False))
    await bench.engine.perform(ROOM, CloseSource(S))
    fill(engine_of(bench))
    await bench.engine.perform(ROOM, CloseTransports(ANN))
    await until(lambda: counter(bench, "transports") == 0)
    await until(lambda: bench.held() == 0)


class Behind:
    """A core that has no room for what is named."""

    def __init__(self, core: Core, refused: str) -> None:
        self._core = core
        self._refused = refused

    def __getattr__(self, name: str) -> object:
        def refuse(*_: object) -> None:
            raise CoreBusy("the command queue is full")

        return refuse if name == self._refused else getattr(self._core, name)


async def test_an_offer_the_core_has_no_room_for_may_be_repeated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(bench)
    ann = await bench.published("ann", "before")
    await bench.open_source("s", "ann", video=ann.add("video", "sendonly"))
    with monkeypatch.context() as patch:
        patch.setattr(engine._context, "core", Behind(engine._context.core, "negotiate"))
        with pytest.raises(EngineError, match="queue is full"):
            await ann.negotiate()
    await ann.negotiate()
    await bench.heard("SourceReady", "s")


async def test_a_source_the_core_has_no_room_for_is_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(bench)
    ann = await bench.published("ann", "before")
    await bench.open_source("s", "ann", video=ann.add("video", "sendonly"))
    with monkeypatch.context() as patch:
        patch.setattr(engine._context, "core", Behind(engine._context.core, "publish"))
        await ann.negotiate()
    assert await bench.heard("SourceLost", "s") == SourceLost(S, "the command queue is full")
    assert ("SourceLost", "before") not in bench.story()


async def test_a_candidate_the_core_has_no_room_for_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(bench)
    await bench.published()
    candidate = "candidate:1 1 udp 1 192.0.2.1 5 typ host"
    with monkeypatch.context() as patch:
        patch.setattr(engine._context, "core", Behind(engine._context.core, "add_candidate"))
        with pytest.raises(EngineError, match="queue is full"):
            await engine.add_candidate(ROOM, ANN, TransportId("ann"), candidate)
    await engine.add_candidate(ROOM, ANN, TransportId("ann"), candidate)


@pytest.mark.parametrize(
    ("rid", "framerate", "named"), [("", 0, "rid"), ("a-b", 0, "rid"), ("q", -1, "max_framerate")]
)
def test_a_layer_that_cannot_be_is_refused(rid: str, framerate: float, named: str) -> None:
    core = Core(["127.0.0.1"], 0)
    with pytest.raises(ValueError, match=named):
        core.set_layer(1, rid, max_framerate=framerate)
    core.set_layer(1, "q", 640, 360, 30)  # nobody's, perhaps just lost
    core.close()
