"""The one version of all packages: checks that every file says the same, or with an argument writes it everywhere.

python tools/version.py [0.2.0]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
NUMBER = r"\d+\.\d+\.\d+"
PLACES = {
    "palaver/__init__.py": rf'^__version__ = "({NUMBER})"',
    "Cargo.toml": rf'^\[workspace\.package\]\nversion = "({NUMBER})"',
    "Cargo.lock": rf'^name = "palaver-[a-z]+"\nversion = "({NUMBER})"',
    "client/package.json": rf'^  "version": "({NUMBER})"',
    "web/package.json": rf'^  "version": "({NUMBER})"|"palaver-client": "({NUMBER})"',
    "package-lock.json": rf'"name": "palaver-(?:client|web)",\n\s+"version": "({NUMBER})"|"palaver-client": "({NUMBER})"',
}
"""Where the version stands, by file: each group that matches is one."""


def spans(pattern: str, text: str) -> list[tuple[int, int]]:
    """Where in a file's text the version stands."""
    return [found.span(found.lastindex or 0) for found in re.finditer(pattern, text, re.MULTILINE)]


def stated(root: Path) -> dict[str, set[str]]:
    """The versions that each file states."""
    texts = {name: (root / name).read_text("utf-8") for name in PLACES}
    return {name: {text[a:b] for a, b in spans(PLACES[name], text)} for name, text in texts.items()}


def faults(root: Path) -> list[str]:
    """What states another version than the Python package, or none."""
    found = stated(root)
    [version] = found["palaver/__init__.py"]
    return [
        f"{name}: version {', '.join(sorted(versions)) or 'missing'}, of palaver/__init__.py {version}"
        for name, versions in found.items()
        if versions != {version}
    ]


def write(root: Path, version: str) -> None:
    """Let every file state this version."""
    for name, pattern in PLACES.items():
        text = (root / name).read_text("utf-8")
        for a, b in reversed(spans(pattern, text)):
            text = text[:a] + version + text[b:]
        (root / name).write_text(text, "utf-8")


def main() -> None:
    match sys.argv[1:]:
        case []:
            if wrong := faults(ROOT):
                sys.exit("\n".join([*wrong, "python tools/version.py VERSION writes it everywhere"]))
        case [version] if re.fullmatch(NUMBER, version):
            write(ROOT, version)
        case _:
            sys.exit("usage: python tools/version.py [MAJOR.MINOR.PATCH]")


if __name__ == "__main__":
    main()
