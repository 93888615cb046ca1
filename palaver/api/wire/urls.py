"""URLs in requests, as far as their text tells whether they may be used."""

from __future__ import annotations

from palaver.streaming.urls import UrlRefused, parsed


def check_url(url: str) -> None:
    """Raise ValueError for what is never fetched or pushed to."""
    try:
        parsed(url)
    except UrlRefused as refusal:
        raise ValueError(f"url: {refusal}") from None
