"""Streaming-ins: streams that the server fetches from elsewhere, or generates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from palaver.jobs.kinds import JobFailed
from palaver.room.endpoints import Presence, PullSource, TestSource
from palaver.room.messages import Publish
from palaver.room.values import StreamId
from palaver.streaming.urls import NotResolved, UrlPolicy, UrlRefused, redacted

TEST_URL: Final = "test:bars"
"""Stands for a generated picture and sound."""


@dataclass(frozen=True, slots=True)
class StreamingIn:
    """What to bring into a room; ``by`` whom. ``buffer_size`` (bytes) is for ``udp``."""

    url: str = field(repr=False)
    audio: Presence = "auto"
    video: Presence = "auto"
    protocol: Literal["tcp", "udp"] = "tcp"
    buffer_size: int = 8192
    loop: bool = False
    attributes: dict[str, Any] | None = None
    by: Literal["", "page"] = ""


class StreamingIns:
    """The kind of job. ``allow_test``: whether test sources may be used."""

    name = "streaming-in"
    request: type[Any] = StreamingIn

    def __init__(self, policy: UrlPolicy, *, allow_test: bool) -> None:
        self._policy, self._allow_test = policy, allow_test

    async def check(self, request: StreamingIn) -> None:
        """See JobKind."""
        if request.url == TEST_URL:
            if not self._allow_test:
                raise UrlRefused("test sources are switched off (streaming.allow_test)")
            return
        try:
            await self._policy.resolve(request.url)
        except NotResolved as problem:
            raise JobFailed(str(problem)) from None

    def command(self, job: str, request: StreamingIn) -> Publish:
        """See JobKind."""
        source: TestSource | PullSource
        if request.url == TEST_URL:
            source = TestSource(request.audio, request.video)
        else:
            source = PullSource(
                request.audio,
                request.video,
                request.url,
                request.protocol,
                request.buffer_size,
                request.loop,
            )
        return Publish(None, StreamId(job), source, request.attributes)

    def shown(self, request: StreamingIn) -> StreamingIn:
        """See JobKind."""
        return request if request.url == TEST_URL else replace(request, url=redacted(request.url))

    async def clean_up(self, request: StreamingIn) -> None:
        """See JobKind: there is nothing."""
