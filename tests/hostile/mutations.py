"""Values that programs stumble over, and documents with such values somewhere in them."""

from __future__ import annotations

import json
import random
from typing import Any


def deep(levels: int, leaf: Any = 0) -> Any:
    """Lists in lists."""
    for _ in range(levels):
        leaf = [leaf]
    return leaf


NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400),
    *(0.1, -0.0, 1e308, 1e-308, -1e300, float("inf"), float("nan")),
    *(
        "",
        " ",
        "x",
        "\0",
        "\ud800",
        "\ufeff",
        "é" * 300,
        "x" * 3000,
        "0" * 24,
        "f" * 24,
        "../../etc/passwd",
        "%s%n{0}",
    ),
    *("' OR 1=1 --", "<script>", "2026-01-01T00:00:00Z", "1e5", "NaN", "all", "audio", "video", "__proto__"),
    *([], [[]], {}, [None] * 200, {"": {}}, {"x" * 500: 1}, deep(80), deep(500)),
    *({f"key{n}": n for n in range(300)}, [{}] * 100, ["x"] * 300),
)


def copied(value: Any) -> Any:
    """A copy that shares nothing."""
    return json.loads(json.dumps(value))


def nasty(dice: random.Random) -> Any:
    """One of those values."""
    return copied(dice.choice(NASTY))


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every container of the document with each of its keys or positions."""
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting and len(found) < 2000:
        one = waiting.pop()
        inside = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, value in inside:
            found.append((one, key))
            waiting.append(value)
    return found


def changed(document: Any, dice: random.Random) -> Any:
    """The document with one to three changes."""
    document = copied(document)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        at = places(document)
        if not at:
            return nasty(dice)
        container, key = dice.choice(at)
        what = dice.randrange(6)
        if what <= 2:
            container[key] = nasty(dice)
        elif what == 3:
            del container[key]
        elif what == 4 and isinstance(container, dict):
            container[dice.choice(("x", "id", "name", "op", "path", "value", "video", key))] = dice.choice(
                NASTY
            )
        else:
            other, from_ = dice.choice(at)
            with_value = (
                other[from_] if from_ in (other if isinstance(other, dict) else range(len(other))) else None
            )
            container[key] = copied(with_value)
    return document


def written(document: Any, dice: random.Random) -> bytes:
    """The document as JSON, now and then with bytes that are changed, cut off or repeated."""
    text = bytearray(json.dumps(document).encode())
    if dice.randrange(4) == 0 and text:
        at = dice.randrange(len(text))
        what = dice.randrange(4)
        if what == 0:
            text[at] = dice.randrange(256)
        elif what == 1:
            del text[at:]
        elif what == 2:
            text[at:at] = text[at : at + 40] * dice.randrange(1, 40)
        else:
            text[at:at] = dice.randbytes(dice.randrange(1, 30))
    return bytes(text)
