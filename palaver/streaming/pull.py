"""Streams of other servers, fetched by a child process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.media.endpoints import EndpointKind
from palaver.media.pipelines.confinement import Confinement
from palaver.media.pipelines.control import PipelineKind
from palaver.room.endpoints import PullSource
from palaver.room.messages import OpenSource
from palaver.streaming.control import PULLER_REPORTS, Pull
from palaver.streaming.source import ChildSource, Patience

if TYPE_CHECKING:
    from palaver.media.endpoints import Endpoint, RoomMedia
    from palaver.room.messages import OpenSink

PULLER: Final = PipelineKind(
    "palaver.streaming.puller_process:run", PULLER_REPORTS, confinement=Confinement(network=True)
)
FIRST_S: Final = 15.0
"""Until media flows for the first time."""


def pull(*, allow_loopback: bool, tls_verify: bool, give_up_s: float) -> EndpointKind:
    """The kind of source, for the composition. ``give_up_s``: so long it may be interrupted; 0: for ever."""

    def open_source(action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
        assert isinstance(action, OpenSource)
        source = action.source
        assert isinstance(source, PullSource)
        first = Pull(
            url=source.url,
            transport=source.protocol,
            buffer_size=source.buffer_size,
            audio=source.audio,
            video=source.video,
            loop=source.loop,
            allow_loopback=allow_loopback,
            tls_verify=tls_verify,
        )
        return ChildSource(action, media, PULLER, first, Patience(FIRST_S, give_up_s))

    return EndpointKind(open_source, (PULLER.module,))
