"""Webhooks: where events are sent, and what could not be sent yet. URLs and secrets are encrypted at rest."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import bindparam, delete, insert, select, text

from palaver.store.errors import StoreError
from palaver.store.tables import deliveries, webhooks
from palaver.store.work import Changed, Every

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from palaver.store.database import Database
    from palaver.store.secrets import Vault

_INSERT: Final = insert(webhooks)
_ORDERED: Final = select(webhooks).order_by(webhooks.c.created_ms, webhooks.c.id)
_DELETE: Final = delete(webhooks).where(webhooks.c.id == bindparam("webhook"))
_ADD: Final = text(
    "INSERT INTO deliveries (id, webhook, room, message, body, created_ms)"
    " SELECT CAST(:id AS TEXT), CAST(:webhook AS TEXT), CAST(:room AS TEXT), CAST(:message AS TEXT),"
    " CAST(:body AS TEXT), CAST(:created_ms AS BIGINT)"
    " WHERE EXISTS (SELECT 1 FROM webhooks WHERE webhooks.id = CAST(:webhook AS TEXT))"
)
_WAITING: Final = select(deliveries).order_by(deliveries.c.id)
_DONE: Final = delete(deliveries).where(deliveries.c.id == bindparam("done"))
_log = structlog.get_logger("palaver.webhooks")


@dataclass(frozen=True, slots=True)
class WebhookRecord:
    """Events of ``types`` in the rooms of ``service`` are sent to ``url``, signed with ``secret``."""

    id: str
    service: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    types: tuple[str, ...]
    created_ms: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one webhook. ``message`` is the id by which its receiver recognises it; ``body`` is JSON.

    Ids sort in the order of the events.
    """

    id: str
    webhook: str
    room: str
    message: str
    body: str
    created_ms: int


class Webhooks:
    """The webhooks of all services, and their deliveries. A deleted service takes them with it."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    async def add(self, webhook: WebhookRecord) -> None:
        """Keep a new one. Raises Conflict if its service is gone."""
        row = {
            "id": webhook.id,
            "service": webhook.service,
            "url": self._vault.seal(webhook.url),
            "secret": self._vault.seal(webhook.secret),
            "types": " ".join(webhook.types),
            "created_ms": webhook.created_ms,
        }
        await self._database.write(Changed(_INSERT, row))

    async def all(self) -> list[WebhookRecord]:
        """All of all services, the oldest first; without those that cannot be read, which are logged."""
        found = []
        for row in await self._database.read(Every(_ORDERED)):
            try:
                found.append(self._record(row))
            except StoreError as failure:
                _log.error("a webhook cannot be read", webhook=row.id, error=str(failure))
        return found

    async def delete(self, webhook: str) -> bool:
        """Whether it existed; its deliveries go with it."""
        return await self._database.write(Changed(_DELETE, {"webhook": webhook})) > 0

    async def keep(self, several: Sequence[Delivery]) -> None:
        """Keep deliveries until they are done; those whose webhook is gone are left out."""

        def work(connection: Connection) -> None:
            for one in several:
                connection.execute(_ADD, asdict(one))

        await self._database.write(work)

    async def waiting(self) -> list[Delivery]:
        """What is not done, in the order of the events."""
        return [_delivery(row) for row in await self._database.read(Every(_WAITING))]

    async def done(self, delivery: str) -> None:
        """Forget a delivery."""
        await self._database.write(Changed(_DONE, {"done": delivery}))

    def _record(self, row: Any) -> WebhookRecord:
        return WebhookRecord(
            row.id,
            row.service,
            self._vault.open(row.url),
            self._vault.open(row.secret),
            tuple(row.types.split()),
            row.created_ms,
        )


def _delivery(row: Any) -> Delivery:
    return Delivery(row.id, row.webhook, row.room, row.message, row.body, row.created_ms)
