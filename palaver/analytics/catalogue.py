"""Which algorithms there are, as the node knows it: asked of a process of its own, since plugins are others' code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from palaver.media.pipelines.confinement import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_ANSWER_S: Final = 30.0
_MOST_BYTES: Final = 4 << 20
_FRESH_S: Final = 5.0


class Pictures(Struct, kw_only=True):
    """The pictures that an algorithm is given; without a size, as they come."""

    fps: float
    pixels: str
    size: tuple[int, int] | None = None


class Sound(Struct, kw_only=True):
    """The sound that an algorithm is given."""

    rate: int
    channels: int


class Listed(Struct, kw_only=True):
    """An algorithm: ``parameters`` is a JSON Schema of them, ``origin`` where it comes from."""

    name: str
    doc: str
    origin: str
    parameters: dict[str, Any]
    video: Pictures | None = None
    audio: Sound | None = None


class Unusable(Struct, kw_only=True):
    """A plugin that cannot be used, and why."""

    origin: str
    error: str


class Question(Struct, kw_only=True):
    """What is asked: all that there is, and whether ``parameters`` fit ``algorithm``."""

    paths: list[str]
    algorithm: str | None = None
    parameters: dict[str, Any] = {}


class Catalogued(Struct, kw_only=True):
    """The answer. ``refusal``: why the parameters do not fit."""

    algorithms: list[Listed]
    broken: list[Unusable]
    refusal: str = ""


class CatalogueError(Exception):
    """The algorithms cannot be listed; the text says why."""


class Catalogue:
    """The algorithms of a node. ``aliases`` are other names of algorithms."""

    def __init__(
        self,
        paths: tuple[str, ...],
        aliases: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.paths, self.aliases = paths, dict(aliases)
        self._clock = clock
        self._known: Catalogued | None = None
        self._known_at = 0.0
        self._asking = asyncio.Lock()

    def resolved(self, name: str) -> str:
        """The algorithm that ``name`` means: another one for an alias."""
        return self.aliases.get(name, name)

    async def listed(self) -> Catalogued:
        """All algorithms, as they were a few seconds ago at most. Raises CatalogueError."""
        async with self._asking:
            if self._known is None or self._clock() - self._known_at > _FRESH_S:
                self._known = await self._ask(Question(paths=list(self.paths)))
                self._known_at = self._clock()
            return self._known

    async def checked(self, name: str, parameters: dict[str, Any]) -> tuple[Listed | None, str]:
        """The algorithm ``name`` and what is wrong with its parameters; None if there is none of the name.

        Raises CatalogueError.
        """
        resolved = self.resolved(name)
        question = Question(paths=list(self.paths), algorithm=resolved, parameters=parameters)
        answer = await self._ask(question)
        self._known, self._known_at = answer, self._clock()
        found = next((one for one in answer.algorithms if one.name == resolved), None)
        return found, answer.refusal

    async def _ask(self, question: Question) -> Catalogued:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "palaver.analytics.listing",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=clean(os.environ) | {"OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer, _ = await process.communicate(msgspec.json.encode(question))
        except TimeoutError:
            raise CatalogueError(f"the plugins were not loaded in {_ANSWER_S:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.returncode != 0 or len(answer) > _MOST_BYTES:
            raise CatalogueError(f"the process that loads the plugins ended with status {process.returncode}")
        try:
            return msgspec.json.decode(answer, type=Catalogued)
        except msgspec.DecodeError as error:
            raise CatalogueError(f"the plugins cannot be listed: {error}") from None


def readable(paths: Iterable[str]) -> tuple[str, ...]:
    """What a process has to read that loads plugins: their folders, and wherever Python finds packages."""
    return (*paths, *(one for one in sys.path if one))
