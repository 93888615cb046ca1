"""What every benchmark shares: CPU and memory of a process tree, the machine's description, tables as files."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results"


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its living descendants."""
    process = psutil.Process(pid)
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its living descendants, in MB (10^6 bytes)."""
    process = psutil.Process(pid)
    return float(sum(p.memory_info().rss for p in (process, *process.children(recursive=True)))) / 1e6


def machine() -> str:
    """Processor, cores, kernel: enough to read a table by."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return (
        f"{model}, {psutil.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    )


def commit() -> str:
    """The commit that was measured; "+" where the tree has changes."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def table(rows: list[list[str]]) -> str:
    """A Markdown table; the first row is the head."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(name: str, title: str, *parts: str) -> None:
    """Print a result and keep it as bench/results/<name>.md, with machine, date and command."""
    command = " ".join([".venv/bin/python -m", f"bench.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    text = "\n\n".join(
        [
            f"# {title}",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {machine()} · commit {commit()} · `{command}`",
            *parts,
        ]
    )
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n")
    print(text)
