"""The one place of the edge that reads the wall clock; everything else takes a clock as an argument."""

from __future__ import annotations

import time


def wall_clock() -> float:
    """Seconds since the epoch."""
    return time.time()  # noqa: TID251 - this is the clock that others are given
