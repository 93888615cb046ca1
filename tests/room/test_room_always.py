"""What holds after every input, whatever it was: checked over random lives of a room."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from palaver.room.endpoints import PublishedTrack, WebRtcSink, WebRtcSource
from palaver.room.errors import RoomError
from palaver.room.messages import (
    Close,
    Command,
    Drop,
    Input,
    Join,
    LayerSeen,
    Leave,
    Mix,
    Publish,
    ResolutionSeen,
    SendText,
    SetLayout,
    SetPermission,
    SetRegion,
    SetStreamActive,
    SetSubscriptionActive,
    SetTemplate,
    ShowInRegion,
    SinkLost,
    SinkReady,
    SourceLost,
    SourceReady,
    SpeakerHeard,
    Subscribe,
    Tick,
    TrackChange,
    TransportLost,
    TransportReady,
    Unmix,
    Unpublish,
    Unsubscribe,
    UpdateSubscription,
)
from palaver.room.negotiations import AT_ONCE
from palaver.room.room import Room
from palaver.room.values import (
    ANY_LAYER,
    KINDS,
    GeneratedTemplate,
    Grant,
    Kind,
    LayerPreference,
    ParticipantId,
    Permission,
    Placement,
    Region,
    Resolution,
    StreamId,
    StreamState,
    SubscribedTrack,
    SubscriptionId,
    SubscriptionState,
    Track,
    TrackId,
    TransportId,
    VideoParameters,
)
from tests.room.observers import Audience, Clients, Worker
from tests.room.scenes import COMMON, CONFIG, OPUS, ROLES, VP8, snapshot

TIMEOUT_S = 30.0

T = TypeVar("T")

PEOPLE = [ParticipantId(name) for name in ("ann", "ben", "cid", "eve")]
NOBODY = ParticipantId("zoe")
STREAMS = [StreamId(name) for name in ("s1", "s2", "s3", "u1")]
STRANGE_STREAMS = [COMMON, StreamId("u1"), StreamId("nothing")]
SUBSCRIPTIONS = [SubscriptionId(name) for name in ("u1", "u2", "u3", "s3")]
WISHES = [ANY_LAYER, ANY_LAYER, LayerPreference("q"), LayerPreference("x"), LayerPreference(max_width=320)]
ASKED = [None, None, None, VideoParameters(bitrate="x1"), VideoParameters(framerate=10.0)]


class Life(RuleBasedStateMachine):
    """A room under random commands, reports and ticks, watched by all who depend on what it says.

    Each step is one number and its place, from which everything about it follows: hypothesis likes to repeat
    itself, and lives would stay poor.
    """

    @initialize(participant_limit=st.sampled_from([-1, 0, 2, 3]), input_limit=st.sampled_from([-1, 2]))
    def opens(self, participant_limit: int, input_limit: int) -> None:
        self.config = replace(CONFIG, participant_limit=participant_limit, input_limit=input_limit)
        self.room = Room(self.config, negotiation_timeout_s=TIMEOUT_S)
        self.fresh = snapshot(self.room)
        self.now = 0.0
        self.mids = self.steps = 0
        self.laid_out = False
        self.published: dict[StreamId, Publish] = {}
        self.audience, self.clients, self.worker = Audience(), Clients(), Worker()
        self.audience.streams = {stream.id: stream for stream in self.room.live_streams()}
        for member in PEOPLE[:2]:
            self.give(Join(member, "user", "presenter"))

    @rule(number=st.integers(0, 2**32))
    def something_happens(self, number: int) -> None:
        self.steps += 1
        self.dice = Random(f"{number} at {self.steps}")
        happenings = {
            self.join: 3,
            self.go: 1,
            self.publish: 8,
            self.source: 10,
            self.subscribe: 10,
            self.sink: 8,
            self.unpublish: 1,
            self.unsubscribe: 1,
            self.mute: 5,
            self.pause: 5,
            self.choose: 5,
            self.transport: 3,
            self.tick: 3,
            self.talk: 1,
            self.mix: 5,
            self.arrange: 5,
            self.permit: 1,
        }
        (happening,) = self.dice.choices(list(happenings), list(happenings.values()))
        happening()

    def give(self, incoming: Input) -> bool:
        """Whether the room took ``incoming``; if not, it has not changed."""
        before = snapshot(self.room)
        try:
            outputs = self.room.handle(incoming)
        except RoomError:
            assert isinstance(incoming, Command)
            assert snapshot(self.room) == before
            return False
        for output in outputs:
            for watcher in (self.audience, self.clients, self.worker):
                watcher.hear(output)
        return True

    # ── dice ────────────────────────────────────────────────────────────────────────────────────────

    def seldom(self) -> bool:
        return self.dice.random() < 0.1

    def among(self, existing: Iterable[T], strange: list[T]) -> T:
        """Mostly something that exists."""
        there = list(existing)
        return self.dice.choice(strange if self.seldom() or not there else there)

    def someone(self) -> ParticipantId:
        return self.among(self.room.participants, [NOBODY])

    def actor(self, owner: ParticipantId | None) -> ParticipantId | None:
        return self.dice.choice([owner, owner, None, self.someone()])

    def a_stream(self) -> StreamId:
        return self.among([one.id for one in self.room.streams.values() if not one.mixed], STRANGE_STREAMS)

    def a_subscription(self) -> SubscriptionId:
        return self.among(self.room.subscriptions, SUBSCRIPTIONS)

    def a_transport(self, who: ParticipantId) -> TransportId:
        return TransportId(self.dice.choice([f"first-{who}", f"first-{who}", f"second-{who}", "shared"]))

    def some_kinds(self) -> tuple[Kind, ...]:
        some: list[tuple[Kind, ...]] = [
            KINDS,
            KINDS,
            KINDS,
            ("audio",),
            ("audio",),
            ("video",),
            ("video",),
            (),
        ]
        return self.dice.choice(some)

    def a_mid(self) -> str:
        """A section that was never used, or one that may be in use."""
        self.mids += 1
        return str(self.dice.randrange(self.mids) if self.seldom() else self.mids)

    # ── commands ────────────────────────────────────────────────────────────────────────────────────

    def join(self) -> None:
        role = self.among(["presenter"], ["nobody", *(role.name for role in ROLES)])
        self.give(Join(self.dice.choice(PEOPLE), "user", role))

    def go(self) -> None:
        if self.seldom() and self.seldom():
            self.give(Close())
            return
        who = self.someone()
        command = Leave(who) if self.dice.random() < 0.5 else Drop(who)
        if self.give(command):
            assert who not in self.room.participants

    def publish(self) -> None:
        who, stream = self.someone(), self.dice.choice(STREAMS)
        published = tuple(PublishedTrack(kind, self.a_mid(), "mic") for kind in self.some_kinds())
        command = Publish(who, stream, WebRtcSource(self.a_transport(who), published))
        if self.give(command):
            self.published[stream] = command

    def unpublish(self) -> None:
        stream = self.a_stream()
        known = self.room.streams.get(stream)
        who = self.actor(known.owner if known else None)
        if self.give(Unpublish(who, stream)) and known and known.owner == who:
            self.clients.end(stream)

    def subscribe(self) -> None:
        who = self.someone()
        live = [one.id for one in self.room.live_streams()]
        tracks = tuple(
            SubscribedTrack(
                kind,
                self.among(live, STRANGE_STREAMS),
                mid=self.a_mid(),
                parameters=self.dice.choice(ASKED),
                layer=self.dice.choice(WISHES) if kind == "video" else ANY_LAYER,
            )
            for kind in self.some_kinds()
        )
        sink = WebRtcSink(self.a_transport(who))
        self.give(Subscribe(who, self.dice.choice(SUBSCRIPTIONS), sink, tracks))

    def unsubscribe(self) -> None:
        subscription = self.a_subscription()
        known = self.room.subscriptions.get(subscription)
        who = self.actor(known.owner if known else None)
        if self.give(Unsubscribe(who, subscription)) and known and known.owner == who:
            self.clients.end(subscription)

    def mute(self) -> None:
        stream = self.a_stream()
        known = self.room.streams.get(stream)
        who = self.actor(known.owner if known else None)
        self.give(SetStreamActive(who, stream, self.some_kinds(), self.dice.random() < 0.5))

    def pause(self) -> None:
        subscription = self.a_subscription()
        known = self.room.subscriptions.get(subscription)
        who = self.actor(known.owner if known else None)
        self.give(SetSubscriptionActive(who, subscription, self.some_kinds(), self.dice.random() < 0.5))

    def choose(self) -> None:
        """Another layer, or at random another track."""
        subscription = self.a_subscription()
        known = self.room.subscriptions.get(subscription)
        wish = self.dice.choice([None, *WISHES])
        rid = self.dice.choice(["", ":q", ":f", ":x"])
        tracks = [track.track for track in known.tracks if track.track] if known else []
        layers = [StreamId(track.partition(":")[0] + rid) for track in tracks]
        origin = self.dice.choice([None, None, *layers, *STREAMS])
        changes = [
            TrackChange(kind, origin, self.dice.choice(ASKED), wish if kind == "video" else None)
            for kind in self.some_kinds()
        ]
        who = self.actor(known.owner if known else None)
        self.give(UpdateSubscription(who, subscription, tuple(changes)))
        self.give(LayerSeen(subscription, "1", self.dice.choice([None, "", "q"])))

    def permit(self) -> None:
        grants = [Grant(self.dice.random() < 0.7, self.dice.random() < 0.7) for _ in range(2)]
        self.give(SetPermission(self.someone(), Permission(*grants)))

    def talk(self) -> None:
        who = self.someone()
        self.give(SendText(who, self.dice.choice([*PEOPLE, "all"]), "x" * self.dice.choice([0, 2048, 2049])))

    def mix(self) -> None:
        stream = self.a_stream()
        known = self.room.streams.get(stream)
        kinds: list[type[Mix | Unmix]] = [Mix, Mix, Mix, Unmix]
        command = self.dice.choice(kinds)
        view = self.among(["common"], ["other"])
        self.give(command(self.actor(known.owner if known else None), stream, view))

    def arrange(self) -> None:
        """Somebody speaks, or is given another place."""
        stream, index = self.a_stream(), self.dice.randrange(3)
        view = self.among([COMMON], STRANGE_STREAMS)
        self.give(SpeakerHeard(view, stream))
        self.give(SetRegion(None, stream, "common", str(index)))
        self.give(ShowInRegion(view, index, stream))
        if self.seldom():
            base: GeneratedTemplate = self.dice.choice(["fluid", "lecture"])
            self.laid_out |= self.give(SetTemplate(view, base, speaker_first=bool(index)))
        if self.seldom():
            whole = Region("all", "0/1", "0/1", "1/1", "1/1")
            self.laid_out |= self.give(SetLayout(view, (Placement(whole, self.a_stream()),)))

    # ── reports and time ────────────────────────────────────────────────────────────────────────────

    def source(self) -> None:
        stream = self.a_stream()
        if self.seldom():
            self.give(SourceLost(stream, "gone"))
            return
        known = self.published.get(stream)
        source = known.source if known else None
        tracks = source.tracks[self.seldom() :] if isinstance(source, WebRtcSource) else ()
        rids = self.dice.choice([("",), ("q", "h", "f")])
        self.give(SourceReady(stream, tuple(track for one in tracks for track in _tracks(stream, one, rids))))
        self.give(ResolutionSeen(stream, None, Resolution(self.dice.choice([320, 640]), 240)))

    def sink(self) -> None:
        subscription = self.a_subscription()
        self.give(SinkLost(subscription, "gone") if self.seldom() else SinkReady(subscription))

    def transport(self) -> None:
        transport = self.a_transport(self.someone())
        self.give(TransportLost(transport, "gone") if self.seldom() else TransportReady(transport))

    def tick(self) -> None:
        passed_s = self.dice.choice([0.0, 1.0, 5.0, -5.0, 25.0])
        self.give(Tick(self.now + passed_s))
        self.now = max(self.now, self.now + passed_s)
        deadline = self.room.deadline
        assert deadline is None or self.now < deadline <= self.now + TIMEOUT_S

    def teardown(self) -> None:
        """When everybody has gone, nothing of them is left."""
        if not hasattr(self, "room") or self.room.closed:
            return
        for who in list(self.room.participants):
            self.give(Leave(who))
        self.fresh["_state"].negotiations._now = self.room._state.negotiations._now
        left = snapshot(self.room)
        if self.laid_out:  # what was given stays
            left["_state"].views = self.fresh["_state"].views
            left["_state"].register.streams = self.fresh["_state"].register.streams
        assert left == self.fresh

    # ── what always holds ───────────────────────────────────────────────────────────────────────────

    @invariant()
    def everybody_sees_the_room_as_it_is(self) -> None:
        assert list(self.audience.participants) == list(self.room.participants)
        assert self.audience.streams.keys() == {one.id for one in self.room.live_streams()}
        for stream in self.room.live_streams():
            told = self.audience.streams[stream.id]
            if stream.active_input == "unknown":  # that a speaker left is not told
                told = replace(told, active_input="unknown")
            assert replace(told, in_views=stream.in_views) == stream  # nor is the mixing

    @invariant()
    def clients_know_their_sessions(self) -> None:
        sessions = {
            stream.id: (stream.owner, stream.transport)
            for stream in self.room.streams.values()
            if not stream.mixed
        } | {one.id: (one.owner, one.transport) for one in self.room.subscriptions.values()}
        assert self.clients.sessions == sessions
        live = [one.id for one in self.room.live_streams() if not one.mixed] + [
            one.id for one in self.room.subscriptions.values() if one.state is SubscriptionState.LIVE
        ]
        assert self.clients.ready == set(live)

    @invariant()
    def the_engine_holds_what_the_room_holds(self) -> None:
        assert self.worker.sources == {one.id for one in self.room.streams.values() if not one.mixed}
        assert self.worker.sinks == set(self.room.subscriptions)
        silent = {
            (stream.id, track.kind)
            for stream in self.room.live_streams()
            for track in stream.tracks
            if not track.active
        } | {
            (one.id, track.kind)
            for one in self.room.subscriptions.values()
            if one.state is SubscriptionState.LIVE
            for track in one.tracks
            if not track.active
        }
        assert self.worker.silent == silent

    @invariant()
    def the_engine_knows_what_is_wished(self) -> None:
        wished = {
            (one.id, track.mid): track.layer
            for one in self.room.subscriptions.values()
            for track in one.tracks
        }
        assert self.worker.layers == wished
        for subscription in self.room.subscriptions.values():
            for track in subscription.tracks:
                rids = {one.rid for one in self.room.streams[track.stream].tracks}
                assert track.layer.rid is None or track.layer.rid in rids

    @invariant()
    def whatever_is_owned_has_its_owner_here(self) -> None:
        for stream in self.room.streams.values():
            assert stream.mixed or stream.owner in self.room.participants
        for subscription in self.room.subscriptions.values():
            assert subscription.owner in self.room.participants

    @invariant()
    def subscriptions_name_live_tracks(self) -> None:
        for subscription in self.room.subscriptions.values():
            for wanted in subscription.tracks:
                stream = self.room.streams[wanted.stream]
                assert stream.state is StreamState.LIVE
                assert (wanted.track, wanted.format) in [(track.id, track.format) for track in stream.tracks]

    @invariant()
    def limits_hold(self) -> None:
        if self.config.participant_limit > 0:
            assert len(self.room.participants) <= self.config.participant_limit
        if self.config.input_limit >= 0:
            assert sum(not one.mixed for one in self.room.streams.values()) <= self.config.input_limit

    @invariant()
    def no_transport_and_no_section_serves_two(self) -> None:
        used = [
            (one.transport, track.mid) for one in self.room.subscriptions.values() for track in one.tracks
        ]
        assert len(used) == len(set(used))
        owned = [(one.transport, one.owner) for one in self.room.streams.values() if not one.mixed]
        owned += [(one.transport, one.owner) for one in self.room.subscriptions.values()]
        assert len({transport for transport, _ in owned}) == len(set(owned)), "a transport of two people"

    @invariant()
    def what_negotiates_is_waited_for(self) -> None:
        negotiating = [one for one in self.room.streams.values() if one.state is StreamState.NEGOTIATING] + [
            one for one in self.room.subscriptions.values() if one.state is SubscriptionState.NEGOTIATING
        ]
        deadline = self.room.deadline
        assert (deadline is not None) == bool(negotiating)
        assert deadline is None or deadline == AT_ONCE or deadline <= self.now + TIMEOUT_S

    @invariant()
    def emptiness_is_said(self) -> None:
        alone = not self.room.participants and all(one.mixed for one in self.room.streams.values())
        assert self.room.empty == alone
        if self.room.closed:
            assert not self.room.streams
            assert self.room.empty


def _tracks(stream: StreamId, published: PublishedTrack, rids: tuple[str, ...]) -> list[Track]:
    whole = Track("audio", OPUS, published.source, id=TrackId(f"{stream}-{published.mid}"), mid=published.mid)
    if published.kind == "audio":
        return [whole]
    whole = replace(whole, kind="video", format=VP8)
    return [replace(whole, id=TrackId(f"{whole.id}:{rid}"), rid=rid) if rid else whole for rid in rids]


TestLife = pytest.mark.timeout(400)(
    Life.TestCase
)  # it takes seconds, but finding the shortest failure minutes
TestLife.settings = settings(
    max_examples=60,
    stateful_step_count=100,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
)
