"""Fails where a source file is longer than 600 lines: split it along a noun. Tests and generated files may be longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LIMIT = 600
SUFFIXES = {".py", ".pyi", ".rs", ".ts", ".tsx", ".css", ".sh"}


def exempt(path: Path) -> bool:
    return "tests" in path.parts or ".gen." in path.name or "migrations" in path.parts


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    long = []
    for name in listed.stdout.splitlines():
        path = Path(name)
        if path.suffix in SUFFIXES and not exempt(path) and path.is_file():
            lines = len(path.read_text("utf-8").splitlines())
            if lines > LIMIT:
                long.append(f"{path}: {lines} lines, at most {LIMIT}")
    print("\n".join(long), file=sys.stderr, end="\n" if long else "")
    return bool(long)


if __name__ == "__main__":
    sys.exit(main())
