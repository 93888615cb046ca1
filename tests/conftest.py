"""What all tests may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import postgres as debian


@pytest.fixture(scope="session")
def postgres() -> Iterator[debian.Postgres]:
    """A PostgreSQL server, one for the whole run. `make test` installs it; without it these tests are skipped."""
    if debian.binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with debian.running() as cluster:
        yield cluster
