"""Processes of other programs that a test has started."""

from __future__ import annotations

import subprocess


def ended(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end; one that does not within 20 s is killed."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
