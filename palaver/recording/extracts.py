"""Thumbnails and cuts of recorded files, made on demand by a confined process for each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from palaver.media.pipelines.confinement import clean
from palaver.recording.extract import FAILED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from pathlib import Path

    from palaver.recording.formats import Container

_AT_ONCE: Final = 4
_WAIT_S: Final = 20.0
"""So long a process may be silent, and a request waits for its turn."""
_CHUNK: Final = 1 << 16
_MOST_REMEMBERED: Final = 256
_LARGEST_THUMBNAIL: Final = 1 << 18
_MODULE: Final = "palaver.recording.extract"


class ExtractFailed(Exception):
    """What was asked for cannot be taken out; the text says why."""


class Busy(ExtractFailed):
    """Too many ask at once."""


class Extracts:
    """At most four processes at once; the last thumbnails are remembered."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._thumbnails: OrderedDict[tuple[Path, float], bytes] = OrderedDict()

    async def thumbnail(self, path: Path, at_s: float) -> bytes:
        """A JPEG of what is seen ``at_s``. Raises ExtractFailed."""
        if (known := self._thumbnails.get((path, at_s))) is not None:
            self._thumbnails.move_to_end((path, at_s))
            return known
        made = b""
        async with contextlib.aclosing(self._taken(path, "thumbnail", str(at_s))) as chunks:
            async for chunk in chunks:
                made += chunk
                if len(made) > _LARGEST_THUMBNAIL:
                    raise ExtractFailed("the picture is too large")
        self._thumbnails[path, at_s] = made
        if len(self._thumbnails) > _MOST_REMEMBERED:
            self._thumbnails.popitem(last=False)
        return made

    def cut(
        self, path: Path, container: Container, start_s: float, end_s: float
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a file with that time range. Raises ExtractFailed, at the first of them or later."""
        return self._taken(path, "cut", container, str(start_s), str(end_s))

    async def _taken(self, path: Path, *arguments: str) -> AsyncGenerator[bytes, None]:
        """What a process writes; leaving early ends it."""
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._turns.acquire()
        except TimeoutError:
            raise Busy("too many parts of recordings are being taken out: try again soon") from None
        try:
            async with contextlib.AsyncExitStack() as stack:
                source = stack.enter_context(await asyncio.to_thread(path.open, "rb"))
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    _MODULE,
                    *arguments,
                    stdin=source,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env=clean(os.environ),
                )
                stack.push_async_callback(_ended, process)
                assert process.stdout is not None
                while chunk := await _within(process.stdout.read(_CHUNK)):
                    yield chunk
                await _check(process)
        except OSError as error:
            raise ExtractFailed(error.strerror or str(error)) from error
        finally:
            self._turns.release()


async def _check(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    said = await _within(process.stderr.read(_CHUNK))
    if (code := await process.wait()) != 0:
        reason = said.decode(errors="replace").strip() if code == FAILED else f"it ended with {code}"
        raise ExtractFailed(reason or "it failed")


async def _within(reading: Coroutine[Any, Any, bytes]) -> bytes:
    try:
        async with asyncio.timeout(_WAIT_S):
            return await reading
    except TimeoutError:
        raise ExtractFailed("it took too long") from None


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
