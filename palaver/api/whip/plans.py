"""From an offer to the command that it means: what a client of WHIP publishes, what one of WHEP receives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from palaver.api.whip.refusals import stream_not_found
from palaver.media.ports import NegotiationError
from palaver.room.endpoints import PublishedTrack
from palaver.room.values import KINDS, Kind, Stream, StreamId, StreamState, SubscribedTrack, VideoFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from palaver.host import RoomHost
    from palaver.media.webrtc.offers import OfferedSection

_SOURCES: Final[Mapping[Kind, str]] = {"audio": "mic", "video": "camera"}
"""OWT's words for where a track comes from; an encoder does not tell."""


def published(sections: Sequence[OfferedSection]) -> tuple[PublishedTrack, ...]:
    """What an encoder sends. Raises NegotiationError."""
    sending = [section for section in sections if section.sends]
    if not sending:
        raise NegotiationError("the offer sends nothing: expected a sendonly or sendrecv section")
    kinds = [section.kind for section in sending]
    for kind in KINDS:
        if kinds.count(kind) > 1:  # RFC 9725 §4.4.2
            raise NegotiationError(f"the offer sends {kinds.count(kind)} {kind} tracks: expected one at most")
    return tuple(PublishedTrack(one.kind, one.mid, _SOURCES[one.kind]) for one in sending)


def subscribed(stream: Stream, sections: Sequence[OfferedSection]) -> tuple[SubscribedTrack, ...]:
    """What a player gets of ``stream``: a track for the first section of each kind. Raises NegotiationError."""
    mids: dict[Kind, str] = {}
    for section in sections:
        if section.receives:
            mids.setdefault(section.kind, section.mid)
    if not mids:
        raise NegotiationError("the offer receives nothing: expected a recvonly or sendrecv section")
    shared = [kind for kind in KINDS if kind in mids and stream.track(kind)]
    if not shared:
        raise NegotiationError(f"the offer has no section for what the stream has: {described(stream)}")
    return tuple(SubscribedTrack(kind, stream.id, mid=mids[kind]) for kind in shared)


async def playable(host: RoomHost, wanted: str | None, timeout_s: float) -> Stream:
    """The stream to play; ``wanted`` None: the first view's, without views the oldest. Raises ApiError.

    One whose publisher is still connecting is waited for: people start both ends at once.
    """
    if wanted is None:
        stream = next(iter(host.room.live_streams()), None)
    else:
        stream = await _arrived(host, StreamId(wanted), timeout_s)
    if stream is None:
        raise stream_not_found()
    return stream


async def _arrived(host: RoomHost, wanted: StreamId, timeout_s: float) -> Stream | None:
    """The live stream ``wanted``, or None."""
    changed = asyncio.Event()
    stop = host.listen(lambda _: changed.set())
    try:
        async with asyncio.timeout(timeout_s):
            while (stream := host.room.streams.get(wanted)) is not None:
                if stream.state is StreamState.LIVE:
                    return stream
                changed.clear()
                await changed.wait()
    except TimeoutError:
        pass
    finally:
        stop()
    return None


def described(stream: Stream) -> str:
    """The tracks of a stream, for people: ``audio opus, video h264 CB``."""
    words = []
    for track in stream.tracks:
        profile = track.format.profile if isinstance(track.format, VideoFormat) else None
        words.append(" ".join(filter(None, (track.kind, track.format.codec, profile))))
    return ", ".join(words)
