"""An analysis as its node sees it: a sink whose process runs the algorithm, and the source of what that shows."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from palaver.analytics.catalogue import readable
from palaver.analytics.control import OUTPUT_TRACK, REPORTS, Analyse, Begun, Broke, Observed, Show, Shows
from palaver.backoff import Backoff
from palaver.media.endpoints import EndpointKind, EndpointLost, NewTrack
from palaver.media.pipelines.confinement import Confinement
from palaver.media.pipelines.control import (
    AddInput,
    Alive,
    Failed,
    PipelineKind,
    RemoveInput,
    SetInputActive,
)
from palaver.media.pipelines.process import PipelineLost
from palaver.media.pipelines.supervisor import PipelineSupervisor
from palaver.media.ports import EngineError
from palaver.room.endpoints import AnalysisSink, AnalysisSource
from palaver.room.formats import accepted_by
from palaver.room.messages import OpenSink, OpenSource, SetSinkActive, SetSinkOrigin
from palaver.room.values import LayerPreference, Resolution, Track, VideoFormat, VideoParameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msgspec import Struct

    from palaver.analytics.results import AnalysisLog, Results
    from palaver.media.endpoints import RoomMedia, Tap
    from palaver.room.messages import Action
    from palaver.room.values import Kind, RoomId, SubscribedTrack

_TARGET: Final = "palaver.analytics.analyser:run"
_LONGEST_PAUSE_S: Final = 30.0
_STEADY_S: Final = 60.0
"""An algorithm that ran so long is not one that fails at once."""
_SHOWN: Final = (VideoFormat("vp8"), VideoFormat("h264", "CB"), VideoFormat("h264", "B"))
_KBPS_PER_PIXEL: Final = 0.0035
"""Of the analysed stream: 800 kbit/s at 640 by 360."""
_LEAST_KBPS: Final = 150.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What algorithms of this node may do: where plugins are, the bounds of a process, and of its failures."""

    paths: tuple[str, ...] = ()
    memory_mib: int = 1024
    handler_s: float = 10.0
    restarts: int = 5
    network: bool = False

    def kind(self) -> PipelineKind:
        """The kind of process. Another one is started by the sink itself, which counts how often."""
        allowed = Confinement(network=self.network, readable=readable(self.paths), memory_mib=self.memory_mib)
        return PipelineKind(_TARGET, REPORTS, restarts=False, confinement=allowed)


class Analysing:
    """The analyses of a node by room and id: the source of one that shows something finds its sink here."""

    def __init__(self, results: Results, policy: Policy) -> None:
        self.results, self.policy = results, policy
        self.kind = policy.kind()
        self._sinks: dict[tuple[RoomId, str], AnalysingSink] = {}

    @contextmanager
    def entered(self, room: RoomId, sink: AnalysingSink) -> Iterator[None]:
        """Within this block it is found."""
        self._sinks[room, sink.id] = sink
        try:
            yield
        finally:
            if self._sinks.get((room, sink.id)) is sink:
                del self._sinks[room, sink.id]

    def sink(self, room: RoomId, analysis: str) -> AnalysingSink | None:
        """The sink of an analysis that runs."""
        return self._sinks.get((room, analysis))

    def kinds(self) -> dict[type, EndpointKind]:
        """Both kinds of endpoint, for the engine."""
        module = _TARGET.partition(":")[0]
        return {
            AnalysisSink: EndpointKind(self._open_sink, (module,)),
            AnalysisSource: EndpointKind(self._open_source),
        }

    def _open_sink(self, action: OpenSource | OpenSink, media: RoomMedia) -> AnalysingSink:
        assert isinstance(action, OpenSink)
        return AnalysingSink(action, media, self)

    def _open_source(self, action: OpenSource | OpenSink, media: RoomMedia) -> AnalysedSource:
        assert isinstance(action, OpenSource)
        return AnalysedSource(action, media, self)


class AnalysingSink:
    """Owns the processes of one analysis, one after the other; see Endpoint and PipelineUser."""

    def __init__(self, action: OpenSink, media: RoomMedia, analysing: Analysing) -> None:
        assert isinstance(action.sink, AnalysisSink)
        self.id, self._sink = str(action.subscription.id), action.sink
        self._media, self._analysing, self._results = media, analysing, analysing.results
        self._tracks: dict[Kind, SubscribedTrack] = {one.kind: one for one in action.subscription.tracks}
        self._inactive = {one.kind for one in action.subscription.tracks if not one.active}
        self._taps: dict[Kind, tuple[int, Tap]] = {}
        self._number = OUTPUT_TRACK
        self._wants: Begun | None = None
        self._broke: Broke | None = None
        self._was_ready = False
        self.pipeline: int | None = None
        self.shown: Shows | None = None
        self.source: AnalysedSource | None = None
        self._log: AnalysisLog | None = None
        self._supervisor = PipelineSupervisor(
            media.pipelines, analysing.kind, media.thread, self, media.log, wanted=True
        )

    # ── its life ────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """See Endpoint."""
        source = next(iter(self._tracks.values())).stream
        room = self._media.room
        backoff, failures = Backoff(most_s=_LONGEST_PAUSE_S, good_s=_STEADY_S), 0
        try:
            with self._analysing.entered(room, self):
                while True:
                    log = self._log = self._results.begin(self.id, room, self._sink.algorithm, source)
                    begun = asyncio.get_running_loop().time()
                    reason = await self._one()
                    lasted_s = asyncio.get_running_loop().time() - begun
                    failures = 1 if lasted_s >= _STEADY_S else failures + 1
                    again = backoff.after(lasted_s) if self._may_go_on(failures) else None
                    where = self._broke.traceback if self._broke is not None else ""
                    self._results.failed(log, reason, where, again)
                    if again is None:
                        log.given_up = reason
                        raise EndpointLost(reason)
                    await asyncio.sleep(again)
        finally:
            if self._log is not None:
                self._results.end(self._log)

    def _may_go_on(self, failures: int) -> bool:
        """One that never began is a mistake of whoever asked for it: told at once."""
        return self._was_ready and failures <= self._analysing.policy.restarts

    async def _one(self) -> str:
        """Let one process work for as long as it does; why it ended."""
        self._broke = self._wants = None
        try:
            await self._supervisor.run()
        except (PipelineLost, EngineError) as lost:
            return self._said() or str(lost)
        raise AssertionError("a supervisor runs until it fails")

    def _said(self) -> str:
        """What the algorithm said at its end."""
        return self._broke.error if self._broke is not None else ""

    def change(self, action: Action) -> None:
        """See Endpoint."""
        match action:
            case SetSinkActive(kind=kind, active=active):
                (self._inactive.discard if active else self._inactive.add)(kind)
                self._tell_active(kind)
            case SetSinkOrigin(track=track):
                self._tracks[track.kind] = track
                self._draw(track.kind)
            case _:
                pass

    # ── its pipeline ────────────────────────────────────────────────────────────────────────────────

    def begun(self, pipeline: int) -> None:
        """See PipelineUser."""
        self.pipeline = pipeline
        policy = self._analysing.policy
        self._supervisor.say(
            Analyse(
                algorithm=self._sink.algorithm,
                parameters=self._sink.parameters,
                paths=list(policy.paths),
                handler_s=policy.handler_s,
            )
        )

    def over(self) -> None:
        """See PipelineUser."""
        self.pipeline = self.shown = None
        for _, tap in self._taps.values():
            tap.close()
        self._taps.clear()
        if self.source is not None:
            self.source.interrupt()

    def heard(self, report: Struct) -> None:
        """See PipelineUser."""
        log = self._log
        assert log is not None
        match report:
            case Observed(name=name, data=data, at_ns=at_ns):
                age_s = max(time.monotonic_ns() - at_ns, 0) / 1e9
                self._results.seen(log, name, data, age_s)
            case Begun():
                self._start(report, log)
            case Shows():
                self.shown = report
                log.shows.set()
                if self.source is not None:
                    self.source.publish()
            case Broke():
                self._broke = report
            case Failed(track=0, reason=reason):
                self._results.seen(log, "undecodable", {"reason": reason})
            case Alive(counters=counters):
                log.counters = counters
            case _:
                pass

    def _start(self, wants: Begun, log: AnalysisLog) -> None:
        self._wants = wants
        for kind in self._tracks:
            self._draw(kind)
        self._was_ready = True
        log.status, log.error = "running", ""
        self._media.ready()

    def _draw(self, kind: Kind) -> None:
        """Take a track from where it comes from now, in the smallest layer that suffices."""
        if kind in self._taps:
            number, tap = self._taps.pop(kind)
            tap.close()
            self._supervisor.say(RemoveInput(track=number))
        wants = self._wants
        if self.pipeline is None or wants is None or not (wants.audio if kind == "audio" else wants.video):
            return
        self._number += 1
        track = self._tracks[kind]
        layer = _sufficient(track.layer, wants) if kind == "video" else None
        tapped = self._media.tap(track, self.pipeline, self._number, layer=layer)
        if tapped is None:
            return
        self._taps[kind] = (self._number, tapped)
        self._supervisor.say(AddInput(track=self._number, kind=kind, codec=tapped.format.codec))
        if kind in self._inactive:
            self._tell_active(kind)

    def _tell_active(self, kind: Kind) -> None:
        if kind in self._taps:
            self._supervisor.say(SetInputActive(track=self._taps[kind][0], active=kind not in self._inactive))

    def show(self, form: VideoFormat) -> Show:
        """What the process is told so that it encodes what it shows; says it, too."""
        assert self.shown is not None
        asked = self._sink.output or VideoParameters()
        size = asked.resolution or Resolution(0, 0)
        width, height = size.width or self.shown.width, size.height or self.shown.height
        kbps = max(width * height * _KBPS_PER_PIXEL, _LEAST_KBPS)
        if isinstance(asked.bitrate, int | float):
            kbps = float(asked.bitrate)
        elif asked.bitrate is not None:
            kbps *= float(asked.bitrate.removeprefix("x"))
        command = Show(
            codec=form.codec,
            profile=form.profile,
            width=size.width,
            height=size.height,
            framerate=min(asked.framerate or self.shown.fps, 240.0),
            bitrate_kbps=kbps,
            key_frame_interval_s=asked.key_frame_interval or 100.0,
        )
        self._supervisor.say(command)
        return command


def _sufficient(asked: LayerPreference, wants: Begun) -> LayerPreference:
    """The layer to tap: as layers double in size and rate, the largest below twice of what is wanted is the smallest
    that suffices.
    """
    if asked.rid is not None:
        return asked
    return replace(
        asked,
        max_width=max(2 * wants.width - 2, 0),
        max_height=max(2 * wants.height - 2, 0),
        max_framerate=2 * wants.fps - 0.1 if wants.fps else 0.0,
    )


class AnalysedSource:
    """The stream that an analysis shows; see Endpoint. It lasts as long as its analysis."""

    def __init__(self, action: OpenSource, media: RoomMedia, analysing: Analysing) -> None:
        """Raises EndpointLost if the room takes nothing that could be shown, or there is no such analysis."""
        assert isinstance(action.source, AnalysisSource)
        asked = action.source.format
        takes = [one for one in _SHOWN if accepted_by(action.video_in, one)]
        if asked is not None:
            takes = [one for one in takes if one.codec == asked.codec] or takes
        found = analysing.sink(media.room, action.source.analysis)
        if not takes:
            raise EndpointLost("the room takes neither VP8 nor H264")
        if found is None:
            raise EndpointLost("its analysis does not run")
        self._media, self._sink, self._form = media, found, takes[0]
        self._ready = self._interrupted = False

    async def run(self) -> None:
        """See Endpoint."""
        self._sink.source = self
        try:
            self.publish()
            await asyncio.Event().wait()
        finally:
            if self._sink.source is self:
                self._sink.source = None

    def change(self, action: Action) -> None:
        """See Endpoint: muting is the engine's."""

    def publish(self) -> None:
        """Make a track of what the analysis shows now."""
        if self._sink.pipeline is None or self._sink.shown is None:
            return
        said = self._sink.show(self._form)
        size = Resolution(said.width or self._sink.shown.width, said.height or self._sink.shown.height)
        self._media.publish(NewTrack(self._form, size=size), self._sink.pipeline, OUTPUT_TRACK)
        parameters = VideoParameters(size, said.framerate)
        track = Track("video", self._form, parameters=parameters)
        if not self._ready:
            self._ready = True
            self._media.ready((track,))
        else:
            self._interrupted = False
            self._media.resumed((track,))

    def interrupt(self) -> None:
        """The process is gone; another may take its place."""
        if self._ready and not self._interrupted:
            self._interrupted = True
            self._media.interrupted("the algorithm was lost")
