"""Streaming-ins: what REST takes. The answer is a stream."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from palaver.api.wire.attributes import check_attributes
from palaver.api.wire.formats import Shape, Text
from palaver.api.wire.urls import check_source_url
from palaver.jobs.streaming_in import StreamingIn


class Connection(Shape, forbid_unknown_fields=True):
    """Where to fetch a stream. ``bufferSize`` (bytes) is for udp; ``loop``: a file begins again at its end.

    The URL ``test:bars`` stands for a test picture.
    """

    url: Text
    transport_protocol: Literal["tcp", "udp"] = "tcp"
    buffer_size: Annotated[int, Meta(ge=1, le=1 << 30)] = 8192
    origin: Any = UNSET
    loop: bool = False

    def __post_init__(self) -> None:
        check_source_url(self.url)


class StreamingInMedia(Shape, forbid_unknown_fields=True):
    """Which kinds to take; "auto" takes what there is."""

    audio: Literal["auto"] | bool
    video: Literal["auto"] | bool

    def __post_init__(self) -> None:
        if not self.audio and not self.video:
            raise ValueError("audio: expected true or auto where video is false")


class StreamingInRequest(Shape, forbid_unknown_fields=True):
    """Starts a streaming-in."""

    connection: Connection
    media: StreamingInMedia
    attributes: dict[str, Any] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not isinstance(self.attributes, UnsetType):
            check_attributes(self.attributes)

    def job(self) -> StreamingIn:
        """The job that it asks for."""
        return StreamingIn(
            url=self.connection.url,
            audio=self.media.audio,
            video=self.media.video,
            protocol=self.connection.transport_protocol,
            buffer_size=self.connection.buffer_size,
            loop=self.connection.loop,
            attributes=None if isinstance(self.attributes, UnsetType) else self.attributes,
        )
