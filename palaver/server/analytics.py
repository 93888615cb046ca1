"""The parts of a node that analyse, put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palaver.analytics.analyse import Analysing, Policy
from palaver.analytics.catalogue import Catalogue
from palaver.analytics.results import Results
from palaver.api.clock import wall_clock
from palaver.api.rest.analyses import SeenByAnalyses
from palaver.jobs.analysis import Analyses

if TYPE_CHECKING:
    from palaver.server.config import Config


class AnalyticsParts:
    """What exists before there is an engine: which algorithms there are, and who hears what they see."""

    def __init__(self, config: Config) -> None:
        """Raises ValueError for an alias that is none."""
        settings = config.analytics
        paths = tuple(str(Path(one).absolute()) for one in settings.path)
        self.results = Results(wall_clock, kept=settings.events)
        self.catalogue = Catalogue(paths, aliases(settings.aliases))
        self.analysing = Analysing(
            self.results,
            Policy(paths, settings.memory_mib, settings.handler_s, settings.restarts, settings.network),
        )

    def jobs(self) -> Analyses:
        """The kind of job."""
        return Analyses(self.catalogue, self.results)

    def shown(self) -> SeenByAnalyses:
        """What REST shows."""
        return SeenByAnalyses(self.catalogue, self.results)


def aliases(written: list[str]) -> dict[str, str]:
    """Algorithms by their other names, of ``name=algorithm``. Raises ValueError."""
    found = {}
    for one in written:
        alias, equals, name = (part.strip() for part in one.partition("="))
        if not (alias and equals and name):
            raise ValueError(f"analytics.aliases: expected id=algorithm, not {one!r}")
        found[alias] = name
    return found
