"""A streaming-out as its node sees it: a sink with a process for each place that it sends to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palaver.media.endpoints import EndpointKind, EndpointLost
from palaver.media.pipelines.confinement import Confinement
from palaver.media.pipelines.control import AddInput, Failed, PipelineKind, RemoveInput, SetInputActive
from palaver.media.pipelines.supervisor import PipelineSupervisor
from palaver.room.endpoints import PushSink
from palaver.room.messages import ForgetSinkOrigin, OpenSink, SetSinkActive, SetSinkOrigin
from palaver.room.reasons import SOURCE_LOSS
from palaver.streaming.control import PUSHER_REPORTS, Connected, Interrupted, Push

if TYPE_CHECKING:
    from msgspec import Struct

    from palaver.media.endpoints import RoomMedia, Tap
    from palaver.room.endpoints import PushTarget
    from palaver.room.messages import Action, OpenSource
    from palaver.room.values import Kind, SubscribedTrack
    from palaver.streaming.targets import State, TargetStates

LOST: Final = "the server takes nothing, or the process that sends has ended"
GRACE_S: Final = 60.0
"""So long a streaming-out waits for a stream when all that it sent have ended."""
PUSHER: Final = PipelineKind(
    "palaver.streaming.pusher_process:run",
    PUSHER_REPORTS,
    finish_s=4.0,
    confinement=Confinement(network=True),
)


class PushedSink:
    """Owns what goes to the targets of one streaming-out; see Endpoint. A target that fails disturbs no other."""

    def __init__(
        self,
        action: OpenSink,
        media: RoomMedia,
        states: TargetStates,
        *,
        allow_loopback: bool,
        tls_verify: bool,
    ) -> None:
        assert isinstance(action.sink, PushSink)
        self._id, self._media, self._states = str(action.subscription.id), media, states
        self._allow_loopback, self._tls_verify = allow_loopback, tls_verify
        self.sink = action.sink
        self.tracks: dict[Kind, SubscribedTrack] = {track.kind: track for track in action.subscription.tracks}
        self.inactive = {track.kind for track in action.subscription.tracks if not track.active}
        self.gone: set[Kind] = set()
        self._lost = asyncio.Event()
        self._waiting: asyncio.TimerHandle | None = None
        self._targets = [_Target(self, media, number) for number in range(len(action.sink.targets))]

    async def run(self) -> None:
        """See Endpoint."""
        for number in range(len(self._targets)):
            self._states.set(self._id, number, "connecting", "")
        self._media.ready()
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = [tasks.create_task(target.run()) for target in self._targets]
                without_source = tasks.create_task(self._lost.wait())
                await asyncio.wait(
                    (asyncio.gather(*sending, return_exceptions=True), without_source),
                    return_when="FIRST_COMPLETED",
                )
                for task in (*sending, without_source):
                    task.cancel()
        finally:
            self._states.forget(self._id)
            if self._waiting is not None:
                self._waiting.cancel()
        raise EndpointLost(SOURCE_LOSS if self._lost.is_set() else self._targets[0].reason)

    def change(self, action: Action) -> None:
        """See Endpoint."""
        match action:
            case SetSinkActive(kind=kind, active=active):
                (self.inactive.discard if active else self.inactive.add)(kind)
                for target in self._targets:
                    target.set_active(kind, active)
            case SetSinkOrigin(track=track):
                self.tracks[track.kind] = track
                self.gone.discard(track.kind)
                self._draw(track.kind)
            case ForgetSinkOrigin(kind=kind):
                self.gone.add(kind)
                self._draw(kind)
            case _:
                pass

    def _draw(self, kind: Kind) -> None:
        """A kind has another source, or none. Without any it sends black and silence for a while, and ends."""
        for target in self._targets:
            target.draw(kind)
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self.gone == set(self.tracks):
            self._waiting = asyncio.get_running_loop().call_later(GRACE_S, self._lost.set)

    def say(self, number: int, state: State, error: str) -> None:
        """A target has another state."""
        self._states.set(self._id, number, state, error)

    def request(self, number: int) -> Push:
        """What the target's process is told first."""
        target: PushTarget = self.sink.targets[number]
        picture = self.tracks.get("video")
        size = picture.parameters.resolution if picture and picture.parameters else None
        return Push(
            protocol=target.protocol,
            audio=self.sink.audio,
            video=picture.formats[0].codec if picture and picture.formats else None,
            url=target.url,
            folder=target.folder,
            width=size.width if size else 0,
            height=size.height if size else 0,
            method=target.method,
            segment_s=target.segment_s,
            listed=target.listed,
            allow_loopback=self._allow_loopback,
            tls_verify=self._tls_verify,
        )


class _Target:
    """One process after the other for one target; see PipelineUser."""

    def __init__(self, sink: PushedSink, media: RoomMedia, number: int) -> None:
        self._sink, self._media, self._number = sink, media, number
        self._taps: dict[Kind, tuple[int, Tap]] = {}
        self._numbers = 0
        self._pipeline: int | None = None
        self._final = asyncio.Event()
        self.reason = ""
        self._state: State = "connecting"
        self._folder: str = sink.sink.targets[number].folder
        writable = (self._folder,) if self._folder else ()
        pusher = replace(PUSHER, confinement=replace(PUSHER.confinement, writable=writable))
        self._supervisor = PipelineSupervisor(
            media.pipelines, pusher, media.thread, self, media.log, wanted=True
        )

    async def run(self) -> None:
        """Send until cancelled, or until trying again cannot help."""
        if self._folder:
            await asyncio.to_thread(Path(self._folder).mkdir, parents=True, exist_ok=True)
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(self._supervisor.run())
            await self._final.wait()
            working.cancel()

    def begun(self, pipeline: int) -> None:
        """A pusher takes commands."""
        self._pipeline = pipeline
        self._supervisor.say(self._sink.request(self._number))
        for kind in self._sink.tracks:
            self.draw(kind)

    def draw(self, kind: Kind) -> None:
        """Take a track from where it comes from now."""
        if kind in self._taps:
            number, tap = self._taps.pop(kind)
            tap.close()
            self._supervisor.say(RemoveInput(track=number))
        if self._pipeline is None or kind in self._sink.gone:
            return
        self._numbers += 1
        made = self._media.tap(self._sink.tracks[kind], self._pipeline, self._numbers)
        if made is None:
            return
        self._taps[kind] = (self._numbers, made)
        self._supervisor.say(AddInput(track=self._numbers, kind=kind, codec=made.format.codec))
        if kind in self._sink.inactive:
            self.set_active(kind, False)

    def set_active(self, kind: Kind, active: bool) -> None:
        """A kind is muted, or not any more."""
        if kind in self._taps:
            self._supervisor.say(SetInputActive(track=self._taps[kind][0], active=active))

    def heard(self, report: Struct) -> None:
        """The pusher said something."""
        match report:
            case Connected():
                self._say("connected", "")
            case Interrupted(reason=reason, final=final):
                self._say("failed" if final else "retrying", reason)
                if final:
                    self._final.set()
            case Failed(track=None, reason=reason):
                self._say("retrying", reason)
            case _:
                pass

    def _say(self, state: State, error: str) -> None:
        self.reason, self._state = error, state
        if error:
            self._media.log.warning("streaming-out interrupted", target=self._number, reason=error)
        self._sink.say(self._number, state, error)

    def over(self) -> None:
        """The pusher is gone; another one is started.

        Where it could say nothing of it, it hung in the library, which holds all of its threads while it connects.
        """
        self._pipeline = None
        if self._state in ("connecting", "connected"):
            self._say("retrying", LOST)
        for _, tap in self._taps.values():
            tap.close()
        self._taps.clear()


def push(states: TargetStates, *, allow_loopback: bool, tls_verify: bool) -> EndpointKind:
    """The kind of sink, for the composition."""

    def open_sink(action: OpenSource | OpenSink, media: RoomMedia) -> PushedSink:
        assert isinstance(action, OpenSink)
        return PushedSink(action, media, states, allow_loopback=allow_loopback, tls_verify=tls_verify)

    return EndpointKind(open_sink, (PUSHER.module,))
