"""Thousands of generated requests: the description and the answers agree, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.net.contract import explore
from tests.postgres import Postgres
from tests.servers import start_server

SEED = 20_261_124  # the same cases in every run; bench/contract.py explores others


@pytest.mark.timeout(300)
def test_generated_requests_get_documented_answers_on_sqlite(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        outcome = explore(server, examples=2, seed=SEED)
        assert outcome.passed, outcome.output[-6000:]
        assert outcome.cases > 1000
        assert "Traceback" not in server.log()


@pytest.mark.timeout(300)
def test_generated_requests_get_documented_answers_on_postgresql(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    monkeypatch.setenv("PALAVER_DATABASE_URL", postgres.url)
    with start_server(tmp_path) as server:
        outcome = explore(server, examples=1, seed=SEED)
        assert outcome.passed, outcome.output[-6000:]
        assert "Traceback" not in server.log()
