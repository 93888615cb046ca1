"""What the store may raise; nothing of the database's own ever leaves it."""

from __future__ import annotations


class StoreError(Exception):
    """The database failed, is not reachable, or did not answer in time."""


class Conflict(StoreError):
    """The database refused a change that contradicts what it holds: a name in use, an owner that is gone."""
