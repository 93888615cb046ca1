"""What keeps an analyser's process within its bounds: no further processes, no handler that never ends."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORBIDDEN: Final = frozenset(
    {"os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec", "subprocess.Popen", "pty.spawn"}
)


def forbid_processes() -> None:
    """Let whatever would start another process raise from now on: it would outlive this one."""

    def hook(name: str, _: object) -> None:
        if name in _FORBIDDEN:
            raise RuntimeError(f"an analyzer must not start processes ({name})")

    sys.addaudithook(hook)


class Watchdog:
    """Knows what the analyzer works at, on which thread and since when."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._working: tuple[str, int, float] | None = None

    @contextmanager
    def working(self, at: str) -> Iterator[None]:
        """Within this block the analyzer works at ``at``."""
        self._working = (at, threading.get_ident(), time.monotonic())
        try:
            yield
        finally:
            self._working = None

    def hanging(self) -> tuple[str, str] | None:
        """If it has worked for too long: what is to be said of it, and where it is."""
        working = self._working
        if working is None:
            return None
        at, thread, since = working
        if time.monotonic() - since < self._limit_s:
            return None
        frame = sys._current_frames().get(thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        return f"'{at}' did not end within {self._limit_s:g} s", stack
