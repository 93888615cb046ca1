"""Every pair of codecs and container, as others read it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import av
import numpy as np
import pytest

from palaver.muxing.muxer import Unreadable, VideoForm
from palaver.recording.container import PartFile, Writer
from palaver.recording.formats import AUDIO_CODECS, CONTAINERS, VIDEO_CODECS, Container, refusal, suitable
from tests.recording.media import FPS, decode, pictures, probe, sound

PAIRS = [
    (container, audio, video)
    for container, audio, video in itertools.product(CONTAINERS, (None, *AUDIO_CODECS), (None, *VIDEO_CODECS))
    if (audio or video) and refusal(container, audio, video) is None
]
NAMES = {"h265": "hevc", "pcmu": "pcm_s16le", "pcma": "pcm_s16le"}


def write(
    path: Path, container: Container, audio: str | None, video: str | None, seconds: float = 3.0
) -> None:
    frames = pictures(video)[: round(seconds * FPS)] if video else ()
    form = VideoForm(video, frames[0][0]) if video else None
    writer = Writer(PartFile(path), container, audio, form)
    events: list[tuple[int, int]] = [(n * 1_000_000 // FPS, n) for n in range(len(frames))]
    events += [(n * 20_000, -1) for n in range(round(seconds * 50))] if audio else []
    for at_us, number in sorted(events, key=lambda event: event[0]):
        if number >= 0:
            writer.write_video(frames[number][0], at_us, key_frame=frames[number][1])
        elif audio == "aac":
            writer.encode_audio(av.AudioFrame.from_ndarray(np.zeros((2, 960), np.float32), "fltp", "stereo"))
        else:
            payload = sound("opus")[at_us // 20_000] if audio == "opus" else bytes(320)
            writer.write_audio(payload, at_us, 20_000)
    writer.close()


@pytest.mark.parametrize(("container", "audio", "video"), PAIRS)
def test_what_is_written_is_read_by_others(
    tmp_path: Path, container: Container, audio: str | None, video: str | None
) -> None:
    path = tmp_path / f"it.{container}"
    write(path, container, audio, video)
    probed = probe(path)
    expected = {"audio": audio, "video": video}
    assert probed.codecs == {kind: NAMES.get(codec, codec) for kind, codec in expected.items() if codec}
    assert probed.duration_s == pytest.approx(3.0, abs=0.2)
    decode(path)


@pytest.mark.parametrize(
    ("container", "audio", "video", "kind", "why"),
    [
        ("mp4", "opus", "h264", "audio", "mp4 holds aac only, not opus"),
        ("mp4", "pcmu", None, "audio", "mp4 holds aac only, not pcmu"),
        ("mp4", "aac", "vp8", "video", "mp4 holds h264, h265 and av1 only, not vp8"),
        ("ts", "pcma", None, "audio", "ts holds opus and aac only, not pcma"),
        ("ts", None, "vp9", "video", "ts holds h264 and h265 only, not vp9"),
        ("ogg", "aac", None, "audio", "ogg holds opus only, not aac"),
        ("m4a", "aac", "h264", "video", "m4a holds no video"),
    ],
)
def test_what_a_container_does_not_hold_is_refused_with_the_reason(
    tmp_path: Path, container: Container, audio: str | None, video: str | None, kind: str, why: str
) -> None:
    assert refusal(container, audio, video) == (kind, why)
    form = VideoForm(video, pictures(video)[0][0]) if video else None
    with pytest.raises(ValueError, match=why):
        Writer(PartFile(tmp_path / "it"), container, audio, form)


@pytest.mark.parametrize(
    ("audio", "video", "container"),
    [("aac", "h264", "mp4"), ("aac", "h265", "mp4"), ("aac", None, "mp4"), ("aac", "vp8", "mkv"),
     ("opus", "h264", "mkv"), (None, "h264", "mkv"), ("pcmu", None, "mkv")],
)  # fmt: skip
def test_auto_follows_the_guide(audio: str | None, video: str | None, container: Container) -> None:
    assert suitable(audio, video) == container


@pytest.mark.parametrize(
    ("container", "codec"), [("mkv", "h264"), ("mkv", "vp8"), ("mp4", "h264"), ("mkv", "vp9")]
)
def test_a_picture_that_changes_its_size_stays_one_file(
    tmp_path: Path, container: Container, codec: str
) -> None:
    path, at_us = tmp_path / f"it.{container}", 0
    writer = Writer(PartFile(path), container, None, VideoForm(codec, pictures(codec)[0][0]))
    for size in ((160, 96), (80, 48), (96, 160)):
        for payload, key_frame in pictures(codec, *size, 10):
            writer.write_video(payload, at_us, key_frame=key_frame)
            at_us += 1_000_000 // FPS
    writer.close()
    assert len(probe(path).stamps["video"]) == 30
    decode(path)


def test_stamps_that_do_not_ascend_are_mended(tmp_path: Path) -> None:
    path = tmp_path / "it.mkv"
    writer = Writer(PartFile(path), "mkv", "opus", None)
    for at_us, payload in zip((0, 20_000, 20_000, 10_000, 80_000), sound("opus"), strict=False):
        writer.write_audio(payload, at_us, 20_000)
    writer.close()
    stamps = probe(path).stamps["audio"]
    assert len(stamps) == 5
    assert all(before < after for before, after in itertools.pairwise(stamps))


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "it.mkv").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        PartFile(tmp_path / "it.mkv")


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_a_key_frame_that_tells_nothing_is_refused(codec: str) -> None:
    with pytest.raises(Unreadable):
        VideoForm(codec, bytes(50))


def test_the_name_of_a_new_file_is_synced_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, list[str]]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, os.listdir(tmp_path)))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    PartFile(tmp_path / "it.mkv").close()
    assert synced == [(tmp_path.stat().st_ino, ["it.mkv"])]
