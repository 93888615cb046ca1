"""A quick start: what importing the server's parts need not cost."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import without looking for garbage, which there is none of, and without rich.

    structlog imports rich where it finds it, for tracebacks that we do not let it draw: they hold local variables.
    """
    collecting, hide = gc.isenabled(), "rich" not in sys.modules
    gc.disable()
    if hide:
        sys.modules["rich"] = None  # type: ignore[assignment]  # how Python spells "is not there"
    try:
        yield
    finally:
        if hide:
            del sys.modules["rich"]
        if collecting:
            gc.enable()
