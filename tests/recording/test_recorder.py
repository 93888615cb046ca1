"""One whole file, whatever its sources do: in virtual time, read back by FFmpeg."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from palaver.media.pipelines.frames import Codec, Flag
from palaver.recording.control import DISK_FULL, Finished, Marked
from palaver.recording.formats import Container
from tests.recording.media import decode, probe
from tests.recording.reel import PICTURE, SOUND, Reel, message

WHOLE_S = 0.2  # by which a duration may differ: a frame and the last hole in the sound
FORMS: list[tuple[Container, str, str]] = [
    ("mkv", "opus", "vp8"),
    ("mkv", "pcmu", "h264"),
    ("mp4", "aac", "h264"),
    ("ts", "opus", "h264"),
]


def whole(path: Path, seconds: float) -> None:
    """The file lasts as long in sound and picture, without a hole, and decodes."""
    probed = probe(path)
    for kind, longest in (("audio", 0.065), ("video", 1.5)):
        stamps = probed.stamps[kind]
        steps = [after - before for before, after in itertools.pairwise(stamps)]
        assert max(steps) <= longest, kind
        assert stamps[-1] - stamps[0] == pytest.approx(seconds, abs=0.65 if kind == "video" else 0.5), kind
    decode(path)


@pytest.mark.parametrize(("container", "audio", "video"), FORMS)
def test_sound_and_picture_are_recorded_as_they_come(
    tmp_path: Path, container: Container, audio: str, video: str
) -> None:
    reel = Reel(tmp_path / f"it.{container}", container, audio, video)
    reel.run(5)
    finished = reel.end()
    assert finished.bytes == (tmp_path / f"it.{container}").stat().st_size
    assert finished.seconds == pytest.approx(5, abs=WHOLE_S)
    assert probe(tmp_path / f"it.{container}").duration_s == pytest.approx(5, abs=WHOLE_S)
    whole(tmp_path / f"it.{container}", 5)


@pytest.mark.parametrize(("container", "audio", "video"), FORMS)
def test_muted_sound_and_picture_leave_the_file_whole(
    tmp_path: Path, container: Container, audio: str, video: str
) -> None:
    reel = Reel(tmp_path / f"it.{container}", container, audio, video)
    reel.run(2)
    reel.heard = reel.seen = False
    reel.recorder.set_active(PICTURE, False)
    reel.run(3)
    reel.heard = reel.seen = True
    reel.recorder.set_active(PICTURE, True)
    reel.run(2)
    reel.end()
    whole(tmp_path / f"it.{container}", 7)


def test_silence_that_is_not_sent_keeps_its_length(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.ogg", "ogg", "opus", None)
    for _ in range(5):  # a frame, and 400 ms of nothing
        reel.heard = True
        reel.run(0.02)
        reel.heard = False
        reel.run(0.4)
    reel.end()
    stamps = probe(tmp_path / "it.ogg").stamps["audio"]
    assert stamps[-1] - stamps[0] == pytest.approx(4 * 0.42, abs=0.03)
    assert max(after - before for before, after in itertools.pairwise(stamps)) < 0.03
    decode(tmp_path / "it.ogg")


def test_a_source_that_leaves_and_another_that_comes_make_one_file(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mkv", "mkv", "opus", "vp8")
    reel.run(2)
    reel.recorder.remove(PICTURE)
    reel.recorder.remove(SOUND)
    reel.run(3)
    reel.recorder.add_audio(SOUND, "opus")
    reel.recorder.add_video(PICTURE, "vp8")
    reel.size = (80, 48)
    reel.run(2)
    reel.end()
    whole(tmp_path / "it.mkv", 7)


def test_a_camera_that_stalls_gives_way_to_black(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mkv", "mkv", "opus", "vp8")
    reel.run(1)
    reel.seen = False
    reel.run(14)
    reel.end()
    stamps = probe(tmp_path / "it.mkv").stamps["video"]
    assert next(at for at in stamps if at > 2) == pytest.approx(
        10.6, abs=0.3
    )  # until then the last picture stays
    assert stamps[-1] > 13
    assert reel.asked


def test_after_a_loss_pictures_wait_for_a_key_frame_that_is_asked_for(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mkv", "mkv", None, "h264")
    reel.run(1.5)
    assert reel.asked == []
    reel.lose_next = True
    reel.run(2.5)
    assert set(reel.asked) == {PICTURE}
    reel.end()
    stamps = probe(tmp_path / "it.mkv").stamps["video"]
    assert [at for at in stamps if 1.5 <= at < 1.95] == []
    assert next(at for at in stamps if at >= 1.95) == pytest.approx(2, abs=0.05)
    decode(tmp_path / "it.mkv")


def test_the_file_begins_with_the_first_key_frame(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mkv", "mkv", "opus", "vp8")
    reel.seen = False
    reel.run(1)
    reel.seen, reel._frames = True, 4  # in the middle of a group of pictures
    reel.run(3)
    reel.end()
    probed = probe(tmp_path / "it.mkv")
    assert probed.stamps["video"][0] == pytest.approx(0, abs=0.05)
    assert probed.duration_s == pytest.approx(2.4, abs=WHOLE_S)
    assert reel.reports[0] == Marked(what="started", seconds=0.0)
    decode(tmp_path / "it.mkv")


@pytest.mark.parametrize(("container", "audio", "video"), FORMS)
def test_one_kind_does_not_wait_for_the_other(
    tmp_path: Path, container: Container, audio: str, video: str
) -> None:
    reel = Reel(tmp_path / f"it.{container}", container, audio, video)
    reel.seen = False
    reel.run(5)
    reel.seen = True
    reel.run(2)
    reel.end()
    whole(tmp_path / f"it.{container}", 4.4)  # from when it gave up to wait


def test_a_pause_is_cut_out(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mkv", "mkv", "opus", "vp8")
    reel.run(2)
    reel.recorder.pause(reel.now)
    reel.run(10)
    reel.recorder.resume(reel.now)
    reel.run(2)
    reel.end()
    whole(tmp_path / "it.mkv", 4)
    marks = [(one.what, round(one.seconds)) for one in reel.reports if isinstance(one, Marked)]
    assert marks == [("started", 0), ("paused", 2), ("resumed", 2)]


def test_a_jump_of_stamps_makes_no_long_file(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mkv", "mkv", "opus", None)
    reel.run(1)
    reel.heard = False
    for _ in range(100):
        jumped = reel.sound_frame()._replace(pts=reel.sound_frame().pts + (1 << 33))
        reel.recorder.receive(jumped, reel.now)
        reel.run(0.02)
    reel.end()
    assert probe(tmp_path / "it.mkv").duration_s == pytest.approx(3, abs=WHOLE_S)


def test_a_repeated_parameter_set_is_no_interruption(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mp4", "mp4", None, "h264")
    reel.run(10)  # each key frame brings its sets again
    reel.end()
    assert len(probe(tmp_path / "it.mp4").stamps["video"]) == 100


def test_a_key_frame_without_what_a_decoder_needs_is_no_beginning(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mkv", "mkv", None, "h264")
    bare = message(PICTURE, Codec.H264, 90_000, reel.now, b"\0\0\0\1\x65" + bytes(40), int(Flag.KEY_FRAME))
    reel.seen = False
    reel.recorder.receive(bare, reel.now)
    assert reel.asked == [PICTURE]
    reel.seen = True
    reel.run(2)
    reel.end()
    decode(tmp_path / "it.mkv")


def test_too_little_space_ends_the_file_properly(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mkv", "mkv", "opus", "vp8", floor_bytes=1 << 62)
    reel.run(3)
    finished = reel.reports[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == DISK_FULL
    assert probe(tmp_path / "it.mkv").duration_s == pytest.approx(finished.seconds, abs=WHOLE_S)


def test_nothing_leaves_no_empty_file(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mp4", "mp4", "aac", "h264")
    reel.heard = reel.seen = False
    reel.run(1)
    assert reel.end() == Finished(bytes=0, seconds=0.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("container", "audio", "video"), FORMS)
def test_a_truncated_end_leaves_the_rest_playable(
    tmp_path: Path, container: Container, audio: str, video: str
) -> None:
    path, cut = tmp_path / f"it.{container}", tmp_path / f"cut.{container}"
    reel = Reel(path, container, audio, video)
    reel.run(4)
    cut.write_bytes(path.read_bytes()[:-100])
    reel.end()
    assert last_picture(cut) > 2.5


def last_picture(path: Path) -> float:
    """The last picture that can be read of a damaged file."""
    command = [
        "ffprobe",
        "-v",
        "quiet",
        "-select_streams",
        "v",
        "-show_entries",
        "packet=pts_time",
        "-of",
        "csv=p=0",
    ]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=50, check=False)
    return max(float(line.strip(",")) for line in done.stdout.split())


def test_nothing_grows_with_the_length_of_a_file(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "it.mkv", "mkv", "opus", "vp8")
    reel.run(600)
    assert len(reel.recorder._held) <= 100
    finished = reel.end()
    assert finished.seconds == pytest.approx(600, abs=WHOLE_S)
