"""Jobs: what was asked for that outlives a request. The request is encrypted at rest, since URLs hold passwords."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from palaver.store.errors import StoreError
from palaver.store.tables import jobs
from palaver.store.work import Changed, Every

if TYPE_CHECKING:
    from palaver.store.database import Database
    from palaver.store.secrets import Vault

_INSERT: Final = insert(jobs)
_ORDERED: Final = select(jobs).order_by(jobs.c.created_ms, jobs.c.id)
_UPDATE: Final = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"))
    .values(request=bindparam("wanted"), state=bindparam("noted"))
)
_DELETE: Final = delete(jobs).where(jobs.c.id == bindparam("job"))


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A stored job of ``room``; ``request`` and ``state`` are JSON objects whose members its ``kind`` knows.

    ``request`` is what was asked for, ``state`` what has to be remembered of how it went.
    """

    id: str
    room: str
    kind: str
    request: dict[str, Any] = field(repr=False)
    created_ms: int
    state: dict[str, Any] = field(default_factory=dict)


class JobRecords:
    """The jobs of all rooms, in the order of their creation. A deleted room takes its jobs with it."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    async def add(self, job: JobRecord) -> None:
        """Keep a new job. Raises Conflict if its room is gone."""
        row = {
            "id": job.id,
            "room": job.room,
            "kind": job.kind,
            "request": self._seal(job.request),
            "state": _text(job.state),
            "created_ms": job.created_ms,
        }
        await self._database.write(Changed(_INSERT, row))

    async def all(self) -> tuple[list[JobRecord], list[str]]:
        """Every job, and the ids of those that cannot be read."""
        readable, unreadable = [], []
        for row in await self._database.read(Every(_ORDERED)):
            try:
                readable.append(self._record(row))
            except (StoreError, msgspec.DecodeError):
                unreadable.append(row.id)
        return readable, unreadable

    async def update(self, job: JobRecord) -> bool:
        """Replace the request and the state; whether the job existed."""
        values = {"job": job.id, "wanted": self._seal(job.request), "noted": _text(job.state)}
        return await self._database.write(Changed(_UPDATE, values)) > 0

    async def delete(self, job: str) -> bool:
        """Whether the job existed."""
        return await self._database.write(Changed(_DELETE, {"job": job})) > 0

    def _record(self, row: Any) -> JobRecord:
        request = msgspec.json.decode(self._vault.open(row.request), type=dict[str, Any])
        state = msgspec.json.decode(row.state, type=dict[str, Any])
        return JobRecord(row.id, row.room, row.kind, request, row.created_ms, state)

    def _seal(self, request: dict[str, Any]) -> str:
        return self._vault.seal(_text(request))


def _text(document: dict[str, Any]) -> str:
    return msgspec.json.encode(document).decode()
