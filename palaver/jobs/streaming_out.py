"""Streaming-outs: streams that the server sends elsewhere, or serves itself."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import Outgoing
from palaver.room.endpoints import PushSink, PushTarget
from palaver.room.messages import Subscribe
from palaver.room.values import SubscriptionId
from palaver.streaming.urls import NotResolved, UrlPolicy, redacted

if TYPE_CHECKING:
    from pathlib import Path

StreamingProtocol: TypeAlias = Literal["rtmp", "rtsp", "hls", "dash"]
KEY_FRAMES_S: Final = 2.0
"""From one key frame to the next, for live targets."""


@dataclass(frozen=True, slots=True)
class Segments:
    """How HLS and DASH are cut: seconds of a segment, and segments in the playlist."""

    method: Literal["PUT", "POST"] = "PUT"
    seconds: float = KEY_FRAMES_S
    listed: int = 5


@dataclass(frozen=True, slots=True)
class StreamingOut(Outgoing):
    """What to send where. Without ``urls`` it is served under ``live``, a name that nobody can guess."""

    protocol: StreamingProtocol = "rtmp"
    urls: tuple[str, ...] = field(default=(), repr=False)
    live: str = field(default="", repr=False)
    segments: Segments = field(default_factory=Segments)
    sound: Literal["aac", "opus"] = "aac"
    by: Literal["", "page"] = ""


class StreamingOuts:
    """The kind of job. ``folder``: where the files are that the server itself serves."""

    name = "streaming-out"
    request: type[Any] = StreamingOut

    def __init__(self, policy: UrlPolicy, folder: Path) -> None:
        self._policy, self._folder = policy, folder

    async def check(self, request: StreamingOut) -> None:
        """See JobKind."""
        for url in request.urls:
            try:
                await self._policy.resolve(url)
            except NotResolved as problem:
                raise JobFailed(str(problem)) from None
        await self.clean_up(request)

    def command(self, job: str, request: StreamingOut) -> Subscribe:
        """See JobKind."""
        cut = request.segments
        places = [(url, "") for url in request.urls] or [("", str(self._folder / request.live))]
        targets = tuple(
            PushTarget(request.protocol, url, folder, cut.method, cut.seconds, cut.listed)
            for url, folder in places
        )
        tracks = tuple(replace(one, active=one.kind not in request.inactive) for one in request.tracks())
        return Subscribe(None, SubscriptionId(job), PushSink(targets, request.sound), tracks)

    def shown(self, request: StreamingOut) -> StreamingOut:
        """See JobKind."""
        return replace(request, urls=tuple(redacted(url) for url in request.urls))

    async def clean_up(self, request: StreamingOut) -> None:
        """See JobKind: nobody is served the files of one that has ended."""
        if request.live:
            await asyncio.to_thread(_remove, self._folder / request.live)


def _remove(folder: Path) -> None:
    """Remove a folder that a process may still write to: under another name, which that process does not know."""
    doomed = folder.with_name(f".{folder.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    with contextlib.suppress(OSError):  # there is none
        folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
