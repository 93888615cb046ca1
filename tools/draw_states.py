"""Draws docs/state/ from the tables in palaver/room/moves.py: ``python tools/draw_states.py``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from palaver.room.moves import STREAM_MOVES, SUBSCRIPTION_MOVES  # noqa: E402 (the path comes first)

if TYPE_CHECKING:
    from collections.abc import Mapping

State = TypeVar("State", bound=StrEnum)
FOLDER = ROOT / "docs" / "state"


def draw(title: str, beginning: str, moves: Mapping[tuple[State, type], State]) -> str:
    """A page with one diagram; moves between the same two states share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, trigger), after in moves.items():
        arrows.setdefault((state, after), []).append(trigger.__name__)
    start = next(iter(moves))[0]
    ends = {after for after in moves.values()} - {state for state, _ in moves}
    lines = [
        f"# {title}",
        "",
        "Drawn by `tools/draw_states.py` from `palaver/room/moves.py`: change the table, not this page.",
        "`Leave` is every way of going, `Tick` the negotiation deadline. What has no arrow changes nothing.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {start}: {beginning}",
        *(f"    {state} --> {after}: {', '.join(names)}" for (state, after), names in arrows.items()),
        *(f"    {end} --> [*]" for end in sorted(ends)),
        "```",
        "",
    ]
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """Every page and what it should say."""
    return {
        FOLDER / "stream.md": draw("The life of a stream", "Publish", STREAM_MOVES),
        FOLDER / "subscription.md": draw("The life of a subscription", "Subscribe", SUBSCRIPTION_MOVES),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
        print(path.relative_to(ROOT))
