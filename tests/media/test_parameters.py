"""What an answer says of a codec's parameters."""

from __future__ import annotations

import pytest

from palaver.media.formats import Payload
from palaver.media.webrtc.negotiation import Bound, Incoming, Outgoing, finish, plan
from palaver.media.webrtc.parameters import Parameters
from palaver.media.webrtc.sdp import Section, parse
from palaver.room.values import AudioFormat, VideoFormat

OPUS, VP8 = AudioFormat("opus", 48000, 2), VideoFormat("vp8")
ASKED = "stereo=1;sprop-stereo=1;usedtx=1;maxaveragebitrate=128000;cbr=1;useinbandfec=0;minptime=3"
HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"


def offer(direction: str, audio: str = ASKED, video: str = "", times: str = "") -> str:
    fmtp = f"a=fmtp:96 {video}\r\n" if video else ""
    return (
        f"{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na={direction}\r\na=rtpmap:111 opus/48000/2\r\n"
        f"a=fmtp:111 {audio}\r\n{times}"
        f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na={direction}\r\na=rtpmap:96 VP8/90000\r\n{fmtp}"
    )


ANSWER = (
    f"{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n"
    "a=fmtp:111 minptime=10;useinbandfec=1\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
)


def answered(text: str, wanted: dict[str, Incoming | Outgoing]) -> tuple[Section, Section]:
    audio, video = parse(finish(ANSWER, {}, (), plan(text, wanted, {}).parameters)).sections
    return audio, video


def publish(text: str) -> tuple[Section, Section]:
    return answered(text, {"0": Incoming("s", "audio", (OPUS,)), "1": Incoming("s", "video", (VP8,))})


def said(section: Section) -> dict[str, str]:
    return section.payloads()[0].fmtp


def test_a_publisher_is_answered_what_it_offers_of_opus() -> None:
    audio, _ = publish(offer("sendonly", times="a=ptime:60\r\na=maxptime:120\r\n"))
    assert said(audio) == dict(part.split("=") for part in ASKED.split(";"))
    assert (audio.value("ptime"), audio.value("maxptime")) == ("60", "120")


def test_what_was_not_offered_is_not_answered() -> None:
    audio, video = publish(offer("sendonly", "minptime=10;useinbandfec=1"))
    assert said(audio) == {"minptime": "10", "useinbandfec": "1"}
    assert not audio.value("ptime")
    assert said(video) == {}


@pytest.mark.parametrize("bad", ["stereo=yes", "maxaveragebitrate=999999999", "usedtx=", "stereo=1\t2"])
def test_values_that_are_no_numbers_are_not_repeated(bad: str) -> None:
    audio, _ = publish(offer("sendonly", bad))
    assert said(audio) == {"minptime": "10", "useinbandfec": "1"}


def test_bitrates_that_browsers_obey_are_repeated() -> None:
    rates = {"x-google-max-bitrate": "200", "x-google-min-bitrate": "100", "x-google-start-bitrate": "150"}
    text = ";".join(f"{name}={value}" for name, value in rates.items())
    _, video = publish(offer("sendonly", video=text + ";x-google-unknown=1"))
    assert said(video) == rates


def test_they_are_answered_to_every_later_offer() -> None:
    first = plan(offer("sendonly"), {"0": Incoming("s", "audio", (OPUS,))}, {})
    used: dict[str, Bound] = {bound.mid: bound for bound in first.bound}
    again = plan(offer("sendonly", "stereo=1"), {}, used)
    audio, _ = parse(finish(ANSWER, {}, (), again.parameters)).sections
    assert said(audio) == {"minptime": "10", "useinbandfec": "1", "stereo": "1"}


@pytest.mark.parametrize(
    ("published", "stereo"), [("stereo=1", "1"), ("sprop-stereo=1", "1"), ("cbr=1", "0")]
)
def test_a_subscriber_hears_how_the_publisher_sends(published: str, stereo: str) -> None:
    (bound,) = plan(
        offer("sendonly", published, times="a=ptime:40\r\n"), {"0": Incoming("s", "audio", (OPUS,))}, {}
    ).bound
    audio, _ = answered(offer("recvonly", "stereo=1"), {"0": Outgoing("t", "audio", bound.payload)})
    assert said(audio)["sprop-stereo"] == stereo
    assert said(audio)["stereo"] == "1"
    assert audio.value("ptime") == "40"


@pytest.mark.parametrize(("channels", "stereo"), [(1, "0"), (2, "1")])
def test_a_view_says_how_many_channels_it_has(channels: int, stereo: str) -> None:
    wanted = Outgoing("t", "audio", None, (AudioFormat("opus", 48000, channels),))
    audio, _ = answered(offer("recvonly", "minptime=10"), {"0": wanted})
    assert said(audio)["sprop-stereo"] == stereo


def test_parameters_of_a_payload_type_that_is_not_answered_are_not_said() -> None:
    section = Section(["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"])
    Parameters(111, {"stereo": "1"}).write(section)
    assert section.lines == ["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"]


def test_a_refused_section_names_what_was_offered() -> None:
    made = plan(
        offer("sendonly"), {"0": Incoming("s", "audio", (OPUS,)), "1": Incoming("s", "video", ())}, {}
    )
    core = ANSWER.replace("m=video 9 UDP/TLS/RTP/SAVPF 96", "m=video 0 UDP/TLS/RTP/SAVPF ")
    _, video = parse(finish(core, {}, (), made.parameters)).sections
    assert video.refused
    assert [payload.codec for payload in video.payloads()] == ["vp8"]
    assert not video.value("candidate")


def test_the_times_of_a_section_are_those_of_its_payload_types() -> None:
    section = Section(["m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "a=ptime:20", "a=maxptime:60"])
    assert [payload.times for payload in section.payloads()] == [{"ptime": "20", "maxptime": "60"}] * 2
    assert Payload(1).times == {}
