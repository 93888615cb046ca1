"""The two services that every server has: the super service, and one for samples and the page."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from palaver.server.data import Account

if TYPE_CHECKING:
    from palaver.server.config import Config
    from palaver.server.config import Service as ServiceConfig
    from palaver.server.data import DataDirectory
    from palaver.store import Store

SUPER: Final = "superService"
SAMPLE: Final = "sampleService"


class ServiceError(Exception):
    """The configured super service contradicts the stored one; the text says how to mend it."""


async def open_store(config: Config, directory: DataDirectory) -> Store:
    """The configured store. Raises StoreError."""
    from palaver.store import Store

    url = config.database.url or directory.database_url
    return await Store.open(url, master_key=bytes.fromhex(directory.secrets.master))


async def ensure(store: Store, wanted: ServiceConfig) -> dict[str, Account]:
    """Both services by "super" and "sample", made where the store has none.

    Raises ServiceError if the configuration names another id or key than the store; StoreError.
    """
    return {
        "super": await _ensure(store, SUPER, wanted.super_id, wanted.super_key),
        "sample": await _ensure(store, SAMPLE, "", ""),
    }


async def _ensure(store: Store, name: str, id_: str, key: str) -> Account:
    found = await store.services.by_name(name)
    if found is None:
        id_, key = id_ or secrets.token_hex(12), key or secrets.token_hex(32)
        now_ms = time.time_ns() // 1_000_000
        found = await store.services.create(id_, name, key, created_ms=now_ms, is_super=name == SUPER)
    elif (id_ and found.id != id_) or (key and found.key != key):
        what = "id" if id_ and found.id != id_ else "key"
        raise ServiceError(
            f"service.super_{what} differs from the one that this database was made with; "
            "leave it out, or start with an empty data directory"
        )
    return Account(found.id, found.key)
