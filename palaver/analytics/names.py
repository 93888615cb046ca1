"""Words that plugins and the node share. Free of NumPy, which the node does without."""

from __future__ import annotations

from typing import Final

FAILURE: Final = "failure"
"""The event that tells why an algorithm does not go on; none of an algorithm's own has this name."""
