"""ARCHITECTURE.md and CONTRIBUTING.md name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
_CODE = re.compile(r"`([\w./*-]+)`")
_ROOTS = ("palaver/", "rust/", "web/", "client/", "docs/", "tests/", "tools/", "bench/")


def paths(page: str) -> list[str]:
    """What is written as code and begins like a path of the repository."""
    found = _CODE.findall((ROOT / page).read_text())
    return sorted({one for one in found if one.startswith(_ROOTS)})


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    named = paths(page)
    assert len(named) > 5
    assert [path for path in named if not any(ROOT.glob(path))] == []
