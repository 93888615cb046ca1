"""What an algorithm is given when it is slower than its stream, and in which form."""

from __future__ import annotations

import av
import numpy as np
import pytest

from palaver.analytics.intake import Block, Intake, Pace, Picture
from palaver.analytics.pictures import Scaler, shown
from palaver.analytics.plugin import AudioWanted, Pixels, VideoWanted
from palaver.analytics.sounds import Converter


def picture(width: int = 64, height: int = 48, luma: int = 100) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (luma, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


@pytest.mark.parametrize(
    ("stream", "wanted", "given"), [(30, 15, 15), (30, 10, 10), (30, 5, 5), (15, 30, 15), (25, 10, 10)]
)
def test_so_many_pictures_are_given_as_were_asked_for(stream: int, wanted: int, given: int) -> None:
    pace = Pace(wanted)
    due = [pace.due(number * 90_000 // stream) for number in range(10 * stream)]
    assert abs(sum(due) - 10 * given) <= 2


def test_the_pace_goes_on_after_a_jump() -> None:
    pace = Pace(10)
    assert pace.due(5_000_000)
    assert pace.due(0), "after a jump back nothing would be given for a minute"
    assert not pace.due(900)
    assert pace.due(9_000)


def test_only_the_newest_picture_waits_and_the_others_are_counted() -> None:
    intake = Intake()
    for at in range(5):
        intake.put_picture(picture(), at)
    found = intake.take(0)
    assert isinstance(found, Picture)
    assert (found.at_ns, found.skipped) == (4, 4)
    assert intake.take(0) is None
    intake.put_picture(picture(), 9)
    again = intake.take(0)
    assert isinstance(again, Picture)
    assert again.skipped == 0


def test_sound_waits_a_second_and_what_is_lost_is_counted() -> None:
    intake = Intake()
    for at in range(60):
        intake.put_block(np.zeros((320, 1), np.float32), at)
    found = intake.take(0)
    assert isinstance(found, Block)
    assert (found.at_ns, found.skipped) == (10, 10)
    rest = 0
    while intake.take(0) is not None:
        rest += 1
    assert rest == 49


@pytest.mark.parametrize(
    ("pixels", "size", "shape"),
    [
        ("gray", (32, 24), (24, 32)),
        ("gray", None, (48, 64)),
        ("bgr", (34, 20), (20, 34, 3)),
        ("yuv", None, (48, 64)),
        ("yuv", (20, 18), (18, 20)),
    ],
)
def test_pictures_come_in_the_form_asked_for_and_cannot_be_written(
    pixels: Pixels, size: tuple[int, int] | None, shape: tuple[int, ...]
) -> None:
    planes = Scaler(VideoWanted(10, size, pixels)).arrays(picture())
    assert planes[0].shape == shape
    assert planes[0].dtype == np.uint8
    assert all(not one.flags.writeable and not one.flags.owndata for one in planes)
    if pixels == "yuv":
        assert [one.shape for one in planes[1:]] == [(shape[0] // 2, shape[1] // 2)] * 2
    if pixels != "bgr":
        assert abs(int(planes[0].mean()) - 100) <= 2


def test_a_picture_that_needs_no_scaling_is_not_copied() -> None:
    source = picture()
    (luma,) = Scaler(VideoWanted(10, (64, 48), "gray")).arrays(source)
    assert luma.ctypes.data == source.planes[0].buffer_ptr


@pytest.mark.parametrize("pixels", ["gray", "bgr", "yuv"])
def test_what_is_given_can_be_shown(pixels: Pixels) -> None:
    planes = Scaler(VideoWanted(10, (34, 20), pixels)).arrays(picture())
    made = shown(planes[0], planes if pixels == "yuv" else ())
    assert (made.width, made.height) == (34, 20)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 4), np.uint8), np.zeros(4, np.uint8)]
)
def test_what_is_no_picture_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a picture is"):
        shown(array)


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (48_000, 2), (8_000, 1), (48_000, 1)])
def test_sound_comes_at_the_rate_asked_for(rate: int, channels: int) -> None:
    converter = Converter(AudioWanted(rate, channels))
    time = np.arange(48_000) / 48_000
    tone = np.repeat((0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[:, None], 2, axis=1)
    made = np.concatenate([converter.converted(tone[at : at + 960]) for at in range(0, 48_000, 960)])
    assert made.shape[1] == channels
    assert abs(len(made) - rate) <= rate // 50
    middle = made[rate // 4 : rate // 2, 0]
    assert abs(float(np.abs(middle).max()) - 0.5) < 0.05
    crossings = int(np.sum((middle[:-1] < 0) & (middle[1:] >= 0)))
    assert abs(crossings - 110) <= 1
