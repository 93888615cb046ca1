"""Run all tests: cargo's, vitest's, pytest's. What fails is run once more by itself, and named as unsteady if it then holds.

    python tools/run_tests.py [what pytest takes]

Exit status 0 if every test held in the end and nothing that a test started is still running. The last line is
pytest's closing line, with the results of the second run counted in.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
MARK = "TEST_RUN_OF_PALAVER"
MOST_REPEATED = 20
"""More failures than these are no unsteady tests: they are not run again."""
GRACE_S = 15.0
"""How long what tests started may take to end after the last of them."""

CARGO = ("cargo", "test", "--release", "--workspace", "--quiet", "--no-fail-fast")
VITEST = ("npx", "vitest", "run")
PYTEST = (sys.executable, "-m", "pytest", "-q")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed|xpassed|deselected|warnings?)")
_PYTEST_CLOSING = re.compile(r"^=*\s*((?:\d+ \w+(?:, )?)+) in [\d.]+s\b.*$", re.MULTILINE)


@dataclass
class Outcome:
    """What the run has shown so far."""

    unsteady: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    pytest: Counter[str] = field(default_factory=Counter)


def run(command: Sequence[str]) -> tuple[int, str]:
    """Run a command in the repository and show what it prints; its exit status and output."""
    printed: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            printed.append(_ESCAPES.sub("", line))
    return process.returncode, "".join(printed)


def cargo_failures(output: str) -> list[str]:
    """Names of the tests that cargo lists as failed."""
    lists = re.findall(r"^failures:\n((?:    \S+\n)+)", output, re.MULTILINE)
    return sorted({name.strip() for block in lists for name in block.splitlines()})


def vitest_failures(output: str) -> list[str]:
    """Files in which vitest found a failure."""
    return sorted(set(re.findall(r"^\s*FAIL\s+(\S+\.test\.ts)", output, re.MULTILINE)))


def pytest_failures(output: str) -> list[str]:
    """Tests that pytest's short summary lists as failed or in error."""
    return sorted(set(re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)))


def pytest_counts(output: str) -> Counter[str]:
    """The numbers of pytest's closing line by their words; empty if there is none."""
    closing = _PYTEST_CLOSING.findall(output)
    words = {"errors": "error", "warnings": "warning"}
    return Counter(
        {words.get(word, word): int(n) for n, word in _PYTEST_COUNT.findall(closing[-1] if closing else "")}
    )


def with_a_second_run(first: Counter[str], second: Counter[str]) -> Counter[str]:
    """The counts when all that failed at first ran once more."""
    counts = Counter(first)
    counts["failed"], counts["error"] = second["failed"], second["error"]
    counts["passed"] += second["passed"]
    return +counts


def closing_line(counts: Counter[str], seconds: float) -> str:
    """The counts as pytest writes them."""
    order = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warning", "error")
    return ", ".join(f"{counts[word]} {word}" for word in order if counts[word]) + f" in {seconds:.2f}s"


def settle(
    outcome: Outcome, command: Sequence[str], names: list[str], again: Callable[[list[str]], Sequence[str]]
) -> str:
    """Run what failed once more, by itself; the output of that run."""
    if not names or len(names) > MOST_REPEATED:
        outcome.failed += names or [" ".join(command)]
        return ""
    print(f"\n{len(names)} failed and run once more: {', '.join(names)}\n", flush=True)
    code, output = run(again(names))
    (outcome.failed if code else outcome.unsteady).extend(names)
    return output


def run_cargo(outcome: Outcome) -> None:
    code, output = run(CARGO)
    if code:
        settle(outcome, CARGO, cargo_failures(output), lambda names: (*CARGO, "--", "--exact", *names))


def run_vitest(outcome: Outcome) -> None:
    code, output = run(VITEST)
    if code:
        settle(outcome, VITEST, vitest_failures(output), lambda files: (*VITEST, *files))


def run_pytest(outcome: Outcome, arguments: Sequence[str]) -> None:
    command = (*PYTEST, *arguments)
    code, output = run(command)
    outcome.pytest = pytest_counts(output)
    if code == 0:
        return
    names = pytest_failures(output) if code == 1 else []
    second = settle(outcome, command, names, lambda _: (*command, "--last-failed"))
    if second:
        outcome.pytest = with_a_second_run(outcome.pytest, pytest_counts(second))


def left_running(mark: str) -> dict[int, str]:
    """Processes, by their pid, that carry this run's mark in their environment, but this one."""
    found = {}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (directory / "environ").read_bytes().split(b"\0"):
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if command:  # a process that has ended and was not waited for has none
                    found[int(directory.name)] = command[:120]
    return found


def namespaces() -> set[str]:
    """The named network namespaces of this machine."""
    with contextlib.suppress(OSError):
        return {path.name for path in Path("/run/netns").iterdir()}
    return set()


def check_nothing_is_left(outcome: Outcome, mark: str, before: set[str]) -> None:
    """Wait a moment for processes to end; then end them, and say what they were."""
    deadline = time.monotonic() + GRACE_S
    while left_running(mark) and time.monotonic() < deadline:
        time.sleep(0.2)
    for pid, command in left_running(mark).items():
        outcome.failed.append(f"left running: {pid} {command}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    outcome.failed += [f"left behind: network namespace {name}" for name in sorted(namespaces() - before)]


def report(title: str, names: Iterable[str]) -> None:
    for name in names:
        print(f"{title}: {name}")


def main(arguments: Sequence[str]) -> int:
    began, before, mark = time.monotonic(), namespaces(), uuid.uuid4().hex
    os.environ[MARK] = mark
    outcome = Outcome()
    run_cargo(outcome)
    run_vitest(outcome)
    run_pytest(outcome, arguments)
    check_nothing_is_left(outcome, mark, before)
    print()
    report("unsteady", outcome.unsteady)
    report("failed", outcome.failed)
    print(closing_line(outcome.pytest, time.monotonic() - began))
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
