"""What a start imports, and what it need not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

import palaver.store
from palaver.store.migrate import newest

QUICK = "from palaver.server.startup import quick_imports\nwith quick_imports():\n"


def imported_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has after ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_the_newest_migration_by_name_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(palaver.store.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == newest()


def test_a_start_imports_neither_migrations_nor_rich() -> None:
    modules = imported_by(
        "from palaver.server import main\n"
        "from palaver.server.startup import quick_imports\n"
        "with quick_imports():\n    import palaver.server.compose"
    )
    assert modules.isdisjoint({"alembic", "rich.console", "cryptography.x509"})


def test_rich_can_be_imported_after_a_quick_import() -> None:
    assert "rich.console" in imported_by(f"{QUICK}    import structlog\nimport rich.console")


def test_a_command_that_asks_no_server_imports_none() -> None:
    modules = imported_by("from palaver.server import main")
    assert modules.isdisjoint({"sqlalchemy", "socketio", "starlette", "httpx2", "structlog"})


def test_collecting_garbage_goes_on_after_a_quick_import() -> None:
    imported_by(f"import gc\n{QUICK}    assert not gc.isenabled()\nassert gc.isenabled()")


def test_a_database_that_is_new_or_current_is_opened_without_alembic(tmp_path: Path) -> None:
    code = (
        "import asyncio\nfrom palaver.store import Store\n"
        "async def go():\n"
        f"    store = await Store.open('sqlite:///{tmp_path}/x.db', master_key=bytes(32))\n"
        "    await store.close()\n"
        "asyncio.run(go())"
    )
    for _ in ("new", "current"):
        assert imported_by(code).isdisjoint(
            {"alembic", "sqlalchemy.orm", "sqlalchemy.ext.asyncio", "asyncpg"}
        )
