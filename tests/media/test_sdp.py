"""Session descriptions as text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.media.ports import NegotiationError
from palaver.media.webrtc.sdp import MAX_BYTES, MAX_SECTIONS, Section, parse
from tests.media.chromium import NAMES, chromium
from tests.offers import offer


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_edited_comes_out_as_it_went_in(name: str) -> None:
    assert str(parse(chromium(name))) == chromium(name)


def test_a_section_knows_what_it_is() -> None:
    audio, video = parse(chromium("camera")).sections
    assert (audio.kind, audio.mid, audio.direction) == ("audio", "0", "sendonly")
    assert (video.kind, video.mid, video.direction) == ("video", "1", "sendonly")


def test_lines_may_end_without_carriage_return() -> None:
    text = chromium("camera")
    assert str(parse(text.replace("\r\n", "\n"))) == text


def test_payloads_come_in_the_order_of_the_media_line_with_their_parameters() -> None:
    audio, video = parse(chromium("camera")).sections
    opus = audio.payloads()[0]
    assert (opus.number, opus.codec, opus.clock_rate, opus.channels) == (111, "opus", 48000, 2)
    assert opus.fmtp == {"minptime": "10", "useinbandfec": "1"}
    assert [p.codec for p in video.payloads()][:2] == ["vp8", "rtx"]
    assert video.payloads()[1].fmtp == {"apt": "96"}


def test_static_payload_types_need_no_rtpmap() -> None:
    section = Section(["m=audio 9 UDP/TLS/RTP/SAVPF 0 8 9", "a=mid:0"])
    assert [(p.codec, p.clock_rate) for p in section.payloads()] == [
        ("pcmu", 8000),
        ("pcma", 8000),
        ("g722", 8000),
    ]


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000, "-1", "128", "x", ""])
def test_a_payload_number_that_is_none_is_skipped(number: str) -> None:
    lines = [f"m=audio 9 X 0 {number}", f"a=rtpmap:{number} opus/48000/2", f"a=fmtp:{number} a=b", "a=mid:0"]
    assert [p.number for p in Section(lines).payloads()] == [0]


@pytest.mark.parametrize("rate", ["²", "9" * 5000, "", "48000/²"])
def test_a_clock_rate_that_is_none_does_no_harm(rate: str) -> None:
    (payload,) = Section(["m=audio 9 X 96", f"a=rtpmap:96 opus/{rate}"]).payloads()
    assert payload.codec == "opus"
    assert payload.channels is None


def test_reducing_a_section_keeps_the_order_asked_for_and_what_concerns_all() -> None:
    section = parse(chromium("camera")).sections[1]
    section.lines.insert(1, "a=rtcp-fb:* transport-cc")
    section.keep([97, 96])
    assert section.lines[0].endswith("SAVPF 97 96")
    assert "a=rtcp-fb:* transport-cc" in section.lines
    abouts = [line for line in section.lines if line.startswith(("a=rtpmap", "a=fmtp", "a=rtcp-fb"))]
    assert {line.split(":")[1].split(" ")[0] for line in abouts} == {"*", "96", "97"}
    assert section.value("msid"), "lines about no payload type stay"


def test_a_direction_is_an_attribute_and_nothing_else() -> None:
    section = Section(["m=audio 9 X 0", "i=sendonly", "a=recvonly"])
    assert section.direction == "recvonly"
    section.direction = "inactive"
    assert section.lines == ["m=audio 9 X 0", "i=sendonly", "a=inactive"]
    assert Section(["m=audio 9 X 0"]).direction == "sendrecv"


def test_removing_an_attribute_spares_those_that_begin_alike() -> None:
    lines = [
        "m=video 9 X 96",
        "a=rid:q send",
        "a=ridiculous:1",
        "a=ssrc:1 x",
        "a=ssrc-group:FID 1 2",
        "a=rid",
    ]
    section = Section(lines)
    section.without("rid", "ssrc")
    assert section.lines == ["m=video 9 X 96", "a=ridiculous:1", "a=ssrc-group:FID 1 2"]


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        (["m=audio 0 X 0"], True),
        (["m=audio 0 X 0", "a=bundle-only"], False),
        (["m=audio 9 X 0"], False),
    ],
)
def test_port_zero_means_refused_unless_bundled(lines: list[str], refused: bool) -> None:
    assert Section(lines).refused is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 of the session description is not v=0"),
        ("\r\n\r\n", "line 1 of the session description is not v=0"),
        ("v=1\r\n", "line 1 of the session description is not v=0"),
        ("v=0\r\n", "the offer has no media section"),
        ("v=0\r\nhello\r\n", "line 2 of the session description is not of the form"),
        ("v=0\r\n\r\nm=audio 9 X 0\r\na=mid:0\r\n", "line 2 of the session description"),
        ("v=0\r\na=\x00\r\n", "line 2 of the session description"),
        ("v=0\r\nm=audio\r\na=mid:0\r\n", "line 2 of the session description is not a usable m= line"),
        ("v=0\r\nm=audio ² X 0\r\na=mid:0\r\n", "not a usable m= line"),
        (
            "v=0\r\nm=audio 9 X 0\r\n",
            "line 2 of the session description has no usable a=mid (1 to 16 token characters): 'm=audio 9 X 0'",
        ),
        ("v=0\r\nm=audio 9 X 0\r\na=mid:" + "1" * 17 + "\r\n", "has no usable a=mid"),
        (
            "v=0\r\nm=audio 9 X 0\r\na=mid:0\r\nm=audio 9 X 0\r\na=mid:0\r\n",
            "line 5 of the session description names a section that was named before: 'a=mid:0'",
        ),
        (
            "v=0\r\nm=audio 9 X 0 8 0\r\na=mid:0\r\n",
            "line 2 of the session description names a payload type twice",
        ),
        (
            "v=0\r\nm=audio 9 X 96\r\na=mid:0\r\na=rtpmap:96 a/1\r\na=rtpmap:96 b/1\r\n",
            "line 5 of the session description says again what a payload type means: 'a=rtpmap:96 b/1'",
        ),
        ("v=0\r\n" + "x" * 500, "<letter>=<value>: '" + "x" * 80 + "'…"),
        ("v=0\r\n" + "a=" + "x" * MAX_BYTES, "is longer than"),
        (offer(*[("audio", str(n), "recvonly") for n in range(MAX_SECTIONS + 1)]), "at most 512 are allowed"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(NegotiationError, match=re.escape(message)):
        parse(text)


def test_as_many_sections_as_allowed_are_taken() -> None:
    sections = [("audio", str(n), "recvonly") for n in range(MAX_SECTIONS)]
    assert len(parse(offer(*sections)).sections) == MAX_SECTIONS


@given(st.text(max_size=300).map(lambda text: "v=0\r\nm=audio 9 X 0\r\na=mid:0\r\n" + text))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        description = parse(text)
    except NegotiationError:
        return
    assert str(parse(str(description))) == str(description)
    for section in description.sections:
        section.payloads()
