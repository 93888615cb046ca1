"""Where a server's CPU time goes, by perf: samples of its stacks, each put into one class."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

# The first rule that fits any frame, outermost system call first; then the innermost frame alone.
SYSTEM_CALLS = (
    ("kernel: sendmmsg, with delivery to the receivers' sockets", re.compile(r"sys_send")),
    ("kernel: recvmmsg", re.compile(r"sys_recv")),
    ("kernel: waiting", re.compile(r"sys_epoll|sys_futex|sys_poll")),
)
INNERMOST = (
    ("encryption", re.compile(r"aws_lc|aes_|gcm", re.IGNORECASE)),
    ("str0m", re.compile(r"str0m|is::|dimpl")),
    ("the core", re.compile(r"palaver_sfu")),
    ("copying and allocating", re.compile(r"mem(cpy|move|set|cmp)|malloc|free|alloc|_int_")),
)
FRAME = re.compile(r"^\s+[0-9a-f]+ (?P<symbol>.*) \((?P<file>[^)]*)\)$")


def kind(stack: list[tuple[str, str]]) -> str:
    """The class of a stack of (symbol, file), innermost first."""
    for name, pattern in SYSTEM_CALLS:
        if any(pattern.search(symbol) for symbol, _ in stack):
            return name
    symbol, file = stack[0]
    if file.startswith("[kernel"):
        return "kernel: all else"
    for name, pattern in INNERMOST:
        if pattern.search(symbol):
            return name
    return "Python" if "python" in file else "all else"


def stacks(text: str) -> list[list[tuple[str, str]]]:
    """The samples of ``perf script``."""
    found = []
    for sample in text.split("\n\n"):
        frames = [match for line in sample.splitlines() if (match := FRAME.match(line))]
        if frames:
            found.append([(match["symbol"], match["file"]) for match in frames])
    return found


async def _run(*command: str) -> str | None:
    """What a command prints; None if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    return out.decode(errors="replace") if process.returncode == 0 else None


async def shares(pid: int, seconds: float) -> list[tuple[str, float]]:
    """Classes and their shares of the process's CPU time, largest first; empty where perf is not to be had."""
    if shutil.which("perf") is None:
        return []
    with tempfile.TemporaryDirectory() as name:
        data = str(Path(name) / "perf.data")
        recorded = await _run(
            "perf", "record", "-q", "-e", "cpu-clock", "-F", "2999", "-g", "-o", data, "-p", str(pid),
            "--", "sleep", str(seconds),
        )  # fmt: skip
        if recorded is None:
            return []
        found = stacks(await _run("perf", "script", "-i", data, "-F", "comm,ip,sym,dso") or "")
    counted = Counter(kind(stack) for stack in found)
    return [(name, count / len(found)) for name, count in counted.most_common()]
