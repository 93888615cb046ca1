"""Fails where a Markdown file points to a file, or to a heading of a Markdown file, that is not there.

Links to other hosts are not followed: a check must not depend on the weather.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parent.parent
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*]")


def anchor(heading: str) -> str:
    """How GitHub names a heading: lower case, without punctuation, spaces as hyphens."""
    plain = MARKUP.sub(lambda found: found[1] or "", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@cache
def anchors(page: Path) -> set[str]:
    """Every name that a link may have after its #; of equal headings the second is numbered 1, and so on."""
    text = FENCED.sub("", page.read_text("utf-8"))
    found: set[str] = set(re.findall(r"""<a (?:id|name)=["']([^"']+)""", text))
    for heading in HEADING.findall(text):
        name, number = anchor(heading), 0
        while (name if not number else f"{name}-{number}") in found:
            number += 1
        found.add(name if not number else f"{name}-{number}")
    return found


def fault(page: Path, link: str) -> str | None:
    """What is wrong with a link on a page, if anything."""
    if re.match(r"[a-z][a-z0-9+.-]*:", link, re.IGNORECASE):
        return None
    path, _, fragment = link.partition("#")
    target = (page.parent / unquote(path)).resolve() if path else page.resolve()
    if not target.exists():
        return "no such file"
    if not target.is_relative_to(ROOT.resolve()):
        return "outside the repository"
    if fragment and target.suffix == ".md" and unquote(fragment) not in anchors(target):
        return "no such heading"
    return None


def faults(page: Path) -> list[str]:
    """The dead links of a page, each with the reason."""
    text = FENCED.sub("", page.read_text("utf-8"))
    text = CODE.sub(lambda found: "x" * len(found[0]), text)
    links = [inline or named for inline, named in LINK.findall(text)]
    return [f"{page}: {link}: {reason}" for link in links if (reason := fault(page, link))]


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    pages = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    dead = [line.replace(f"{ROOT}/", "", 1) for page in pages for line in faults(page)]
    print("\n".join(dead), file=sys.stderr, end="\n" if dead else "")
    return bool(dead)


if __name__ == "__main__":
    sys.exit(main())
