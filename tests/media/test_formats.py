"""Codecs as SDP writes them and as OWT names them."""

from __future__ import annotations

import pytest

from palaver.media.formats import Payload, format_of, h264_profile, kind_of, made_as, same_stream
from palaver.media.webrtc.sdp import parse
from palaver.room.values import AudioFormat, Format, VideoFormat
from tests.media.chromium import chromium


def h264(level: str | None, mode: str | None = None) -> Payload:
    fmtp = {"profile-level-id": level, "packetization-mode": mode}
    return Payload(
        96, "h264", 90000, None, {name: value for name, value in fmtp.items() if value is not None}
    )


@pytest.mark.parametrize(
    ("level", "profile"),
    [
        ("42001f", "B"),
        ("42e01f", "CB"),
        ("42E01F", "CB"),
        ("42c01f", "CB"),
        ("42401f", "CB"),
        ("4d001f", "M"),
        ("4d401f", "M"),
        ("4d801f", "CB"),
        ("58801f", "B"),
        ("58c01f", "CB"),
        ("58001f", None),  # Extended
        ("64001f", "H"),
        ("640c1f", "H"),
        ("f4001f", None),  # High 4:4:4 Predictive
        (None, "B"),
        ("", None),
        ("4", None),
        ("42", None),
        ("xyz", None),
        ("²²²²²²", None),
    ],
)
def test_h264_profiles_follow_the_table_of_rfc_6184(level: str | None, profile: str | None) -> None:
    assert h264_profile(h264(level)) == profile


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (Payload(111, "opus", 48000, 2), AudioFormat("opus", 48000, 2)),
        (Payload(9, "g722", 8000), AudioFormat("g722", 16000, 1)),
        (Payload(0, "pcmu", 8000), AudioFormat("pcmu")),
        (Payload(96, "vp8", 90000), VideoFormat("vp8")),
        (Payload(96, "hevc", 90000), VideoFormat("h265")),
        (h264("42e01f"), VideoFormat("h264", "CB")),
        (Payload(97, "rtx", 90000), None),
        (Payload(63, "red", 48000), None),
        (Payload(96), None),
    ],
)
def test_a_payload_has_a_format_of_owt_or_none(payload: Payload, expected: Format | None) -> None:
    assert format_of(payload) == expected


def vp9(profile: str | None) -> Payload:
    return Payload(98, "vp9", 90000, None, {"profile-id": profile} if profile else {})


def h265(profile: str | None) -> Payload:
    return Payload(98, "h265", 90000, None, {"profile-id": profile} if profile else {})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (h264("42e01f", "1"), h264("42e02a", "1"), True),  # levels are a limit, not a format
        (h264("42e01f", "1"), h264("4d801f", "1"), True),  # both Constrained Baseline
        (h264("42e01f", "1"), h264("42001f", "1"), False),
        (h264("42e01f", "1"), h264("42e01f", "0"), False),
        (h264("42e01f", "0"), h264("42e01f"), True),
        (h264("f4001f"), h264("6e001f"), False),  # neither has a word of OWT's, and yet they differ
        (h264("f4001f"), h264("f4001f"), True),
        (vp9("0"), vp9(None), True),
        (vp9("0"), vp9("2"), False),
        (h265("1"), h265(None), True),
        (h265("2"), h265(None), False),
        (Payload(96, "vp8", 90000), Payload(120, "vp8", 90000), True),
        (Payload(96, "vp8", 90000), vp9(None), False),
        (Payload(111, "opus", 48000, 2), Payload(111, "opus", 16000, 2), False),
    ],
)
def test_streams_are_the_same_when_a_decoder_cannot_tell_them_apart(
    one: Payload, other: Payload, same: bool
) -> None:
    assert same_stream(one, other) is same
    assert same_stream(other, one) is same


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        ((AudioFormat("opus", 48000, 1), AudioFormat("opus", 48000, 2)), AudioFormat("opus", 48000, 1)),
        ((AudioFormat("opus", 48000, 2), AudioFormat("opus", 48000, 1)), AudioFormat("opus", 48000, 2)),
        ((AudioFormat("opus"),), AudioFormat("opus", 48000, 2)),
        ((AudioFormat("opus", 16000, 1), AudioFormat("pcmu")), None),
    ],
)
def test_opus_is_made_in_mono_where_that_is_wanted(
    formats: tuple[AudioFormat, ...], expected: AudioFormat | None
) -> None:
    assert made_as(Payload(111, "opus", 48000, 2), formats) == expected


def test_each_codec_of_chromium_fits_itself_once() -> None:
    for section in parse(chromium("receiver")).sections:
        payloads = [p for p in section.payloads() if format_of(p) is not None]
        for published in payloads:
            assert [p.number for p in payloads if same_stream(p, published)] == [published.number]


def test_only_audio_and_video_have_a_kind() -> None:
    assert [kind_of(kind) for kind in ("audio", "video", "application", "text")] == [
        "audio",
        "video",
        None,
        None,
    ]
