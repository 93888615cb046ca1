"""Which payload type carries a picture: by profile of H264 offered and published (RFC 6184 §8.2.2)."""

from __future__ import annotations

from typing import Final

import pytest

from palaver.media.formats import Payload, format_of, made_as
from palaver.media.webrtc.negotiation import Incoming, Outgoing, plan
from palaver.media.webrtc.sdp import parse
from palaver.room.values import AudioFormat, VideoFormat

H264, VP8, OPUS = VideoFormat("h264"), VideoFormat("vp8"), AudioFormat("opus", 48000, 2)

# By payload type: codec, or profile and packetization mode of H264; None: it is not said. In the client's order.
Offered = dict[int, str | tuple[str | None, str | None]]
SAFARI: Final[Offered] = {96: ("640c1f", "1"), 98: ("42e01f", "1"), 100: "VP8"}
CHROMIUM: Final[Offered] = {
    96: "VP8",
    103: ("42001f", "1"),
    107: ("42001f", "0"),
    109: ("42e01f", "1"),
    115: ("42e01f", "0"),
    117: ("4d001f", "1"),
    119: ("4d001f", "0"),
    39: ("f4001f", "1"),
    112: ("64001f", "1"),
}
FIREFOX: Final[Offered] = {120: "VP8", 126: ("42e01f", "1"), 97: ("42e01f", "0")}
HIGH_10: Final[Offered] = {96: ("6e001f", "1"), 98: ("42e01f", "1")}
EXTENDED: Final[Offered] = {96: ("58001e", "1"), 98: ("42e01f", "1")}
HIGH_444: Final[Offered] = {96: ("f4001f", "1"), 98: ("42e01f", "1")}
ONLY_HIGH_444: Final[Offered] = {96: ("f4001f", "1"), 100: "VP8"}
NO_MODE: Final[Offered] = {96: ("42e01f", None), 98: ("640c1f", None)}
NO_PROFILE: Final[Offered] = {96: (None, "1")}
NOTHING: Final[Offered] = {96: ("6e001f", "1"), 98: ("58001e", "1"), 99: ("zz", "1")}


def offer(offered: Offered, direction: str) -> str:
    numbers = " ".join(str(number) for number in offered)
    lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
    lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=rtpmap:111 opus/48000/2", f"a={direction}"]
    lines += [f"m=video 9 UDP/TLS/RTP/SAVPF {numbers}", "a=mid:1", f"a={direction}"]
    for number, codec in offered.items():
        if isinstance(codec, str):
            lines.append(f"a=rtpmap:{number} {codec}/90000")
            continue
        names = ("profile-level-id", "packetization-mode")
        said = [f"{name}={value}" for name, value in zip(names, codec, strict=True) if value is not None]
        lines += [f"a=rtpmap:{number} H264/90000", f"a=fmtp:{number} {';'.join(said)}"]
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize(
    ("offered", "number", "profile"),
    [
        (SAFARI, 96, "H"),
        (CHROMIUM, 103, "B"),
        (FIREFOX, 126, "CB"),
        (HIGH_10, 98, "CB"),
        (EXTENDED, 98, "CB"),
        (HIGH_444, 98, "CB"),
        (NO_MODE, 96, "CB"),
        (NO_PROFILE, 96, "B"),
    ],
)
def test_a_publisher_sends_the_first_profile_that_can_be_carried(
    offered: Offered, number: int, profile: str
) -> None:
    made = plan(offer(offered, "sendonly"), {"1": Incoming("s", "video", (H264,))}, {})
    (bound,) = made.bound
    assert bound.payload.number == number
    assert format_of(bound.payload) == VideoFormat("h264", profile)


@pytest.mark.parametrize("offered", [ONLY_HIGH_444, NOTHING])
def test_a_publisher_without_a_profile_that_can_be_carried_keeps_its_sound(offered: Offered) -> None:
    wanted = {
        "0": Incoming("s", "audio", (OPUS,)),
        "1": Incoming("s", "video", (H264,)),
    }
    made = plan(offer(offered, "sendonly"), wanted, {})
    assert [bound.mid for bound in made.bound] == ["0"]
    assert made.rejected == {"1": "s"}
    assert not made.failed
    assert parse(made.offer).sections[1].lines[0].startswith("m=video 0 ")


def test_a_publisher_falls_to_the_next_codec() -> None:
    made = plan(offer(ONLY_HIGH_444, "sendonly"), {"1": Incoming("s", "video", (H264, VP8))}, {})
    assert [bound.payload.codec for bound in made.bound] == ["vp8"]


# What is published, and by offer the payload type that carries it; a second number is one in which it is made.
PUBLISHED: Final = {
    "CB": ("42e01f", "1"),
    "B": ("42001f", "1"),
    "M": ("4d001f", "1"),
    "H": ("640c1f", "1"),
    "CB in mode 0": ("42e01f", "0"),
}


@pytest.mark.parametrize(
    ("published", "offered", "number", "carried"),
    [
        ("CB", SAFARI, 98, True),
        ("B", SAFARI, 96, True),
        ("M", SAFARI, 96, True),
        ("H", SAFARI, 96, True),
        ("CB in mode 0", SAFARI, 98, True),
        ("CB", CHROMIUM, 109, True),
        ("B", CHROMIUM, 103, True),
        ("M", CHROMIUM, 117, True),
        ("H", CHROMIUM, 112, True),
        ("CB in mode 0", CHROMIUM, 115, True),
        ("CB", FIREFOX, 126, True),
        ("B", FIREFOX, 126, False),
        ("M", FIREFOX, 126, False),
        ("H", FIREFOX, 126, False),
        ("CB in mode 0", FIREFOX, 97, True),
        ("CB", HIGH_10, 98, True),
        ("H", HIGH_10, 96, True),
        ("CB", EXTENDED, 98, True),
        ("B", EXTENDED, 96, True),
        ("H", EXTENDED, 96, False),
        ("H", HIGH_444, 96, True),
        ("H", ONLY_HIGH_444, 96, True),
        ("CB", NO_MODE, 96, True),
        ("H", NO_MODE, 98, True),
        ("CB", NO_PROFILE, 96, True),
        ("H", NO_PROFILE, 96, False),
    ],
)
def test_a_receiver_gets_what_it_decodes(
    published: str, offered: Offered, number: int, carried: bool
) -> None:
    level, mode = PUBLISHED[published]
    source = Payload(1, "h264", 90000, None, {"profile-level-id": level, "packetization-mode": mode})
    own = format_of(source)
    assert own is not None
    text = offer(offered, "recvonly")
    (bound,) = plan(text, {"1": Outgoing("t", "video", source, (own,))}, {}).bound
    assert bound.payload.number == number
    assert bool(plan(text, {"1": Outgoing("t", "video", source)}, {}).bound) is carried


@pytest.mark.parametrize("profile", ["CB", "M", "H"])
@pytest.mark.parametrize("offered", [SAFARI, CHROMIUM, FIREFOX, HIGH_10, HIGH_444, NO_MODE, NO_PROFILE])
def test_a_view_is_made_in_a_profile_that_its_receiver_decodes(profile: str, offered: Offered) -> None:
    formats = (VideoFormat("h264", profile),)
    (bound,) = plan(offer(offered, "recvonly"), {"1": Outgoing("t", "video", None, formats)}, {}).bound
    made = made_as(bound.payload, formats)
    assert isinstance(made, VideoFormat)
    order = ["CB", "B", "M", "H"]
    assert order.index(made.profile or "") <= order.index(profile)


def test_a_receiver_of_nothing_that_is_known_keeps_its_sound() -> None:
    opus = Payload(111, "opus", 48000, 2)
    source = Payload(1, "h264", 90000, None, {"profile-level-id": "640c1f", "packetization-mode": "1"})
    own = format_of(source)
    assert own is not None
    wanted = {"0": Outgoing("t", "audio", opus), "1": Outgoing("t", "video", source, (own,))}
    made = plan(offer({99: ("zz", "1")}, "recvonly"), wanted, {})
    assert [bound.mid for bound in made.bound] == ["0"]
    assert made.rejected == {"1": "t"}
