"""SIP calls: what REST takes and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import UNSET, UnsetType, field

from palaver.api.wire.formats import Resolution, Shape, Text
from palaver.api.wire.sinks import (
    OutputPath,
    SinkMedia,
    SinkUpdate,
    WantedParameters,
    check_sink_updates,
    media_info,
)
from palaver.api.wire.streams import stream_info

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from palaver.api.wire.streams import Dialect
    from palaver.jobs.phone_call import PhoneCall
    from palaver.room.values import Kind, SubscribedTrack, Track


class CallMediaIn(Shape):
    """What the other end sends; audio always."""

    audio: bool
    video: bool


class CallAudio(Shape):
    """Audio for the other end."""

    source: Text = field(name="from")


class CallVideo(Shape):
    """Video for the other end."""

    source: Text = field(name="from")
    parameters: WantedParameters | UnsetType = UNSET


class CallMediaOut(Shape):
    """What the other end receives."""

    audio: CallAudio
    video: CallVideo | bool


class SipCallRequest(Shape):
    """Calls ``peerURI``."""

    peer: Text = field(name="peerURI")
    media_in: CallMediaIn
    media_out: CallMediaOut

    def __post_init__(self) -> None:
        if not self.media_in.audio:
            raise ValueError("mediaIn.audio: expected true")
        if self.media_out.video is True:
            raise ValueError("mediaOut.video: expected an object or false")
        if self.media_in.video != (self.media_out.video is not False):
            raise ValueError("mediaIn.video: not consistent with mediaOut.video")


class CallOutput(Shape):
    """What the other end of a call receives."""

    id: str
    media: SinkMedia


class SipCall(Shape):
    """A call that goes on."""

    id: str
    type: Literal["dial-in", "dial-out"]
    peer: str
    input: dict[str, Any]
    output: CallOutput


class CallUpdate(Shape, forbid_unknown_fields=True):
    """Changes what the other end of a call receives."""

    op: Literal["replace"]
    path: OutputPath
    value: str | int | Resolution


def check_call_updates(updates: list[CallUpdate]) -> None:
    """Raise ProtocolError unless each value fits its path."""
    check_sink_updates(
        [SinkUpdate(op=one.op, path=one.path.removeprefix("/output"), value=one.value) for one in updates]
    )


def sipcall_info(
    call: PhoneCall,
    tracks: Sequence[SubscribedTrack],
    sources: Mapping[Kind, Track | None],
    dialect: Dialect,
) -> dict[str, Any]:
    """A call as it is; ``tracks`` are what the phone receives, in the codecs of the call."""
    stream, config = call.host.room.streams.get(call.stream), call.host.room.config
    live = stream is not None and stream.tracks
    return {
        "id": call.id,
        "type": call.direction,
        "peer": call.peer,
        "input": stream_info(stream, config, dialect, rest=True) if stream is not None and live else {},
        "output": {
            "id": str(call.subscription),
            "media": media_info(tracks, {one.kind: call.format(one.kind) for one in tracks}, sources, ()),
        },
    }
