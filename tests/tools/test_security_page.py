"""docs/security.md names settings, tests and metrics that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from palaver.server.config import SECTIONS

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/security.md").read_text()
ROWS = re.findall(r"^\| `(\w+)\.(\w+)` \|.*\| `(tests/[\w/]+\.py)::(\w+)` \|$", PAGE, re.MULTILINE)


def test_every_limit_names_its_test() -> None:
    limits = PAGE.split("## Limits")[1].split("## What an attack")[0]
    assert len(ROWS) == len([line for line in limits.splitlines() if line.startswith("| `")]) >= 20


@pytest.mark.parametrize(("section", "key", "file", "test"), ROWS, ids=[".".join(row[:2]) for row in ROWS])
def test_the_setting_and_its_test_exist(section: str, key: str, file: str, test: str) -> None:
    assert key in SECTIONS[section].__struct_fields__
    assert re.search(rf"def {test}\(", (ROOT / file).read_text())
