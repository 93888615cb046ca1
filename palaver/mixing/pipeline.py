"""One mixer or transcoder: its inputs and outputs as they are wanted, told to whatever process runs."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palaver.media.pipelines.control import AddInput, Failed, RemoveInput, SetInputActive
from palaver.media.pipelines.supervisor import PipelineSupervisor
from palaver.mixing.control import AddAudioOutput, AddVideoOutput, RemoveOutput, Speaking
from palaver.mixing.layers import compose_command, layer_heights
from palaver.mixing.tracks import EncodedForm, EncodedTrack, InputTrack
from palaver.room.values import AudioFormat, Kind, ParticipantId, StreamId, VideoParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    import structlog
    from msgspec import Struct

    from palaver.media.pipelines.control import PipelineKind
    from palaver.media.pipelines.supervisor import Pipelines
    from palaver.room.values import Composition


@dataclass(eq=False, slots=True)
class _Input:
    """A track that the pipeline knows, by its number; ``tap`` while the core sends it frames."""

    source: InputTrack
    track: int
    tap: int | None = None
    limit: int = 0  # pixels of height, 0: none


class MixPipeline:
    """Tells its pipeline what is wanted, and keeps one while anybody needs what it makes: see ``supervisor``."""

    def __init__(
        self,
        pipelines: Pipelines,
        kind: PipelineKind,
        thread: int,
        log: structlog.stdlib.BoundLogger,
        *,
        failed: Callable[[int, str], None],
        spoke: Callable[[StreamId], None] = lambda _: None,
    ) -> None:
        """``failed`` hears which producer cannot be encoded, and why."""
        self._core, self._thread = pipelines.core, thread
        self._failed, self._spoke = failed, spoke
        self._numbers = itertools.count(1)
        self._inputs: dict[tuple[StreamId, Kind], _Input] = {}
        self._outputs: dict[EncodedForm, EncodedTrack] = {}
        self._forms: Counter[EncodedForm] = Counter()
        self._composition: Composition | None = None
        self._handle: int | None = None
        self.supervisor = PipelineSupervisor(pipelines, kind, thread, self, log)

    # ── what is wanted ──────────────────────────────────────────────────────────────────────────────

    @property
    def forms(self) -> Collection[EncodedForm]:
        """The forms that are asked for, mixes of their own for listeners aside."""
        return self._forms.keys()

    @property
    def encoded(self) -> int:
        """How many forms are encoded, such mixes included."""
        return len(self._encoded())

    def demand(self, form: EncodedForm) -> EncodedTrack:
        """One more will need this form; :meth:`begin` says from when on."""
        output = self._outputs.get(form)
        if output is None:
            producer = self._core.create_output(self._thread, form.format.codec)
            output = self._outputs[form] = EncodedTrack(form, next(self._numbers), producer)
            self._forms[form.for_anybody] += 1
        output.users += 1
        return output

    def begin(self, output: EncodedTrack) -> None:
        """One of those who need it is connected: with the first one, encoding begins."""
        if self._outputs.get(output.form) is not output:
            return
        output.connected += 1
        if output.connected == 1:
            self._connect(output)
            self._tap_inputs()
            self.supervisor.want(True)

    def release(self, output: EncodedTrack, *, connected: bool) -> None:
        """One less needs it, one that was ``connected`` or not; the last one ends it."""
        output.users -= 1
        output.connected -= connected
        if self._outputs.get(output.form) is not output:
            return
        if output.users <= 0:
            self._forget(output)
        elif connected and output.connected == 0:
            self._stop(output)
        if not any(one.connected for one in self._outputs.values()):
            self.supervisor.want(False)

    def _stop(self, output: EncodedTrack) -> None:
        """Encode it no more."""
        self.supervisor.say(RemoveOutput(track=output.track))
        self._tap_inputs()

    def _forget(self, output: EncodedTrack) -> None:
        del self._outputs[output.form]
        shared = output.form.for_anybody
        self._forms[shared] -= 1
        if not self._forms[shared]:
            del self._forms[shared]
        self._core.unpublish(output.producer)
        self._stop(output)

    def abandon(self) -> None:
        """Nobody will need anything of it again."""
        for output in list(self._outputs.values()):
            self._forget(output)
        self.supervisor.want(False)

    def set_inputs(self, tracks: Iterable[InputTrack]) -> None:
        """These tracks are the inputs from now on."""
        wanted = {(track.stream, track.kind): track for track in tracks}
        for key, known in list(self._inputs.items()):
            new, old = wanted.get(key), known.source
            if new is None or (new.producer, new.format) != (old.producer, old.format):
                del self._inputs[key]
                self._untap(known)
                self.supervisor.say(RemoveInput(track=known.track))
        for key, track in wanted.items():
            present = self._inputs.get(key)
            if present is None:
                added = self._inputs[key] = _Input(track, next(self._numbers))
                self._introduce(added)
            elif present.source.active != track.active:
                present.source = track
                self.supervisor.say(SetInputActive(track=present.track, active=track.active))
        self._renew_listeners()
        self._tap_inputs()

    def compose(self, composition: Composition) -> None:
        """The view looks like this from now on."""
        self._composition = composition
        for stream, height in layer_heights(composition):
            if (one := self._inputs.get((stream, "video"))) is not None:
                one.limit = height
                self._limit(one)
        self._tell_composition()

    # ── a pipeline comes and goes ───────────────────────────────────────────────────────────────────

    def begun(self, pipeline: int) -> None:
        """See PipelineUser."""
        self._handle = pipeline
        for one in self._inputs.values():
            self._introduce(one)
        self._tell_composition()
        for output in self._encoded():
            self._connect(output)
        self._tap_inputs()

    def over(self) -> None:
        """See PipelineUser."""
        self._handle = None
        for one in self._inputs.values():
            one.tap = None  # closing the pipeline ends it

    def heard(self, report: Struct) -> None:
        """See PipelineUser."""
        match report:
            case Failed(track=int(track), reason=reason):
                for output in list(self._outputs.values()):
                    if output.track == track:
                        self._failed(output.producer, reason)
            case Speaking(track=track):
                for (stream, kind), one in self._inputs.items():
                    if one.track == track and kind == "audio":
                        self._spoke(stream)
            case _:
                pass

    # ── what it is told ─────────────────────────────────────────────────────────────────────────────

    def _introduce(self, one: _Input) -> None:
        source = one.source
        self.supervisor.say(
            AddInput(track=one.track, kind=source.kind, codec=source.format.codec, name=source.name)
        )
        if not source.active:
            self.supervisor.say(SetInputActive(track=one.track, active=False))

    def _encoded(self) -> list[EncodedTrack]:
        """What somebody who is connected needs."""
        return [one for one in self._outputs.values() if one.connected > 0]

    def _connect(self, output: EncodedTrack) -> None:
        if self._handle is None:
            return
        self._core.connect_output(output.producer, self._handle, output.track)
        self.supervisor.say(self._output_command(output))

    def _output_command(self, output: EncodedTrack) -> AddAudioOutput | AddVideoOutput:
        form = output.form
        if isinstance(form.format, AudioFormat):
            return AddAudioOutput(
                track=output.track,
                codec=form.format.codec,
                sample_rate=form.format.sample_rate or 0,
                channels=min(form.format.channels or 1, 2),
                without=self._own_inputs(form.listener),
            )
        wanted = form.parameters or VideoParameters()
        size = wanted.resolution
        return AddVideoOutput(
            track=output.track,
            codec=form.format.codec,
            profile=form.format.profile,
            width=size.width if size else 0,
            height=size.height if size else 0,
            framerate=wanted.framerate or 30.0,
            bitrate_kbps=float(wanted.bitrate or 0),
            key_frame_interval_s=wanted.key_frame_interval or 100.0,
        )

    def _own_inputs(self, listener: ParticipantId | None) -> tuple[int, ...]:
        return tuple(
            one.track
            for one in self._inputs.values()
            if listener is not None and one.source.kind == "audio" and one.source.owner == listener
        )

    def _renew_listeners(self) -> None:
        """Who publishes now what it must not hear of itself."""
        for output in self._encoded():
            if output.form.listener is not None:
                self.supervisor.say(self._output_command(output))

    def _tell_composition(self) -> None:
        if self._composition is None:
            return
        numbers = {stream: one.track for (stream, kind), one in self._inputs.items() if kind == "video"}
        if (command := compose_command(self._composition, numbers)) is not None:
            self.supervisor.say(command)
            self._tap_inputs()

    # ── what the core feeds it ──────────────────────────────────────────────────────────────────────

    def _tap_inputs(self) -> None:
        """Let the core send the frames that are needed: of a kind that has outputs, and of video that is seen."""
        if self._handle is None:
            return
        kinds = {output.form.kind for output in self._encoded()}
        for one in self._inputs.values():
            source = one.source
            needed = source.kind in kinds and (source.kind == "audio" or self._seen(source.stream))
            if needed and one.tap is None:
                one.tap = self._core.tap(source.producer, self._handle, one.track)
                self._limit(one)
            elif not needed:
                self._untap(one)

    def _untap(self, one: _Input) -> None:
        if one.tap is not None:
            self._core.unsubscribe(one.tap)
            one.tap = None

    def _limit(self, one: _Input) -> None:
        if one.tap is not None and one.source.kind == "video":
            self._core.set_layer(one.tap, None, 0, one.limit, 0.0)

    def _seen(self, stream: StreamId) -> bool:
        if self._composition is None:
            return True
        return any(placement.stream == stream for placement in self._composition.placements)
