"""The command line: algorithms listed, a new plugin that passes its own test, and one run on a file."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from palaver.analytics.template import NameRefused, write_package
from palaver.server.main import app
from tests.analytics.clips import plain, with_square


def palaver(*arguments: str | Path, cwd: Path) -> Result:
    with contextlib.chdir(cwd):
        return CliRunner().invoke(app, ["analytics", *map(str, arguments)])


def clip(path: Path) -> Path:
    """Two seconds in which nothing moves, and one in which a square does."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(30):
            left = 40 + 12 * max(number - 20, 0)
            picture = with_square(plain(60, 320, 180), left, 50, 60)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def test_a_new_package_passes_its_test_and_runs_on_a_file(tmp_path: Path) -> None:
    made = palaver("new", "dim-light", cwd=tmp_path)
    assert made.exit_code == 0, made.stderr
    assert made.stdout.split() == [
        "dim-light/pyproject.toml", "dim-light/README.md", "dim-light/dim_light/__init__.py",
        "dim-light/tests/test_dim_light.py",
    ]  # fmt: skip
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "dim-light", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "2 passed" in tested.stdout, tested.stdout + tested.stderr
    listed = palaver("list", "--path", "dim-light", "--json", cwd=tmp_path)
    found = {one["name"]: one for one in json.loads(listed.stdout)}
    assert {
        "dim-light",
        "motion",
        "faces",
        "people",
        "codes",
        "voice",
        "loudness",
        "silence",
        "frozen",
    } <= set(found)
    ran = palaver("run", "dim-light", "--path", "dim-light", "--file", clip(tmp_path / "c.mp4"), cwd=tmp_path)
    assert (ran.exit_code, ran.stdout) == (0, ""), ran.stderr
    again = palaver("new", "dim-light", cwd=tmp_path)
    assert again.exit_code == 1
    assert "exists" in again.stderr


@pytest.mark.parametrize("name", ["Dim", "9x", "a b", "x" * 60, "../up"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NameRefused):
        write_package(name, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_it_saw_is_told_and_drawn(tmp_path: Path) -> None:
    file = clip(tmp_path / "clip.mp4")
    ran = palaver("run", "motion", "--file", file, "--json", cwd=tmp_path)
    assert ran.exit_code == 0, ran.stderr
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {one["name"] for one in told} == {"motion"}
    assert all(2.0 <= one["time"] <= 3.0 for one in told)
    with av.open(tmp_path / "clip-motion.mp4") as drawn, av.open(file) as original:
        pairs = list(zip(drawn.decode(video=0), original.decode(video=0), strict=True))
    assert len(pairs) == 30
    greens = [
        int(((one.to_ndarray(format="rgb24") * [-1, 1, -1]).sum(axis=2) > 60).sum()) for one, _ in pairs
    ]
    assert max(greens[:20]) == 0, "something is framed before it moved"
    assert max(greens[21:]) > 100, "nothing is framed"
    before, same = pairs[5]
    apart = np.abs(before.to_ndarray(format="gray").astype(int) - same.to_ndarray(format="gray"))
    assert apart.mean() < 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "motion", "--file", "clip.mp4", "--set", "threshold=7"], "threshold: expected"),
        (["run", "motion", "--file", "clip.mp4", "--set", "threshold"], "expected NAME=VALUE"),
        (["run", "nothing", "--file", "clip.mp4"], "there is no algorithm 'nothing'"),
        (["run", "silence", "--file", "clip.mp4"], "has no sound, which silence needs"),
        (["run", "motion", "--file", "none.mp4"], "none.mp4: No such file"),
        (["run", "motion", "--file", "clip.mp4", "--out", "clip.mp4"], "is the file itself"),
    ],
)
def test_what_cannot_be_run_is_explained(tmp_path: Path, arguments: list[str], said: str) -> None:
    clip(tmp_path / "clip.mp4")
    ran = palaver(*arguments, cwd=tmp_path)
    assert ran.exit_code == 1
    assert said in ran.stderr
