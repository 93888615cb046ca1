"""What an application may attach to a stream: any JSON object, within bounds, as every client gets it."""

from __future__ import annotations

from typing import Any

import msgspec

from palaver.room.bounds import MAX_ATTRIBUTES, MAX_ATTRIBUTES_DEPTH


def check_attributes(attributes: dict[str, Any]) -> None:
    """Raise ValueError if they are larger or nested deeper than a room takes; the text names the field."""
    if _deeper_than(attributes, MAX_ATTRIBUTES_DEPTH):
        raise ValueError(f"attributes: expected at most {MAX_ATTRIBUTES_DEPTH} levels")
    if len(msgspec.json.encode(attributes)) > MAX_ATTRIBUTES:
        raise ValueError(f"attributes: expected at most {MAX_ATTRIBUTES} bytes")


def _deeper_than(value: Any, levels: int) -> bool:
    """Whether objects and lists are nested in more than ``levels``. Recurses no deeper than that."""
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(member, levels - 1) for member in members)
