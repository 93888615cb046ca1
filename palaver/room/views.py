"""The views of a room: their mixed streams, which forward streams are in them, and where."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from palaver.room.errors import Fault, RoomError
from palaver.room.ids import view_id
from palaver.room.layout import Arrangement, region_sets
from palaver.room.messages import LayoutChanged, Outcome, SetComposition, SpeakerChanged
from palaver.room.values import (
    Composition,
    GeneratedTemplate,
    MixInput,
    Placement,
    RoomConfig,
    Standing,
    Stream,
    StreamId,
    StreamState,
    SubscribedTrack,
    Track,
    View,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


Saved: TypeAlias = dict[str, tuple[Arrangement, dict[StreamId, MixInput], dict[StreamId, str]]]


def mixed_streams(config: RoomConfig) -> dict[StreamId, Stream]:
    """One live stream per view, in order, by id (``<room>-<label>``); of equal labels the first wins."""
    streams: dict[StreamId, Stream] = {}
    for view in config.views:
        stream_id = view_id(config.id, view.label)
        streams.setdefault(
            stream_id,
            Stream(stream_id, origin="mixed", state=StreamState.LIVE, tracks=_tracks(view), label=view.label),
        )
    return streams


def _tracks(view: View) -> tuple[Track, ...]:
    audio = Track("audio", view.audio_format)
    if view.video_format is None:
        return (audio,)
    return audio, Track("video", view.video_format, parameters=view.video_parameters)


@dataclass(slots=True)
class _Mix:
    """One view in the making. ``arrangement`` holds the inputs with a picture, ``inputs`` all of them.

    ``kept`` are regions that streams had before they came back, until somebody changes the layout.
    """

    stream: StreamId
    view: View
    arrangement: Arrangement
    inputs: dict[StreamId, MixInput]
    kept: dict[StreamId, str] = field(default_factory=dict)

    def seats(self, stream: Stream) -> bool:
        """Whether ``stream`` needs a region."""
        return self.view.video_format is not None and stream.track("video") is not None

    def keep_places(self) -> None:
        """Let those who came back have their regions again, as far as there are any."""
        if self.view.speaker_first:
            return
        for stream, region in self.kept.items():
            with suppress(RoomError):  # there are not enough inputs yet
                self.arrangement.move(stream, region)


@dataclass(slots=True)
class Views:
    """Changes the mixed streams, and the ``in_views`` of forward ones, in the room's own table of streams."""

    _streams: dict[StreamId, Stream]
    _mixes: dict[str, _Mix] = field(default_factory=dict)

    def open(self, config: RoomConfig) -> None:
        """Add the mixed streams of a room that begins."""
        views: dict[str | None, View] = {}
        for view in config.views:
            views.setdefault(view.label, view)
        for stream in mixed_streams(config).values():
            view = views[stream.label]
            sets = region_sets(view.base, view.max_input, view.custom)
            self._mixes[view.label] = _Mix(stream.id, view, Arrangement(sets, view.max_input), {})
            self._streams[stream.id] = stream

    def compositions(self, tracks: Iterable[SubscribedTrack]) -> list[SetComposition]:
        """Of what ``tracks`` draw from, each view as it is."""
        drawn = {track.stream for track in tracks}
        return [self._composition(mix) for mix in self._mixes.values() if mix.stream in drawn]

    def saved(self) -> Saved:
        """What ``restore`` brings back."""
        return {
            label: (mix.arrangement.copy(), dict(mix.inputs), dict(mix.kept))
            for label, mix in self._mixes.items()
        }

    def restore(self, saved: Saved) -> None:
        """Take back what was changed since; the streams are the caller's."""
        for label, (arrangement, inputs, kept) in saved.items():
            mix = self._mixes[label]
            mix.arrangement, mix.inputs, mix.kept = arrangement, inputs, kept

    # ── inputs ──────────────────────────────────────────────────────────────────────────────────────

    def mix(self, stream: Stream, label: str, name: str) -> list[Outcome]:
        """Put a forward stream into a view; where it is already, nothing changes.

        ``name`` is shown while there is no picture.
        """
        mix = self._mix(label)
        if stream.id in mix.inputs:
            return []
        mix.inputs[stream.id] = MixInput(stream.id, stream.owner, name)
        if mix.seats(stream):
            mix.arrangement.add(stream.id)
            mix.keep_places()
        self._streams[stream.id] = replace(stream, in_views=(*stream.in_views, label))
        return self._changed(mix)

    def put_back(self, stream: Stream, standing: Standing, name: str) -> list[Outcome]:
        """Put a forward stream where it stood; views that are not there any more are left out."""
        told: list[Outcome] = []
        for label, region in standing.places:
            if (mix := self._mixes.get(label)) is None:
                continue
            if region is not None:
                mix.kept[stream.id] = region
            told += self.mix(self._streams[stream.id], label, name)
        return told

    def places(self, stream: Stream) -> tuple[tuple[str, str | None], ...]:
        """See Standing."""
        return tuple((label, self._place(self._mixes[label], stream.id)) for label in stream.in_views)

    def _place(self, mix: _Mix, stream: StreamId) -> str | None:
        region = mix.arrangement.region_of(stream)
        return mix.kept.get(stream) or (region.id if region is not None else None)

    def unmix(self, stream: Stream, label: str) -> list[Outcome]:
        """Take a forward stream out of a view; where it is not, nothing changes."""
        mix = self._mix(label)
        if stream.id not in mix.inputs:
            return []
        in_views = tuple(one for one in stream.in_views if one != label)
        self._streams[stream.id] = replace(stream, in_views=in_views)
        return self._take_out(mix, stream.id)

    def ended(self, stream: Stream) -> list[Outcome]:
        """A forward stream is gone, and so from every view."""
        outputs: list[Outcome] = []
        for label in stream.in_views:
            outputs += self._take_out(self._mixes[label], stream.id)
        return outputs

    def _take_out(self, mix: _Mix, stream: StreamId) -> list[Outcome]:
        del mix.inputs[stream]
        mix.arrangement.remove(stream)
        mix.kept.pop(stream, None)
        outputs: list[Outcome] = []
        if self._streams[mix.stream].active_input == stream:
            self._streams[mix.stream] = replace(self._streams[mix.stream], active_input="unknown")
        return outputs + self._changed(mix)

    # ── places ──────────────────────────────────────────────────────────────────────────────────────

    def set_region(self, stream: Stream, label: str, region: str) -> list[Outcome]:
        """Show a forward stream in a region of a view."""
        mix = self._mix(label)
        self._check_seated(mix, stream.id)
        mix.arrangement.move(stream.id, region)
        mix.kept.clear()
        return self._changed(mix)

    def region_of(self, stream: Stream, label: str) -> str:
        """The id of the region where a forward stream is seen. Raises RoomError if it is seen nowhere."""
        mix = self._mix(label)
        self._check_seated(mix, stream.id)
        region = mix.arrangement.region_of(stream.id)
        if region is None:
            raise RoomError(Fault.REGION_NOT_FOUND, stream.id, "the stream waits for a region")
        return region.id

    def show_in_region(self, view: Stream, index: int, stream: StreamId) -> list[Outcome]:
        """Show a stream in the ``index``-th region of a mixed stream."""
        mix = self._mix(view.label or "")
        self._check_seated(mix, stream)
        mix.arrangement.exchange(index, stream)
        mix.kept.clear()
        return self._changed(mix)

    def set_layout(self, view: Stream, placements: Sequence[Placement]) -> list[Outcome]:
        """Use these regions in a mixed stream from now on."""
        mix = self._mix(view.label or "")
        if mix.view.video_format is None:
            raise RoomError(Fault.REGION_NOT_FOUND, view.id, "the view has no picture")
        for placement in placements:
            if placement.stream is not None:
                self._check_seated(mix, placement.stream)
        mix.arrangement.replace(placements)
        mix.kept.clear()
        return self._changed(mix)

    def set_template(self, view: Stream, base: GeneratedTemplate, *, speaker_first: bool) -> list[Outcome]:
        """Lay a mixed stream out by the sets of ``base`` and the application's own; everybody keeps their order."""
        mix = self._mix(view.label or "")
        if mix.view.video_format is None:
            raise RoomError(Fault.REGION_NOT_FOUND, view.id, "the view has no picture")
        mix.view = replace(mix.view, base=base, speaker_first=speaker_first)
        mix.kept.clear()
        mix.arrangement.use(region_sets(base, mix.view.max_input, mix.view.custom), mix.view.max_input)
        if speaker_first:
            mix.arrangement.put_first(StreamId(view.active_input))
        return self._changed(mix)

    def template(self, label: str) -> View:
        """A view as it is laid out now; "void" if its regions were given. Raises RoomError."""
        mix = self._mix(label)
        return replace(mix.view, base="void") if mix.arrangement.given else mix.view

    def heard(self, view: StreamId, speaker: StreamId) -> list[Outcome]:
        """Somebody else speaks; where the view wants it so, the speaker is shown first."""
        stream = self._streams.get(view)
        mix = self._mixes.get(stream.label or "") if stream else None
        if (
            stream is None
            or mix is None
            or speaker not in mix.inputs
            or not mix.view.detect_speaker
            or stream.active_input == speaker
        ):
            return []
        self._streams[view] = replace(stream, active_input=speaker)
        told: list[Outcome] = [SpeakerChanged(view, speaker)]
        if mix.view.speaker_first and mix.arrangement.put_first(speaker):
            told += self._changed(mix)
        return told

    # ── what follows ────────────────────────────────────────────────────────────────────────────────

    def _changed(self, mix: _Mix) -> list[Outcome]:
        """The new composition, and the layout if that is another."""
        stream, placements = self._streams[mix.stream], mix.arrangement.placements
        told: list[Outcome] = []
        if placements != stream.layout:
            self._streams[mix.stream] = replace(stream, layout=placements)
            told = [LayoutChanged(mix.stream, placements)]
        return [*told, self._composition(mix)]

    def _composition(self, mix: _Mix) -> SetComposition:
        inputs = tuple(mix.inputs.values())
        return SetComposition(mix.stream, Composition(mix.view, mix.arrangement.placements, inputs))

    def _mix(self, label: str) -> _Mix:
        mix = self._mixes.get(label)
        if mix is None:
            raise RoomError(Fault.VIEW_NOT_FOUND, label)
        return mix

    def _check_seated(self, mix: _Mix, stream: StreamId) -> None:
        if stream not in mix.inputs:
            raise RoomError(Fault.NOT_IN_VIEW, stream, mix.view.label)
        if stream not in mix.arrangement.inputs:
            raise RoomError(Fault.REGION_NOT_FOUND, stream, "it has no picture in the view")
