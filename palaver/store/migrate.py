"""Brings a database's tables up to date when it is opened."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from palaver.store.errors import StoreError
from palaver.store.tables import metadata

if TYPE_CHECKING:
    from palaver.store.database import Database

DEADLINE_S: Final = 120.0
_LOCK: Final = 0x70616C61
"""Of PostgreSQL's advisory locks, ours: servers that start together migrate one after the other."""


async def migrate(database: Database) -> None:
    """Make the tables, or run what migrations are missing.

    Raises StoreError, also for a database that is newer than this version.
    """
    try:
        await database.write(_up_to_date, deadline_s=DEADLINE_S)
    except StoreError as error:
        raise StoreError(f"the database cannot be opened: {error}") from error


def _up_to_date(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if not inspect(connection).has_table("alembic_version"):
        create(connection)
    elif revision(connection) != newest():
        upgrade(connection)


def revision(connection: Connection) -> str | None:
    """The migration that a database is at, None for an empty one. Changes nothing. Raises SQLAlchemyError."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def newest() -> str:
    """The last migration of this version: the number that the name of its file begins with."""
    versions = resources.files("palaver.store") / "migrations" / "versions"
    return max(file.name.split("_")[0] for file in versions.iterdir() if file.name[0].isdigit())


def create(connection: Connection) -> None:
    """Make the tables of an empty database as all migrations together would, without loading Alembic for it."""
    metadata.create_all(connection)
    connection.execute(
        text(
            "CREATE TABLE alembic_version "
            "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": newest()})


def upgrade(connection: Connection) -> None:
    """Run what migrations are missing. Raises StoreError for a migration that is not of this version."""
    from alembic import command  # a tenth of the time of a start, and almost never needed
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    with resources.as_file(resources.files("palaver.store") / "migrations") as scripts:
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(str(error)) from error
