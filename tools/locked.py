"""Whether the locked versions are those that pyproject.toml asks for: `make lock` makes them so."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def locked(file: str) -> dict[str, str]:
    """Versions by name; every one must have a hash."""
    text = (ROOT / "requirements" / file).read_text()
    found: dict[str, str] = {canonicalize_name(name): version for name, version in _PINNED.findall(text)}
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    for entry in entries:
        if "--hash=sha256:" not in entry:
            sys.exit(f"requirements/{file}: {entry.splitlines()[0]} has no hash")
    return found


def missing(wanted: list[str], file: str) -> list[str]:
    versions = locked(file)
    wrong = []
    for text in wanted:
        requirement = Requirement(text)
        version = versions.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"requirements/{file}: {text} is wanted, locked is {version or 'nothing'}")
    return wrong


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"].get("optional-dependencies", {}).values()
    runtime = [*project["project"]["dependencies"], *(one for extra in extras for one in extra)]
    build = [*runtime, *project["build-system"]["requires"]]
    wrong = missing(build, "build.txt") + missing(build + project["dependency-groups"]["dev"], "dev.txt")
    if wrong:
        sys.exit("\n".join([*wrong, "make lock"]))


if __name__ == "__main__":
    main()
