"""Ids of services and rooms: 24 hex digits that sort by creation, as OWT's clients expect."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_OBJECT_ID: Final = re.compile(r"[0-9a-fA-F]{24}")


def is_object_id(text: str) -> bool:
    """Whether ``text`` can be the id of a service or room; nothing else ever reaches the store."""
    return _OBJECT_ID.fullmatch(text) is not None


class ObjectIds:
    """Mints ids: 8 digits of seconds, 10 of this process, 6 of a counter."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._process = secrets.token_hex(5)
        self._counter = itertools.count(1)

    def mint(self) -> str:
        """A new id."""
        return f"{int(self._clock()) & 0xFFFFFFFF:08x}{self._process}{next(self._counter) & 0xFFFFFF:06x}"
