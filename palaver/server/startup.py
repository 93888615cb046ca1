"""A quick start: what importing the server's parts need not cost."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# What libraries import where they find it and a server never uses: rich is for structlog's tracebacks, which would show
# local variables; aiohttp and requests are for engineio's clients.
_NEEDLESS: Final = ("rich", "aiohttp", "requests")


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import without looking for garbage, which there is none of, and without what is not needed."""
    collecting, hidden = gc.isenabled(), [name for name in _NEEDLESS if name not in sys.modules]
    gc.disable()
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # how Python spells "is not there"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        if collecting:
            gc.enable()
