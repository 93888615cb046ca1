"""The check of links finds what is dead, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import links


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(links, "ROOT", tmp_path / "root")
    (tmp_path / "root" / "docs").mkdir(parents=True)
    (tmp_path / "outside.md").write_text("")
    (tmp_path / "root" / "docs" / "there.md").write_text(
        "# The `[page]` of *all*\n## Twice\n## Twice\n```\n# no heading\n```\n"
    )
    return tmp_path / "root"


@pytest.mark.parametrize(
    "text",
    [
        "[a](docs/there.md)",
        "![a](docs/there.md 'title')",
        "[`a`](docs/there.md#the-page-of-all)",
        "[a](docs/there.md#twice-1)",
        "[a](docs)",
        "# Here\n[a](#here)",
        "[a]\n\n[a]: docs/there.md",
        "[a](https://example.org/gone) [b](mailto:a@example.org)",
        "`[a](gone.md)`",
        "```\n[a](gone.md)\n```",
    ],
)
def test_what_is_there_is_not_reported(root: Path, text: str) -> None:
    (root / "README.md").write_text(text)
    assert links.faults(root / "README.md") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[a](gone.md)", "no such file"),
        ("![a](gone.png)", "no such file"),
        ("[a]\n\n[a]: gone.md", "no such file"),
        ("[a](docs/there.md#gone)", "no such heading"),
        ("[a](docs/there.md#no-heading)", "no such heading"),
        ("[a](docs/there.md#twice-2)", "no such heading"),
        ("# Here\n[a](#there)", "no such heading"),
        ("[a](../outside.md)", "outside the repository"),
    ],
)
def test_what_is_dead_is_reported_with_its_reason(root: Path, text: str, reason: str) -> None:
    (root / "README.md").write_text(text)
    (found,) = links.faults(root / "README.md")
    assert found.endswith(f": {reason}")
