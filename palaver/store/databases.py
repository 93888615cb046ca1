"""Which database a URL names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palaver.store.database import is_sqlite
from palaver.store.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from palaver.store.database import Database


def make_database(url: URL) -> Database:
    """The database that ``url`` names; nothing is opened yet. What the other kind needs is not imported.

    Raises StoreError without the driver.
    """
    if is_sqlite(url):
        from palaver.store.sqlite import Sqlite

        return Sqlite(url)
    from palaver.store.postgresql import Postgresql

    try:
        return Postgresql(url)
    except ModuleNotFoundError as error:
        raise StoreError(f"database: {error}: install palaver[postgresql]") from error
