"""A new plugin as a package with a test, for ``palaver analytics new``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,47}")

_PROJECT: Final = """\
[build-system]
requires = ["setuptools>=68"]
build-backend = "setuptools.build_meta"

[project]
name = "@NAME@"
version = "0.1.0"
description = "An algorithm for Palaver"
requires-python = ">=3.11"
dependencies = ["numpy"]

[project.entry-points."palaver.analytics"]
@NAME@ = "@MODULE@:@CLASS@"

[tool.setuptools]
packages = ["@MODULE@"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
"""

_CODE: Final = '''\
"""An algorithm for Palaver."""

import numpy as np

from palaver.analytics import Analyzer, Frame, event


class @CLASS@(Analyzer, name="@NAME@", fps=10, size=(160, 90), pixels="gray"):
    """Tells when the picture becomes much lighter or darker."""

    step: float = 30.0

    def start(self):
        self._before = None

    def video(self, frame: Frame):
        level = float(np.mean(frame.array))
        before, self._before = self._before, level
        if before is not None and abs(level - before) >= self.step:
            yield event("step", before=round(before, 1), after=round(level, 1))
'''

_TEST: Final = '''\
"""Run with pytest, where Palaver is installed."""

import numpy as np
from @MODULE@ import @CLASS@

from palaver.analytics import Frame


def told(levels, **parameters):
    analyzer = @CLASS@.made(parameters)
    analyzer.start()
    frames = [Frame(np.full((90, 160), level, np.uint8), n / 10) for n, level in enumerate(levels)]
    return [one for frame in frames for one in analyzer.video(frame)]


def test_a_step_is_told():
    (step,) = told([20, 20, 200, 200])
    assert step.data == {"before": 20.0, "after": 200.0}


def test_a_small_change_is_none():
    assert told([20, 30, 40]) == []
    assert len(told([20, 30, 40], step=10)) == 2
'''

_README: Final = """\
# @NAME@

    pytest                                                # its test
    palaver analytics run @NAME@ --path . --file clip.mp4 # on a file, without a server
    pip install .                                         # the server finds it; or name this folder in analytics.path
"""


class NameRefused(ValueError):
    """The name cannot be used; the text says why."""


def write_package(name: str, folder: Path) -> list[Path]:
    """Write a package called ``name`` into the new ``folder``; its files. Raises NameRefused, OSError."""
    if not _NAME.fullmatch(name):
        raise NameRefused(
            f"{name!r}: a name begins with a letter and has lower case, digits and '-', 48 at most"
        )
    module = name.replace("-", "_")
    words = {"@NAME@": name, "@MODULE@": module, "@CLASS@": "".join(part.title() for part in name.split("-"))}
    files = {
        folder / "pyproject.toml": _PROJECT,
        folder / "README.md": _README,
        folder / module / "__init__.py": _CODE,
        folder / "tests" / f"test_{module}.py": _TEST,
    }
    folder.mkdir(parents=True)
    for path, text in files.items():
        for word, meant in words.items():
            text = text.replace(word, meant)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return list(files)
