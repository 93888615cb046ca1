"""Algorithms that look at streams and listen to them: what a plugin is made of, and the built-in ones.

A plugin is a class::

    class Motion(Analyzer, fps=15, size=(160, 90), pixels="gray"):
        threshold: float = 0.02

        def video(self, frame: Frame): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palaver.analytics.plugin import Analyzer, Frame, Observation, event

__all__ = ["Analyzer", "Frame", "Observation", "event"]


def __getattr__(name: str) -> object:
    """What plugins import is loaded for them: it needs NumPy, which the node does without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from palaver.analytics import plugin

    return getattr(plugin, name)
