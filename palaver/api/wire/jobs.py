"""Jobs as REST shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import UNSET, UnsetType

from palaver.api.wire.formats import Shape

if TYPE_CHECKING:
    from palaver.jobs.job import Job


class JobInfo(Shape):
    """What a room does by request: ``error`` is why it does not run now. ``created``: milliseconds since the epoch."""

    id: str
    kind: str
    status: Literal["starting", "running", "waiting"]
    created: int
    error: str | UnsetType = UNSET


def job_info(job: Job) -> dict[str, Any]:
    """``{id, kind, status, created, error?}``."""
    info: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind.name,
        "status": str(job.status),
        "created": job.created_ms,
    }
    return {**info, "error": job.error} if job.error else info
