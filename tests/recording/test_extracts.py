"""Cuts and thumbnails of recorded files, as others read them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from palaver.media.pipelines.confinement import landlock_version
from palaver.recording.extracts import Busy, ExtractFailed, Extracts
from palaver.recording.formats import Container
from tests.recording import test_container
from tests.recording.media import decode, probe


async def cut(path: Path, container: Container, start_s: float, end_s: float) -> bytes:
    return b"".join([chunk async for chunk in Extracts().cut(path, container, start_s, end_s)])


@pytest.mark.parametrize(
    ("container", "audio", "video", "begins"),
    [
        ("mkv", "opus", "vp8", 1.0),
        ("mkv", "pcmu", "h264", 1.0),
        ("mp4", "aac", "h264", 1.0),
        ("ts", "aac", "h264", 1.0),
        ("ogg", "opus", None, 1.4),
        ("m4a", "aac", None, 1.4),
        ("mka", "opus", None, 1.4),
    ],
)
async def test_a_cut_begins_at_the_key_frame_before_and_plays(
    tmp_path: Path, container: Container, audio: str | None, video: str | None, begins: float
) -> None:
    whole, part = tmp_path / f"whole.{container}", tmp_path / f"part.{container}"
    test_container.write(whole, container, audio, video)
    part.write_bytes(await cut(whole, container, 1.4, 2.4))
    probed, before = probe(part), probe(whole)
    assert probed.codecs == before.codecs
    decode(part)
    for kind in probed.codecs:
        stamps = probed.stamps[kind]
        assert stamps[-1] - stamps[0] == pytest.approx(2.4 - begins, abs=0.15)
    if container != "ts":  # where nothing begins at zero
        assert min(stamps[0] for stamps in probed.stamps.values()) == pytest.approx(0, abs=0.05)


async def test_a_cut_until_after_the_end_is_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "it.mkv"
    test_container.write(path, "mkv", "opus", "vp8")
    (tmp_path / "all.mkv").write_bytes(await cut(path, "mkv", 0, 1000))
    assert len(probe(tmp_path / "all.mkv").stamps["video"]) == len(probe(path).stamps["video"])


async def test_a_thumbnail_is_a_small_picture_of_that_moment(tmp_path: Path) -> None:
    path = tmp_path / "it.mp4"
    test_container.write(path, "mp4", "aac", "h264")
    extracts, greys = Extracts(), []
    for at_s in (0.05, 2.35):
        picture = await extracts.thumbnail(path, at_s)
        with av.open(io.BytesIO(picture), "r") as read:
            frame = next(read.decode(video=0))
        assert (frame.width, frame.height) == (160, 96)
        greys.append(int(frame.to_ndarray(format="gray").mean()))
    assert greys[1] > greys[0] + 100  # each picture of the film has a grey of its own
    path.unlink()
    assert await extracts.thumbnail(path, 2.35)  # it is remembered


async def test_what_cannot_be_taken_out_is_told(tmp_path: Path) -> None:
    sound, junk = tmp_path / "it.mka", tmp_path / "junk.mkv"
    test_container.write(sound, "mka", "opus", None)
    junk.write_bytes(os.urandom(5000))
    with pytest.raises(ExtractFailed, match="no picture"):
        await Extracts().thumbnail(sound, 1)
    with pytest.raises(ExtractFailed, match="nothing there"):
        await cut(sound, "mka", 50, 60)
    with pytest.raises(ExtractFailed, match="Invalid data"):
        await cut(junk, "mkv", 0, 1)
    with pytest.raises(ExtractFailed, match="No such file"):
        await cut(tmp_path / "none.mkv", "mkv", 0, 1)


async def test_too_many_at_once_are_refused_and_leaving_early_frees_a_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palaver.recording.extracts._WAIT_S", 20.0)
    path = tmp_path / "it.mkv"
    test_container.write(path, "mkv", "opus", "vp8")
    extracts = Extracts()
    begun = [extracts.cut(path, "mkv", 0, 3) for _ in range(4)]
    for one in begun:
        await anext(one)
    monkeypatch.setattr("palaver.recording.extracts._WAIT_S", 0.01)
    with pytest.raises(Busy):
        await anext(extracts.cut(path, "mkv", 0, 3))
    monkeypatch.setattr("palaver.recording.extracts._WAIT_S", 20.0)
    for one in begun:
        await one.aclose()
    assert await extracts.thumbnail(path, 1)


@pytest.mark.skipif(not landlock_version(), reason="the kernel cannot confine a process")
def test_the_process_may_open_no_file_but_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    program = (
        "import sys; from palaver.recording import extract; "
        "extract.main(['thumbnail', '0']); print(open(sys.argv[1]).read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(secret)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert ("PermissionError" in done.stderr, done.stdout) == (True, "")
