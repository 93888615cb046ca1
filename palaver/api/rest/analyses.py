"""What the management API needs to show analyses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palaver.analytics.catalogue import Catalogue
    from palaver.analytics.results import Results


@dataclass(slots=True)
class SeenByAnalyses:
    """The algorithms there are, and what they have seen; ``listening`` counts those who follow it."""

    catalogue: Catalogue
    results: Results
    listening: int = 0
