"""Pages of long lists: how they are asked for, and what answers say of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from palaver.api.http.edge import base_of
from palaver.api.rest.operations import Parameter

if TYPE_CHECKING:
    from palaver.api.http.answers import Headers
    from palaver.api.rest.operations import Call

_MAX_PAGE: Final = 2**31 - 1

PAGED: Final = (
    Parameter("page", "Counts from 1; only together with per_page."),
    Parameter("per_page", "How many make a page; all without it."),
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page that somebody asked for: ``number`` counts from 1."""

    number: int
    size: int

    @property
    def window(self) -> dict[str, Any]:
        """Which part of the list it is."""
        return {"limit": self.size, "offset": (self.number - 1) * self.size}


def asked_page(call: Call) -> Page | None:
    """The page that a request asks for; None: all. ``page`` alone is ignored."""
    size = _positive(call.query.get("per_page"))
    return None if size is None else Page(_positive(call.query.get("page")) or 1, size)


def page_headers(call: Call, path: str, page: Page | None, total: int) -> Headers:
    """How many there are, and the RFC 8288 links to the neighbouring pages of ``path``."""
    counted = (b"x-total-count", str(total).encode())
    if page is None:
        return (counted,)
    last = max(1, -(-total // page.size))
    pages = {"first": 1, "last": last}
    if page.number > 1:
        pages["prev"] = min(page.number - 1, last)
    if page.number < last:
        pages["next"] = page.number + 1
    others = {name: value for name, value in call.query.items() if name not in ("page", "per_page")}
    below = f"{base_of(call.scope)}{call.version}{path}"
    links = (
        f'<{below}?{urlencode({**others, "page": number, "per_page": page.size})}>; rel="{relation}"'
        for relation, number in pages.items()
    )
    return (counted, (b"link", ", ".join(links).encode()))


def _positive(written: str | None) -> int | None:
    """The number in a query parameter; None for what is not a positive one."""
    if written is None or not written.isascii() or not written.isdigit() or len(written) > 20:
        return None
    return min(int(written), _MAX_PAGE) or None
