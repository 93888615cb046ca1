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


_NAMED = re.compile(r"`([\w./-]+)` \((`\w+`(?:, `\w+`)*)\)")
_DEFINED = (
    r"^\s*(?:pub(?:\(\w+\))? )?(?:async )?(?:def|class|fn|struct|enum|trait|type|const) {0}\b|^{0}(?::.*)? = "
)


def test_the_symbols_of_where_do_i_change_are_in_the_files_that_it_names() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("## Where do I change…?")[2]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert [row for row in rows if not _CODE.search(row)] == [], "each row names a place"
    named = [(file, symbol) for file, symbols in _NAMED.findall(table) for symbol in _CODE.findall(symbols)]
    assert len(named) > 25
    missing = [
        (file, symbol)
        for file, symbol in named
        if not re.search(_DEFINED.format(symbol), (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert missing == []
