"""Failures that every endpoint answers alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from palaver.api.http.answers import Answer, error
from palaver.api.wire import errors

if TYPE_CHECKING:
    from starlette.types import Scope

    from palaver.store import StoreError

_log = structlog.get_logger("palaver.http")


def store_failed(failure: StoreError, scope: Scope) -> Answer:
    """500/1401; what the database said is for the log."""
    _log.error("store failed", error=str(failure), method=scope["method"], path=scope["path"])
    return error(errors.STORE_FAILED, "Database error")
