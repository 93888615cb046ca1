"""Checks of what is kept: the data directory and the database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from palaver.server.data import SECRETS_FILE, Secrets
from palaver.server.doctor.findings import ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL

    from palaver.server.doctor.findings import Finding, Patient

_LITTLE_BYTES: Final = 1 << 30
_TOO_LITTLE_BYTES: Final = 64 << 20
_DEADLINE_S: Final = 5.0


def data_directory(patient: Patient) -> Iterator[Finding]:
    """Whether it can be written, is private, has room, and holds readable secrets."""
    path = patient.data_dir
    if not path.exists():
        parent = next(one for one in path.absolute().parents if one.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            yield ok("data directory", f"{path} does not exist yet; the first start makes it")
        else:
            yield problem(
                "data directory", f"{path} does not exist and {parent} cannot be written", "chown it"
            )
        return
    if not path.is_dir():
        yield problem("data directory", f"{path} is not a directory", "name another by --data-dir")
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield problem("data directory", f"{path} cannot be read and written", "run as its owner, or chown it")
        return
    yield from _private(path)
    yield from _secrets(path)
    free = shutil.disk_usage(path).free
    words = f"{free >> 20} MiB free in {path}"
    if free < _TOO_LITTLE_BYTES:
        yield problem("disk", words, "make room: the database cannot grow")
    elif free < _LITTLE_BYTES:
        yield warning("disk", words, "make room before the database cannot grow")
    else:
        yield ok("disk", words)


def _private(path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield warning(
            "data directory", f"{path} has mode {mode:04o}: others may read keys", f"chmod 700 {path}"
        )
    else:
        yield ok("data directory", f"{path} can be written, by nobody else")


def _secrets(path: Path) -> Iterator[Finding]:
    file = path / SECRETS_FILE
    try:
        msgspec.json.decode(file.read_bytes(), type=Secrets)
    except FileNotFoundError:
        return
    except (OSError, msgspec.DecodeError) as error:
        yield problem(
            "data directory", f"{file}: {error}", "restore it from a backup: without it keys are lost"
        )


def database(patient: Patient) -> Iterator[Finding]:
    """Whether it answers, and whether its tables are of this version."""
    from palaver.store import StoreError
    from palaver.store.database import in_memory, is_sqlite, parse_url

    text = patient.config.database.url or f"sqlite:///{patient.data_dir.absolute() / 'palaver.db'}"
    try:
        url = parse_url(text)
    except StoreError as error:
        yield problem("database", str(error), "see database.url in docs/configuration.md")
        return
    shown = url.render_as_string(hide_password=True)
    if in_memory(url):
        yield warning("database", "in memory: everything is forgotten at the end", "leave database.url out")
        return
    try:
        at = _sqlite_revision(Path(str(url.database))) if is_sqlite(url) else asyncio.run(_revision(url))
    except FileNotFoundError:
        yield ok("database", f"{shown} does not exist yet; the first start makes it")
    except Exception as error:  # noqa: BLE001, RUF100  # drivers raise what they like; each means that it cannot be used
        words = str(getattr(error, "orig", None) or error) or type(error).__name__
        yield problem("database", f"{shown}: {words}", "see that it runs, and database.url")
    else:
        yield _migrated(shown, at)


def _migrated(shown: str, at: str | None) -> Finding:
    from palaver.store.migrate import newest

    if at == newest():
        return ok("database", f"{shown} answers, tables are current (migration {at})")
    if at is None:
        return ok("database", f"{shown} answers and is empty; the first start makes its tables")
    if at < newest():
        return ok("database", f"{shown} answers; the next start migrates it from {at} to {newest()}")
    return problem(
        "database",
        f"{shown} is at migration {at}, newer than this version's {newest()}",
        "install the version that made it, or a newer one",
    )


def _sqlite_revision(file: Path) -> str | None:
    """As :func:`palaver.store.migrate.revision`, without making a file beside the database.

    Raises FileNotFoundError, sqlite3.Error.
    """
    if not file.exists():
        raise FileNotFoundError(file)
    used = Path(f"{file}-wal").exists()  # by a server; else reading as usual would make that file
    uri = f"file:{quote(str(file.absolute()))}?" + ("mode=ro" if used else "immutable=1")
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_DEADLINE_S)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'")
        if tables.fetchone() is None:
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else None


async def _revision(url: URL) -> str | None:
    from palaver.store.databases import make_database
    from palaver.store.migrate import revision

    database = make_database(url)
    try:
        return await database.read(revision)
    finally:
        await database.close()


CHECKS: Final = (data_directory, database)
