from __future__ import annotations

from dataclasses import replace

import pytest

from palaver.room.formats import (
    Offered,
    accepted_by,
    accepts,
    default_bitrate_kbps,
    multiplier,
    offered,
    resolution,
)
from palaver.room.values import (
    AudioFormat,
    Format,
    MediaOut,
    Resolution,
    Track,
    Transcoding,
    VideoFormat,
    VideoParameters,
)
from tests.room.scenes import CONFIG, OPUS, VGA, VP8

H264 = VideoFormat("h264")
H264_CB, H264_B, H264_M, H264_H = (VideoFormat("h264", profile) for profile in ("CB", "B", "M", "H"))
HD = Resolution(1280, 720)

OUT = MediaOut(
    audio=(OPUS, AudioFormat("pcmu"), AudioFormat("opus", 16_000)),
    video=(VP8, H264_CB),
    resolutions=("x3/4", "x1/2", "hd720p", "vga", "qvga", "r320x240", "cif", "huge", "x1/0"),
    framerates=(6, 15, 24, 30, 48),
    bitrates=("x0.8", "x0.2"),
    key_frame_intervals=(100, 1),
)


@pytest.mark.parametrize(
    ("allowed", "given", "fits"),
    [
        (OPUS, OPUS, True),
        (AudioFormat("opus"), OPUS, True),
        (OPUS, AudioFormat("opus"), True),
        (AudioFormat("opus", 16_000), OPUS, False),
        (AudioFormat("opus", 48_000, 1), OPUS, False),
        (AudioFormat("pcmu"), OPUS, False),
        (VP8, VP8, True),
        (VP8, VideoFormat("vp9"), False),
        (VP8, OPUS, False),
        (OPUS, VP8, False),
        (H264, H264_H, True),
        (H264_CB, H264, True),
        (H264_H, H264_CB, True),
        (H264_M, H264_B, True),
        (H264_B, H264_CB, True),
        (H264_CB, H264_B, False),
        (H264_M, H264_H, False),
        (VideoFormat("h264", "E"), VideoFormat("h264", "E"), True),
        (VideoFormat("h264", "E"), H264_CB, False),
        (H264_H, VideoFormat("h264", "E"), False),
    ],
)
def test_a_format_fits_where_its_codec_and_profile_are_allowed(
    allowed: Format, given: Format, fits: bool
) -> None:
    assert accepts(allowed, given) is fits


def test_one_fitting_format_is_enough() -> None:
    assert accepted_by((H264_CB, VP8), VP8)
    assert not accepted_by((H264_CB,), VP8)
    assert not accepted_by((), VP8)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("cif", Resolution(352, 288)),
        ("hd1080p", Resolution(1920, 1080)),
        ("r123x45", Resolution(123, 45)),
        ("x3/4", Resolution(960, 540)),
        ("x2/3", Resolution(852, 480)),
        ("x1/3", Resolution(426, 240)),
        ("x1/0", None),
        ("", None),
        ("4k", None),
        ("x3/4 ", None),
    ],
)
def test_a_resolution_is_named_literal_or_a_fraction_in_even_numbers(
    name: str, size: Resolution | None
) -> None:
    assert resolution(name, HD) == size


def test_a_video_track_is_offered_in_other_formats_and_less_of_everything() -> None:
    track = Track("video", VP8, parameters=VideoParameters(VGA, 24))
    assert offered(track, replace(CONFIG, out=OUT)) == Offered(
        formats=(H264_CB,),
        resolutions=(Resolution(480, 360), Resolution(320, 240), Resolution(352, 288)),
        framerates=(6, 15),
        bitrates=("x0.8", "x0.2"),
        key_frame_intervals=(100, 1),
    )


def test_what_is_not_known_of_a_video_track_is_assumed() -> None:
    track = Track("video", VP8)
    known = Track("video", VP8, parameters=VideoParameters(VGA, 30))
    config = replace(CONFIG, out=OUT)
    assert offered(track, config) == offered(known, config)
    assert offered(track, config).framerates == (6, 15, 24)


def test_a_smaller_resolution_is_smaller_both_ways() -> None:
    track = Track("video", VP8, parameters=VideoParameters(Resolution(400, 240)))
    config = replace(CONFIG, out=replace(OUT, resolutions=("qvga", "cif", "qcif")))
    assert offered(track, config).resolutions == (Resolution(176, 144),)


def test_an_audio_track_is_offered_in_other_formats_only() -> None:
    formats = (AudioFormat("pcmu"), AudioFormat("opus", 16_000))
    assert offered(Track("audio", OPUS), replace(CONFIG, out=OUT)) == Offered(formats=formats)


def test_what_transcoding_forbids_is_not_offered() -> None:
    nothing = Transcoding(False, False, False, False, False, False)
    config = replace(CONFIG, out=OUT, transcoding=nothing)
    assert offered(Track("video", VP8), config) == Offered()
    assert offered(Track("audio", OPUS), config) == Offered()


def test_the_bitrate_of_the_default_view_is_the_documented_example() -> None:
    assert default_bitrate_kbps(VP8, VGA, 24, 0.8) == pytest.approx(665.6)


@pytest.mark.parametrize(
    ("video", "size", "framerate", "kbps"),
    [
        (H264, VGA, 30, 800),
        (VideoFormat("vp9"), VGA, 30, 640),
        (VideoFormat("h265"), HD, 30, 1800),
        (H264, Resolution(320, 240), 15, 200),
        (VideoFormat("av1"), HD, 30, 2000),
        (H264, Resolution(20_000, 20_000), 30, 64_000),
        (H264, Resolution(0, 0), 30, 0),
    ],
)
def test_a_bitrate_follows_the_table(
    video: VideoFormat, size: Resolution, framerate: float, kbps: float
) -> None:
    assert default_bitrate_kbps(video, size, framerate) == pytest.approx(kbps)


@pytest.mark.parametrize(
    ("bitrate", "factor"), [("x0.8", 0.8), ("x1", 1.0), (500, None), ("500", None), ("xx", None), ("", None)]
)
def test_a_bitrate_with_an_x_is_a_multiplier(bitrate: float | str, factor: float | None) -> None:
    assert multiplier(bitrate) == factor
