"""Pictures are encoded and decoded in every codec; damage is survived."""

from __future__ import annotations

import random

import pytest

from palaver.media.pipelines import confinement
from palaver.mixing.decoding import UnknownCodec, VideoDecoder
from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder
from palaver.mixing.video import BUDGET_S, PENANCE_S, VideoInput
from tests.mixing.scenes import VIDEO_CODECS, camera, output, plain, shade, video

FRAME = CLOCK_RATE // 30


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_each_picture_gives_one_frame_and_a_key_frame_when_asked(codec: str) -> None:
    encoder, decoder = VideoEncoder(output(codec)), VideoDecoder(codec)
    keys = []
    for number in range(12):
        if number == 6:
            encoder.want_key_frame()
        ((payload, key),) = encoder.encode(plain(40 + number * 10), number * FRAME)
        keys += [number] if key else []
        picture = decoder.decode(video(payload, key=key))
        assert picture is not None
        assert abs(shade(picture) - (40 + number * 10)) <= 3
    assert keys == [0, 6]


@pytest.mark.parametrize("kbps", [150.0, 600.0])
@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_key_frames_come_by_interval_and_request_whatever_the_pictures(codec: str, kbps: float) -> None:
    encoder = VideoEncoder(output(codec, 1, 480, 270, bitrate_kbps=kbps, key_frame_interval_s=3.0))
    keys = []
    for number in range(130):
        if number == 100:
            encoder.want_key_frame()
        ((_, key),) = encoder.encode(camera(number), number * FRAME)
        keys += [number] if key else []
    assert keys == [0, 90, 100]


def test_a_camera_gets_the_rate_asked_for_in_vp9() -> None:
    encoder, sizes = VideoEncoder(output("vp9", 1, 480, 270, bitrate_kbps=300.0)), []
    for number in range(150):
        ((payload, _),) = encoder.encode(camera(number), number * FRAME)
        sizes.append(len(payload))
    assert sum(sizes) * 8 / 5 < 1.15 * 300_000


@pytest.mark.parametrize("profile", [None, "CB", "B", "M", "H"])
def test_h264_says_its_profile(profile: str | None) -> None:
    ((payload, _),) = VideoEncoder(output("h264", profile=profile)).encode(plain(90), 0)
    sequence = payload.index(b"\x00\x00\x00\x01\x67")
    assert payload[sequence + 5] == {"M": 77, "H": 100}.get(profile or "", 66)


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_garbage_and_truncated_frames_cost_pictures_only(codec: str) -> None:
    dice = random.Random(codec)
    encoder, decoder = VideoEncoder(output(codec)), VideoDecoder(codec)
    for number in range(40):
        if number % 10 == 0:
            encoder.want_key_frame()
        ((payload, key),) = encoder.encode(plain(80), number * FRAME)
        broken = [payload[: dice.randrange(len(payload))], dice.randbytes(200), b"", payload[::-1]]
        decoder.decode(video(broken[number % 4], key=key))
    assert decoder.damaged > 0
    encoder.want_key_frame()
    ((payload, key),) = encoder.encode(plain(120), 41 * FRAME)
    picture = decoder.decode(video(payload, key=key))
    assert picture is not None
    assert abs(shade(picture) - 120) <= 3


def test_after_a_gap_nothing_is_shown_before_a_key_frame() -> None:
    encoder, decoder = VideoEncoder(output("vp8")), VideoDecoder("vp8")
    frames = [encoder.encode(plain(60), n * FRAME)[0] for n in range(4)]
    assert decoder.decode(video(frames[0][0], key=True)) is not None
    assert decoder.decode(video(frames[2][0], gap=True)) is None
    assert decoder.starving
    assert decoder.decode(video(frames[3][0])) is None


def test_a_new_size_begins_with_a_key_frame() -> None:
    encoder, decoder = VideoEncoder(output("h264", width=0, height=0)), VideoDecoder("h264")
    sizes = [(320, 180), (160, 90), (640, 360), (2, 2)]
    for number, (width, height) in enumerate(sizes):
        ((payload, key),) = encoder.encode(plain(70, width, height), number * FRAME)
        picture = decoder.decode(video(payload, key=key))
        assert key
        assert picture is not None
        assert (picture.width, picture.height) == (width, height)


def test_a_slower_output_leaves_pictures_out() -> None:
    encoder = VideoEncoder(output("vp8", framerate=15.0))
    taken = []
    for number in range(30):
        if encoder.due(number * FRAME):
            taken.append(number)
            encoder.encode(plain(60), number * FRAME)
    assert taken == list(range(0, 30, 2))


def test_what_cannot_be_coded_is_named() -> None:
    with pytest.raises(UnknownCodec, match="theora"):
        VideoDecoder("theora")
    with pytest.raises(UnknownCodec, match="theora"):
        VideoEncoder(output("theora"))


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_a_picture_beyond_the_limit_is_not_decoded_and_one_within_it_is_again(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the size that the stream itself says: nothing of that size is made."""
    monkeypatch.setattr(confinement, "limits", confinement.Limits(max_pixels=320 * 192))
    decoder = VideoDecoder(codec)
    for number in range(3):
        assert not decoder.hopeless
        ((payload, key),) = VideoEncoder(output(codec, 1, 1280, 720)).encode(plain(90, 1280, 720), number)
        assert decoder.decode(video(payload, key=key)) is None
    assert decoder.hopeless
    ((payload, key),) = VideoEncoder(output(codec, 1, 320, 180)).encode(plain(90, 320, 180), 0)
    assert decoder.decode(video(payload, key=key)) is not None
    assert not decoder.hopeless


def test_an_input_that_costs_too_much_is_left_out_for_a_while_and_says_so() -> None:
    one = VideoInput(1, "Ann", VideoDecoder("vp8"), added_at=0.0)
    one.budget.spend(0.0, now=100.0)
    one.budget.spend(BUDGET_S * 0.69, now=102.0)
    one.budget.spend(0.0, now=100.0 + BUDGET_S)
    assert not one.budget.exhausted(100.0 + BUDGET_S)
    one.budget.spend(BUDGET_S * 0.71, now=107.0)
    one.budget.spend(0.0, now=100.0 + 2 * BUDGET_S)
    assert one.budget.exhausted(100.0 + 2 * BUDGET_S)
    assert one.says(100.0 + 2 * BUDGET_S) == "Ann: picture too costly"
    assert one.says(100.0 + 2 * BUDGET_S + PENANCE_S) == "Ann"
