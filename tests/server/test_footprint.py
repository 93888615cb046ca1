"""What a node does not load: it costs memory in every node, and only child processes and commands need it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "import sys, palaver.server.compose; print(*sys.modules)"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a process that is about to serve."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("library", ["av", "numpy", "PIL", "alembic"])
def test_a_node_does_without(loaded: set[str], library: str) -> None:
    assert "palaver.server.compose" in loaded
    assert library not in loaded
