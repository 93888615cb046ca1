"""What holds after every input, whatever it was: checked over random lives of a room."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from palaver.room.errors import RoomError
from palaver.room.messages import (
    Close,
    Command,
    Drop,
    Input,
    Join,
    Leave,
    Mix,
    Publish,
    PublishedTrack,
    ResolutionSeen,
    SendText,
    SetPermission,
    SetStreamActive,
    SetSubscriptionActive,
    SinkLost,
    SinkReady,
    SourceLost,
    SourceReady,
    Subscribe,
    Tick,
    TransportLost,
    TransportReady,
    Unmix,
    Unpublish,
    Unsubscribe,
    WebRtcSink,
    WebRtcSource,
)
from palaver.room.negotiations import AT_ONCE
from palaver.room.room import Room
from palaver.room.values import (
    KINDS,
    Grant,
    Kind,
    ParticipantId,
    Permission,
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

people = st.sampled_from([ParticipantId(name) for name in ("ann", "ben", "cid", "eve")])
streams = st.sampled_from([StreamId(name) for name in ("s1", "s2", "s3", "u1")])
wild_streams = st.sampled_from([COMMON, StreamId("u1"), StreamId("nothing")])
subscriptions = st.sampled_from([SubscriptionId(name) for name in ("u1", "u2", "u3", "s3")])
kinds = st.sampled_from(KINDS)
some_kinds = st.sampled_from([KINDS, ("audio",), ("video",), ()])
mids = st.integers(0, 30).map(str)
# A choice among what exists now, or (at 0) the wild one.
choices = st.integers(0, 11)
seldom = st.integers(0, 9).map(lambda number: number == 9)
grants = st.sampled_from([Grant(True, True), Grant(True, True), Grant(audio=True), Grant()])
parameters = st.sampled_from(
    [None, None, None, VideoParameters(bitrate="x1"), VideoParameters(bitrate="x0.5", framerate=10.0)]
)
Wanted = tuple[Kind, int, str, VideoParameters | None]


def among(existing: Iterable[T], choice: int, wild: T) -> T:
    there = list(existing)
    return there[choice % len(there)] if there and choice else wild


class Life(RuleBasedStateMachine):
    """A room under random commands, reports and ticks, watched by all who depend on what it says."""

    @initialize(participant_limit=st.sampled_from([-1, 0, 2, 3]), input_limit=st.sampled_from([-1, -1, 2, 0]))
    def opens(self, participant_limit: int, input_limit: int) -> None:
        self.config = replace(CONFIG, participant_limit=participant_limit, input_limit=input_limit)
        self.room = Room(self.config, negotiation_timeout_s=TIMEOUT_S)
        self.fresh = snapshot(self.room)
        self.now = 0.0
        self.published: dict[StreamId, Publish] = {}
        self.audience, self.clients, self.worker = Audience(), Clients(), Worker()
        self.audience.streams = {stream.id: stream for stream in self.room.live_streams()}
        for name in ("ann", "ben"):
            self.step(Join(ParticipantId(name), "user", "presenter"))

    def step(self, incoming: Input) -> bool:
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

    def someone(self, choice: int) -> ParticipantId:
        return among(self.room.participants, choice, ParticipantId("zoe"))

    def actor(self, choice: int, owner: ParticipantId | None) -> ParticipantId | None:
        """The owner, the management, or anybody."""
        return owner if choice > 5 else None if choice > 3 else self.someone(choice)

    def a_stream(self, choice: int, wild: StreamId) -> StreamId:
        return among([one.id for one in self.room.streams.values() if not one.mixed], choice, wild)

    def a_transport(self, choice: int, who: ParticipantId) -> TransportId:
        return TransportId(f"t-{who}" if choice > 2 else f"second-{who}" if choice else "shared")

    # ── commands ────────────────────────────────────────────────────────────────────────────────────

    @rule(who=people, role=st.sampled_from([*(role.name for role in ROLES), "presenter", "nobody"]))
    def join(self, who: ParticipantId, role: str) -> None:
        self.step(Join(who, "user", role))

    @precondition(lambda self: len(self.room.participants) > 1)
    @rule(who=people, how=st.sampled_from([Leave, Drop]), really=seldom)
    def go(self, who: ParticipantId, how: type[Leave | Drop], really: bool) -> None:
        if really and self.step(how(who)):
            assert who not in self.room.participants

    @rule(choice=choices, stream=streams, where=choices, tracks=st.lists(st.tuples(kinds, mids), max_size=3))
    def publish(self, choice: int, stream: StreamId, where: int, tracks: list[tuple[Kind, str]]) -> None:
        who = self.someone(choice)
        published = tuple(PublishedTrack(kind, mid, "mic") for kind, mid in tracks)
        command = Publish(who, stream, WebRtcSource(self.a_transport(where, who), published))
        if self.step(command):
            self.published[stream] = command

    @rule(choice=choices, which=choices, wild=wild_streams, really=seldom)
    def unpublish(self, choice: int, which: int, wild: StreamId, really: bool) -> None:
        stream = self.a_stream(which, wild)
        known = self.room.streams.get(stream)
        who = self.actor(choice, known.owner if known else None)
        if really and self.step(Unpublish(who, stream)) and known and known.owner == who:
            self.clients.end(stream)

    @rule(
        choice=choices,
        subscription=subscriptions,
        where=choices,
        wild=wild_streams,
        wanted=st.lists(st.tuples(kinds, choices, mids, parameters), max_size=2),
    )
    def subscribe(
        self, choice: int, subscription: SubscriptionId, where: int, wild: StreamId, wanted: list[Wanted]
    ) -> None:
        who = self.someone(choice)
        live = [one.id for one in self.room.live_streams() if not one.mixed]
        tracks = tuple(
            SubscribedTrack(kind, among(live, which, wild), mid=mid, parameters=asked)
            for kind, which, mid, asked in wanted
        )
        self.step(Subscribe(who, subscription, WebRtcSink(self.a_transport(where, who)), tracks))

    @rule(choice=choices, wild=subscriptions, which=choices, really=seldom)
    def unsubscribe(self, choice: int, wild: SubscriptionId, which: int, really: bool) -> None:
        subscription = among(self.room.subscriptions, which, wild)
        known = self.room.subscriptions.get(subscription)
        who = self.actor(choice, known.owner if known else None)
        if really and self.step(Unsubscribe(who, subscription)) and known and known.owner == who:
            self.clients.end(subscription)

    @rule(choice=choices, which=choices, wild=wild_streams, muted=some_kinds, active=st.booleans())
    def mute(self, choice: int, which: int, wild: StreamId, muted: tuple[Kind, ...], active: bool) -> None:
        stream = self.a_stream(which, wild)
        known = self.room.streams.get(stream)
        self.step(SetStreamActive(self.actor(choice, known.owner if known else None), stream, muted, active))

    @rule(choice=choices, which=choices, wild=subscriptions, paused=some_kinds, active=st.booleans())
    def pause(
        self, choice: int, which: int, wild: SubscriptionId, paused: tuple[Kind, ...], active: bool
    ) -> None:
        subscription = among(self.room.subscriptions, which, wild)
        known = self.room.subscriptions.get(subscription)
        who = self.actor(choice, known.owner if known else None)
        self.step(SetSubscriptionActive(who, subscription, paused, active))

    @rule(who=people, publishes=grants, subscribes=grants)
    def permit(self, who: ParticipantId, publishes: Grant, subscribes: Grant) -> None:
        self.step(SetPermission(who, Permission(publishes, subscribes)))

    @rule(who=people, to=people | st.just("all"), size=st.sampled_from([0, 2048, 2049]))
    def text(self, who: ParticipantId, to: str, size: int) -> None:
        self.step(SendText(who, to, "x" * size))

    @rule(choice=choices, which=choices, wild=wild_streams, view=st.sampled_from(["common", "other"]))
    def mix(self, choice: int, which: int, wild: StreamId, view: str) -> None:
        stream = self.a_stream(which, wild)
        for command in (Mix, Unmix):
            self.step(command(self.actor(choice, None), stream, view))

    @rule(really=st.integers(0, 40))
    def close(self, really: int) -> None:
        if really == 40:
            self.step(Close())

    # ── reports and time ────────────────────────────────────────────────────────────────────────────

    @rule(which=choices, wild=wild_streams, lacking=seldom)
    def source_ready(self, which: int, wild: StreamId, lacking: bool) -> None:
        stream = self.a_stream(which, wild)
        known = self.published.get(stream)
        tracks = known.source.tracks[lacking:] if known else ()
        self.step(SourceReady(stream, tuple(_track(stream, published) for published in tracks)))

    @rule(which=choices, wild=wild_streams, really=seldom)
    def source_lost(self, which: int, wild: StreamId, really: bool) -> None:
        if really:
            self.step(SourceLost(self.a_stream(which, wild), "gone"))

    @rule(which=choices, wild=subscriptions, lost=seldom)
    def sink(self, which: int, wild: SubscriptionId, lost: bool) -> None:
        subscription = among(self.room.subscriptions, which, wild)
        self.step(SinkLost(subscription, "gone") if lost else SinkReady(subscription))

    @rule(choice=choices, where=choices, lost=seldom)
    def transport(self, choice: int, where: int, lost: bool) -> None:
        transport = self.a_transport(where, self.someone(choice))
        self.step(TransportLost(transport, "gone") if lost else TransportReady(transport))

    @rule(which=choices, wild=wild_streams, width=st.sampled_from([320, 640]))
    def resolution(self, which: int, wild: StreamId, width: int) -> None:
        self.step(ResolutionSeen(self.a_stream(which, wild), None, Resolution(width, 240)))

    @rule(passed_s=st.sampled_from([0.0, 1.0, 10.0, -5.0, 40.0]))
    def tick(self, passed_s: float) -> None:
        self.step(Tick(self.now + passed_s))
        self.now = max(self.now, self.now + passed_s)
        deadline = self.room.deadline
        assert deadline is None or self.now < deadline <= self.now + TIMEOUT_S

    def teardown(self) -> None:
        """When everybody has gone, nothing of them is left."""
        if not hasattr(self, "room") or self.room.closed:
            return
        for who in list(self.room.participants):
            self.step(Leave(who))
        self.fresh["_negotiations"]._now = self.room._negotiations._now
        assert snapshot(self.room) == self.fresh

    # ── what always holds ───────────────────────────────────────────────────────────────────────────

    @invariant()
    def everybody_sees_the_room_as_it_is(self) -> None:
        assert list(self.audience.participants) == list(self.room.participants)
        seen = {stream.id: stream for stream in self.room.live_streams()}
        assert self.audience.streams == seen

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


def _track(stream: StreamId, published: PublishedTrack) -> Track:
    codec = OPUS if published.kind == "audio" else VP8
    track_id = TrackId(f"{stream}-{published.mid}")
    return Track(published.kind, codec, published.source, id=track_id, mid=published.mid)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=80, deadline=None, derandomize=True)
