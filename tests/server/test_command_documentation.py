"""docs/command-line.md and the commands say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from palaver.server.config import NOT_SETTINGS
from palaver.server.main import app

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "command-line.md").read_text()
LISTED = {
    line.split("`")[1].split()[1]: line for line in DOCUMENT.splitlines() if line.startswith("| `palaver ")
}


def commands() -> dict[str, set[str]]:
    """Every command with its subcommands."""
    root = get_command(app)
    with typer.Context(root) as context:
        found = {}
        for name in root.list_commands(context):  # type: ignore[attr-defined]  # it is a group
            one = root.get_command(context, name)  # type: ignore[attr-defined]  # as above
            found[name] = set(one.list_commands(context)) if hasattr(one, "list_commands") else set()
    return found


def test_every_command_is_documented_and_no_other() -> None:
    assert set(LISTED) == set(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_subcommand_is_documented(name: str) -> None:
    words = set(re.findall(r"`(?:palaver [\w-]+ )?(\w+)`", LISTED[name]))
    assert words - {name} == commands()[name] or not commands()[name]


def test_every_variable_is_documented() -> None:
    for variable in NOT_SETTINGS:
        if variable != "PALAVER_CONFIG":  # docs/configuration.md has it
            assert f"`{variable}`" in DOCUMENT
