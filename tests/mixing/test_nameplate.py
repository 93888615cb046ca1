"""Names are drawn in every script that the machine has letters for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palaver.media._core import NamePainter
from palaver.media.nameplates import SCRIPTS, Script, font_files, missing, painter
from palaver.mixing.canvas import planes
from palaver.mixing.nameplate import nameplate

GROUND, INK = 34, 120


def ink(name: str) -> int:
    """How many samples of a name's picture are of the name."""
    return int((planes(nameplate(name))[0] > INK).sum())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_script_of_debians_fonts_is_drawn(script: Script) -> None:
    assert painter().draws(script.sample)
    assert 300 < ink(script.sample) < 60_000
    assert ink(script.sample) != ink("\U000e0fff" * len(script.sample)), "boxes for what nobody has"


def test_emoji_have_their_colours() -> None:
    _, u, v = planes(nameplate("🎉"))
    assert np.abs(u.astype(int) - 128).max() > 20
    assert np.abs(v.astype(int) - 128).max() > 20
    _, u, v = planes(nameplate("Anna"))
    assert np.abs(np.stack([u, v]).astype(int) - 128).max() <= 2


def test_a_machine_without_fonts_draws_latin_and_names_what_is_missing(tmp_path: Path) -> None:
    assert font_files([tmp_path, tmp_path / "none"]) == []
    bare = NamePainter([])
    assert bare.draws("Łukasz Ångström")
    found = {script.name: script.package for script in missing(bare)}
    assert found["Chinese"] == found["Korean"] == "fonts-noto-cjk"
    assert found["Thai"] == "fonts-noto-core"
    assert missing(painter()) == []


def test_a_font_that_is_none_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "NotoSans-Regular.ttf").write_bytes(b"not a font")
    assert NamePainter(font_files([tmp_path])).draws("Anna")


def test_a_name_of_nothing_is_three_dots() -> None:
    assert ink("\n\t \x00") == ink("…") > 0
    assert planes(nameplate(""))[0][0, 0] == GROUND
