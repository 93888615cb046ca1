"""What goes into a mixer or transcoder and what comes out, as its node sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from palaver.room.values import AudioFormat, Kind, ParticipantId, StreamId, VideoParameters

if TYPE_CHECKING:
    from palaver.media.tracks import CoreTrack
    from palaver.room.values import Format


@dataclass(frozen=True, slots=True)
class EncodedForm:
    """One form of what is produced. Equal ones are produced once.

    ``parameters``, of video, are complete but for the resolution, which may be left to the input. ``listener``: whose
    own sound is left out.
    """

    format: Format
    parameters: VideoParameters | None = None
    listener: ParticipantId | None = None

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return "audio" if isinstance(self.format, AudioFormat) else "video"

    @property
    def for_anybody(self) -> EncodedForm:
        """The form without its listener: limits count it once, however many hear mixes of their own in it."""
        return self if self.listener is None else replace(self, listener=None)


@dataclass(eq=False, slots=True)
class EncodedTrack:
    """A form that is asked for: a producer of the core like any other.

    ``users`` counts who needs it, ``connected`` who of them is there: it is encoded for these.
    """

    form: EncodedForm
    track: int
    producer: int
    users: int = 0
    connected: int = 0


@dataclass(frozen=True, slots=True)
class InputTrack:
    """A track that is mixed or transcoded, as it is at a moment; ``name`` is shown where its picture would be."""

    stream: StreamId
    producer: int
    format: Format
    owner: ParticipantId | None = None
    name: str = ""
    active: bool = True

    @classmethod
    def of(cls, track: CoreTrack, name: str = "") -> InputTrack | None:
        """The track as it is now; None if no decoder knows its format."""
        if track.format is None:
            return None
        shown = track.active and not (track.stalled and track.kind == "video")
        return cls(track.stream, track.producer, track.format, track.owner, name, shown)

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return "audio" if isinstance(self.format, AudioFormat) else "video"
