"""A recorder that is killed: what was written before is playable, up to a second at most."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from palaver.recording.formats import Container
from tests.recording.media import decode, probe
from tests.recording.reel import SECOND, START, Reel
from tests.recording.test_recorder import FORMS


@pytest.mark.parametrize(("container", "audio", "video"), FORMS)
def test_a_killed_recorder_loses_a_second_at_most(
    tmp_path: Path, container: Container, audio: str, video: str
) -> None:
    path = tmp_path / f"it.{container}"
    moment = random.Random(container).uniform(4, 9)
    command = [
        sys.executable,
        "-m",
        "tests.recording.test_crashes",
        str(path),
        container,
        audio,
        video,
        str(moment),
    ]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    probed = probe(path)
    for kind in ("audio", "video"):
        assert moment - probed.stamps[kind][-1] <= 1.1, kind  # the stamp is where its last frame begins
    decode(path)


def record_and_die(path: Path, container: Container, audio: str, video: str, moment: float) -> None:
    """Record for so many seconds of virtual time, and be killed in the midst of it."""
    reel = Reel(path, container, audio, video)
    while reel.now - START < moment * SECOND:
        reel.run(0.02)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _, to, form, sound, picture, when = sys.argv
    record_and_die(Path(to), form, sound, picture, float(when))  # type: ignore[arg-type]  # a container's name
