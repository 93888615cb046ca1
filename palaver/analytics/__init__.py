"""Algorithms that look at streams and listen to them: what a plugin is made of, and the built-in ones.

A plugin is a class::

    class Motion(Analyzer, fps=15, size=(160, 90), pixels="gray"):
        threshold: float = 0.02

        def video(self, frame: Frame): ...
"""

from palaver.analytics.plugin import Analyzer, Frame, Observation, event

__all__ = ["Analyzer", "Frame", "Observation", "event"]
