"""URLs in requests, as far as their text tells whether they may be used."""

from __future__ import annotations

from palaver.jobs.streaming_in import TEST_URL
from palaver.streaming.urls import UrlRefused, parsed


def check_source_url(url: str) -> None:
    """The same for what is fetched, which may also be the test source. Raise ValueError."""
    if url.partition(":")[0].lower() == "test":
        if url != TEST_URL:
            raise ValueError(f"url: the test source is {TEST_URL}")
    else:
        check_url(url)


def check_url(url: str) -> None:
    """Raise ValueError for what is never fetched or pushed to."""
    try:
        parsed(url)
    except UrlRefused as refusal:
        raise ValueError(f"url: {refusal}") from None
