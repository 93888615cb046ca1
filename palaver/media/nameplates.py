"""Where the fonts of names come from: files of the machine, by what Debian's packages call them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palaver.media._core import NamePainter

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDERS: Final = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_FILES: Final = (
    "NotoSans*-Regular.[to]t[fc]",
    "NotoSansCJK*-Regular.[to]t[fc]",
    "NotoSerifTibetan-Regular.[to]tf",
    "NotoColorEmoji.ttf",
)
_MOST: Final = 400


@dataclass(frozen=True, slots=True)
class Script:
    """A script that names are written in, a name in it, and the Debian package that brings letters for it."""

    name: str
    sample: str
    package: str


SCRIPTS: Final = (
    Script("Arabic", "محمد", "fonts-noto-core"),
    Script("Hindi", "राजेश", "fonts-noto-core"),
    Script("Thai", "สมชาย", "fonts-noto-core"),
    Script("Chinese", "王小明", "fonts-noto-cjk"),
    Script("Japanese", "さくら", "fonts-noto-cjk"),
    Script("Korean", "김민수", "fonts-noto-cjk"),
    Script("emoji", "🎉", "fonts-noto-color-emoji"),
)


def font_files(folders: Iterable[Path] = FOLDERS) -> list[str]:
    """The files of Noto, one of each name, as far as they are there."""
    found: dict[str, str] = {}
    for folder in folders:
        for pattern in _FILES:
            for file in sorted(folder.rglob(pattern)):
                found.setdefault(file.name, str(file))
    return list(found.values())[:_MOST]


@cache
def painter() -> NamePainter:
    """The painter of this process, with the fonts of this machine. The first call reads them, which takes a moment."""
    return NamePainter(font_files())


def missing(names: NamePainter) -> list[Script]:
    """Scripts that ``names`` has no letters for."""
    return [script for script in SCRIPTS if not names.draws(script.sample)]
