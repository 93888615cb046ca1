"""What every engine promises (palaver/media/ports.py), tried on the fake one and, over loopback, on the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from palaver.media.ports import EngineError, NegotiationError, TransportNotFound
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    CloseTransports,
    SetComposition,
    SetSinkActive,
    SetSinkLayer,
    SetSinkOrigin,
    SetSourceActive,
    SinkLost,
    SourceLost,
    SourceReady,
    TransportLost,
)
from palaver.room.values import (
    Composition,
    LayerPreference,
    MixInput,
    ParticipantId,
    Placement,
    Region,
    Resolution,
    RoomId,
    StreamId,
    SubscribedTrack,
    SubscriptionId,
    TransportId,
    VideoFormat,
    VideoParameters,
    View,
)
from tests.contract.engines import OPUS, ROOM, VP8, Bench, until, working
from tests.offers import offer

ANN, BOB, S = ParticipantId("ann"), ParticipantId("bob"), StreamId("s")
CANDIDATE = "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host"
H265 = VideoFormat("h265")


@pytest_asyncio.fixture(params=["fake", pytest.param("local", marks=pytest.mark.net)])
async def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def bench(kind: str) -> AsyncIterator[Bench]:
    async with working(kind) as bench:
        yield bench


async def test_a_transport_nobody_opened_does_not_exist(bench: Bench) -> None:
    unknown = TransportId("nothing")
    with pytest.raises(TransportNotFound, match="Transport nothing does NOT exist"):
        await bench.engine.negotiate(ROOM, ANN, unknown, offer(("audio", "0", "sendonly")))
    with pytest.raises(TransportNotFound):
        await bench.engine.add_candidate(ROOM, ANN, unknown, CANDIDATE)
    assert bench.held() == 0


async def test_a_transport_serves_its_owner_only(bench: Bench) -> None:
    await bench.open_source("s", "ann", audio="0")
    held = bench.held()
    with pytest.raises(TransportNotFound):
        await bench.engine.negotiate(ROOM, BOB, TransportId("ann"), offer(("audio", "0", "sendonly")))
    with pytest.raises(TransportNotFound):
        await bench.engine.negotiate(
            RoomId("other"), ANN, TransportId("ann"), offer(("audio", "0", "sendonly"))
        )
    with pytest.raises(TransportNotFound):
        await bench.engine.add_candidate(ROOM, BOB, TransportId("ann"), CANDIDATE)
    with pytest.raises(EngineError, match="belongs to another participant"):
        await bench.open_source("t", "bob", audio="1", transport="ann")
    assert bench.held() == held


@pytest.mark.parametrize(
    ("stream", "mid", "why"), [("t", "0", "section 0 of the transport"), ("s", "1", "open already")]
)
async def test_what_cannot_be_opened_leaves_nothing_behind(
    bench: Bench, stream: str, mid: str, why: str
) -> None:
    await bench.open_source("s", "ann", audio="0")
    held = bench.held()
    with pytest.raises(EngineError, match=why):
        await bench.open_source(stream, "ann", audio=mid)
    with pytest.raises(EngineError, match="two tracks are on the same section"):
        await bench.open_source("u", "cid", audio="0", video="0")
    assert bench.held() == held


async def test_the_transport_is_ready_before_its_sessions_and_said_once(bench: Bench) -> None:
    guest = await bench.published()
    ready = await bench.heard("SourceReady", "s")
    assert isinstance(ready, SourceReady)
    assert [(t.kind, t.format, t.source, t.id, t.mid) for t in ready.tracks] == [
        ("audio", OPUS, "mic", "ann-0", "0"),
        ("video", VP8, "camera", "ann-1", "1"),
    ]
    await bench.open_source("t", "ann", video=guest.add("video", "sendonly"))
    await guest.negotiate()
    await bench.heard("SourceReady", "t")
    assert bench.story() == [("TransportReady", "ann"), ("SourceReady", "s"), ("SourceReady", "t")]


async def test_a_source_waits_for_all_of_its_sections(bench: Bench) -> None:
    guest = bench.guest("ann")
    await bench.open_source("s", "ann", audio="0", video="1")
    guest.add("audio", "sendonly")
    await guest.negotiate()
    await bench.heard("TransportReady", "ann")
    guest.add("video", "sendonly")
    await guest.negotiate()
    await bench.heard("SourceReady", "s")


async def test_a_source_muted_before_its_section_came_begins_muted(bench: Bench) -> None:
    ann = bench.guest("ann")
    await bench.open_source("s", "ann", video=ann.add("video", "sendonly"))
    await bench.engine.perform(ROOM, SetSourceActive(S, "video", active=False))
    await ann.negotiate()
    ready = await bench.heard("SourceReady", "s")
    assert isinstance(ready, SourceReady)
    assert [track.active for track in ready.tracks] == [False]


async def test_an_impossible_codec_costs_its_session_only(bench: Bench) -> None:
    guest = bench.guest("ann")
    audio, video, other = (
        guest.add("audio", "sendonly"),
        guest.add("video", "sendonly"),
        guest.add("video", "sendonly"),
    )
    await bench.open_source("s", "ann", video=video, formats=(H265,))
    await bench.open_source("t", "ann", audio=audio, video=other)
    await guest.negotiate()
    await bench.heard("SourceReady", "t")
    lost = await bench.heard("SourceLost", "s")
    assert lost == SourceLost(S, "No proper video codec")
    await bench.engine.perform(ROOM, CloseSource(S))
    assert sorted(bench.story()) == [("SourceLost", "s"), ("SourceReady", "t"), ("TransportReady", "ann")]


async def test_an_impossible_codec_costs_its_track_only(bench: Bench) -> None:
    guest = bench.guest("ann")
    audio, video = guest.add("audio", "sendonly"), guest.add("video", "sendonly")
    await bench.open_source("s", "ann", audio=audio, video=video, formats=(H265,))
    answer = await guest.negotiate()
    ready = await bench.heard("SourceReady", "s")
    assert isinstance(ready, SourceReady)
    assert [track.kind for track in ready.tracks] == ["audio"]
    assert [line.split(" ")[1] for line in answer.splitlines() if line.startswith("m=")] != ["0", "0"]
    assert "m=video 0 " in answer


async def test_a_subscription_is_ready(bench: Bench) -> None:
    await bench.published()
    bob = bench.guest("bob")
    await bench.open_sink("q", "bob", "s", bob.add("video", "recvonly"))
    answer = await bob.negotiate()
    await bench.heard("SinkReady", "q")
    assert "a=sendonly" in answer
    assert bench.story()[2:] == [("TransportReady", "bob"), ("SinkReady", "q")]


async def test_a_sink_without_source_is_lost_at_once(bench: Bench) -> None:
    await bench.open_sink("q", "bob", "s", "0")
    assert await bench.heard("SinkLost", "q") == SinkLost(SubscriptionId("q"), "Source stream loss")
    await bench.engine.perform(ROOM, CloseSink(SubscriptionId("q")))
    answer = await bench.engine.negotiate(ROOM, BOB, TransportId("bob"), offer(("video", "0", "recvonly")))
    assert "a=inactive" in answer, "the client's offer is answered all the same"


async def test_a_sink_whose_source_ends_before_the_offer_is_lost(bench: Bench) -> None:
    await bench.published()
    bob = bench.guest("bob")
    await bench.open_sink("q", "bob", "s", bob.add("video", "recvonly"))
    await bench.engine.perform(ROOM, CloseSource(S))
    await bob.negotiate()
    assert await bench.heard("SinkLost", "q") == SinkLost(SubscriptionId("q"), "Source stream loss")


async def test_closing_is_silent_and_may_be_repeated(bench: Bench) -> None:
    ann = await bench.published()
    story = bench.story()
    for _ in range(2):
        await bench.engine.perform(ROOM, CloseSource(S))
        await bench.engine.perform(ROOM, CloseSink(SubscriptionId("unknown")))
        await bench.engine.perform(ROOM, SetSourceActive(S, "audio", active=False))
        await bench.engine.perform(ROOM, SetSinkActive(SubscriptionId("unknown"), "audio", active=False))
    answer = await ann.negotiate()
    assert answer.count("a=inactive") == 2
    await bench.open_source("t", "ann", video=ann.add("video", "sendonly"))
    await ann.negotiate()
    await bench.heard("SourceReady", "t")
    assert bench.story() == [*story, ("SourceReady", "t")]


async def test_a_leaving_participant_takes_its_transports_and_no_other(bench: Bench) -> None:
    await bench.published("ann", "s")
    bob = await bench.published("bob", "t")
    story = bench.story()
    await bench.engine.perform(ROOM, CloseTransports(ANN))
    with pytest.raises(TransportNotFound):
        await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), offer(("audio", "0", "sendonly")))
    await bench.open_source("u", "bob", video=bob.add("video", "sendonly"))
    await bob.negotiate()
    await bench.heard("SourceReady", "u")
    assert bench.story() == [*story, ("SourceReady", "u")], "what was asked for is not reported"
    await bench.engine.perform(ROOM, CloseTransports(BOB))
    assert bench.held() == 0
    await until(lambda: bench.engine.stats()["transports"] == 0)


async def test_a_closed_room_leaves_nothing(bench: Bench) -> None:
    await bench.published()
    await bench.open_source("t", "bob", audio="0")
    await bench.open_source("elsewhere", "ann", audio="0", room=RoomId("other"))
    await bench.engine.close_room(ROOM)
    await bench.engine.close_room(ROOM)
    with pytest.raises(TransportNotFound):
        await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), offer(("audio", "0", "sendonly")))
    other = bench.guest("ann", room=RoomId("other"))
    other.add("audio", "sendonly")
    await other.negotiate()
    await bench.heard("SourceReady", "elsewhere")
    await bench.engine.close_room(RoomId("other"))
    assert bench.held() == 0
    await until(lambda: bench.engine.stats()["transports"] == 0)


async def test_a_thousand_transports_leave_nothing(bench: Bench) -> None:
    for n in range(1000):
        owner, room = f"p{n}", RoomId(f"room{n % 7}")
        await bench.open_source(f"s{n}", owner, audio="0", video="1", room=room)
        sections = offer(("audio", "0", "sendonly"), ("video", "1", "sendonly"))
        if n % 2:
            await bench.engine.negotiate(room, ParticipantId(owner), TransportId(owner), sections)
        if n % 3:
            await bench.engine.perform(room, CloseSource(StreamId(f"s{n}")))
        await bench.engine.perform(room, CloseTransports(ParticipantId(owner)))
    assert bench.held() == 0
    await until(lambda: bench.engine.stats()["transports"] == 0)


@pytest.mark.parametrize("bad", ["", "v=0\r\n", offer(), "hello"])
async def test_a_refused_offer_leaves_things_as_they_were(bench: Bench, bad: str) -> None:
    ann = await bench.published()
    story = bench.story()
    with pytest.raises(NegotiationError):
        await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), bad)
    await bench.open_source("t", "ann", video=ann.add("video", "sendonly"))
    await ann.negotiate()
    await bench.heard("SourceReady", "t")
    assert bench.story() == [*story, ("SourceReady", "t")]


async def test_a_refused_first_offer_may_be_followed_by_a_good_one(bench: Bench) -> None:
    ann = bench.guest("ann")
    await bench.open_source("s", "ann", audio=ann.add("audio", "sendonly"))
    with pytest.raises(NegotiationError):
        await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), "v=0\r\nm=audio 9 X 0\r\na=mid:?\r\n")
    await ann.negotiate()
    await bench.heard("SourceReady", "s")


async def test_a_lost_transport_takes_its_sessions_with_it(bench: Bench) -> None:
    ann = await bench.published()
    await ann.vanish()
    lost = await bench.heard("TransportLost", "ann")
    assert lost == TransportLost(TransportId("ann"), "closed by peer")
    assert bench.story()[2:] == [("TransportLost", "ann")]
    assert bench.held() == 0
    await bench.engine.perform(ROOM, CloseSource(S))
    await bench.engine.perform(ROOM, CloseTransports(ANN))
    with pytest.raises(TransportNotFound):
        await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), offer(("audio", "0", "sendonly")))


@pytest.mark.parametrize("bad", ["y", "x", "candidate:" + "1" * 600, f"{CANDIDATE}\r\na=mid:0"])
async def test_candidates_are_taken_or_refused(bench: Bench, bad: str) -> None:
    ann = await bench.published()
    for good in (
        CANDIDATE,
        f"a={CANDIDATE}",
        "candidate:1 1 udp 1 a.local 5 typ host",
        "candidate:junk",
        "",
        "a=",
    ):
        await bench.engine.add_candidate(ROOM, ANN, TransportId("ann"), good)
    with pytest.raises(NegotiationError, match="candidate"):
        await bench.engine.add_candidate(ROOM, ANN, TransportId("ann"), bad)
    await ann.negotiate()


async def test_a_stopped_engine_says_so(bench: Bench) -> None:
    await bench.open_source("s", "ann", audio="0")
    bench.stop()
    await bench.over.wait()
    with pytest.raises(EngineError, match="stopped"):
        await bench.open_source("t", "ann", audio="1")
    with pytest.raises(EngineError, match="stopped"):
        await bench.engine.negotiate(ROOM, ANN, TransportId("ann"), offer(("audio", "0", "sendonly")))
    with pytest.raises(EngineError, match="stopped"):
        await bench.engine.add_candidate(ROOM, ANN, TransportId("ann"), CANDIDATE)
    await bench.engine.close_room(ROOM)


async def test_rooms_do_not_see_each_other_s_ids(bench: Bench) -> None:
    other = RoomId("other")
    await bench.open_source("s", "ann", audio="0")
    await bench.open_source("s", "ann", audio="0", room=other)
    await bench.engine.perform(other, CloseSource(S))
    ann = bench.guest("ann")
    ann.add("audio", "sendonly")
    await ann.negotiate()
    await bench.heard("SourceReady", "s")


async def test_negotiations_of_one_transport_do_not_mix(bench: Bench) -> None:
    sections = [("audio", str(n), "sendonly") for n in range(8)]
    for n in range(8):
        await bench.open_source(f"s{n}", "ann", audio=str(n))
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(
                bench.engine.negotiate(ROOM, ANN, TransportId("ann"), offer(*sections[: n + 1]))
            )
            for n in range(8)
        ]
    assert [task.result().count("m=audio") for task in asked] == list(range(1, 9))


async def test_each_layer_of_a_section_is_a_track(bench: Bench) -> None:
    ann = bench.guest("ann")
    await bench.open_source("s", "ann", video=ann.add("video", "sendonly", ["q", "h", "f"]))
    await ann.negotiate()
    ready = await bench.heard("SourceReady", "s")
    assert isinstance(ready, SourceReady)
    assert [(t.id, t.mid, t.rid, t.format) for t in ready.tracks] == [
        ("ann-0:q", "0", "q", VP8),
        ("ann-0:h", "0", "h", VP8),
        ("ann-0:f", "0", "f", VP8),
    ]


async def test_a_layer_is_wished_for_from_the_start_or_at_any_time_later(bench: Bench) -> None:
    ann, bob = bench.guest("ann"), bench.guest("bob")
    await bench.open_source("s", "ann", video=ann.add("video", "sendonly", ["q", "h"]))
    await ann.negotiate()
    await bench.heard("SourceReady", "s")
    wishes = [
        LayerPreference("q"),
        LayerPreference(max_width=640, max_height=360, max_framerate=7.5),
        LayerPreference("h"),
    ]
    await bench.open_sink("q", "bob", "s", mid := bob.add("video", "recvonly"), layer=wishes[0])
    await bench.engine.perform(ROOM, SetSinkLayer(SubscriptionId("q"), mid, wishes[1]))
    await bob.negotiate()
    await bench.heard("SinkReady", "q")
    await bench.engine.perform(ROOM, SetSinkLayer(SubscriptionId("q"), mid, wishes[2]))
    await bench.engine.perform(ROOM, SetSinkLayer(SubscriptionId("nothing"), mid, wishes[2]))
    assert ("SinkLost", "q") not in bench.story()


async def test_a_sink_may_be_given_another_origin_before_and_after_it_works(bench: Bench) -> None:
    ann, bob = bench.guest("ann"), bench.guest("bob")
    for stream in ("s", "t"):
        await bench.open_source(stream, "ann", video=ann.add("video", "sendonly"))
    await ann.negotiate()
    await bench.heard("SourceReady", "t")
    await bench.open_sink("q", "bob", "s", mid := bob.add("video", "recvonly"))
    tracks = {name: SubscribedTrack("video", StreamId(name), mid=mid, format=VP8) for name in ("s", "t", "u")}
    await bench.engine.perform(ROOM, SetSinkOrigin(SubscriptionId("q"), tracks["t"]))
    await bench.engine.perform(ROOM, CloseSource(StreamId("s")))
    await bob.negotiate()
    await bench.heard("SinkReady", "q")
    await bench.open_source("s", "ann", video=ann.add("video", "sendonly"))
    await ann.negotiate()
    await bench.heard("SourceReady", "s")
    held = bench.held()
    await bench.engine.perform(ROOM, SetSinkOrigin(SubscriptionId("q"), tracks["s"]))
    assert bench.held() == held
    await bench.engine.perform(ROOM, SetSinkOrigin(SubscriptionId("nothing"), tracks["s"]))
    assert ("SinkLost", "q") not in bench.story()
    await bench.engine.perform(ROOM, SetSinkOrigin(SubscriptionId("q"), tracks["u"]))
    assert await bench.heard("SinkLost", "q") == SinkLost(SubscriptionId("q"), "Source stream loss")


async def test_a_view_is_subscribed_to_like_a_stream(bench: Bench) -> None:
    await bench.published()
    view = View("common", OPUS, VP8, VideoParameters(Resolution(320, 240), 12.0))
    whole = Placement(Region("1", "0/1", "0/1", "1/1", "1/1"), S)
    made = Composition(view, (whole,), (MixInput(S, ANN, "Ann"),))
    await bench.engine.perform(ROOM, SetComposition(StreamId("v"), made))
    bob = bench.guest("bob")
    await bench.open_sink("q", "bob", "v", bob.add("video", "recvonly"), transcoded=True)
    answer = await bob.negotiate()
    await bench.heard("SinkReady", "q")
    assert "a=sendonly" in answer
    await bench.engine.perform(ROOM, SetComposition(StreamId("v"), replace(made, placements=(), inputs=())))
    await bench.engine.perform(ROOM, CloseSource(S))
    assert ("SinkLost", "q") not in bench.story(), "a view outlives its inputs"
    await bench.engine.close_room(ROOM)
    await until(lambda: bench.held() == 0)


async def test_what_is_transcoded_of_a_stream_ends_with_it(bench: Bench) -> None:
    await bench.published()
    bob = bench.guest("bob")
    await bench.open_sink("q", "bob", "s", bob.add("video", "recvonly"), transcoded=True)
    await bob.negotiate()
    await bench.heard("SinkReady", "q")
    for action in (CloseSink(SubscriptionId("q")), CloseSource(S)):
        await bench.engine.perform(ROOM, action)
    await bench.engine.close_room(ROOM)
    await until(lambda: bench.held() == 0)
