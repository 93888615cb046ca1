"""What calls agree on, from descriptions as phones and gateways write them."""

from __future__ import annotations

import base64

import pytest

from palaver.sip.description import NotAcceptable, read
from palaver.sip.negotiation import Negotiation, Place

ALL = frozenset({"opus", "g722", "pcmu", "pcma", "h264", "vp8"})
AUDIO = Place("192.0.2.9", 20_000, 20_001)
VIDEO = Place("192.0.2.9", 20_002, 20_003)
HEAD = "v=0\r\no=- 7 7 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
KEY = base64.b64encode(bytes(range(30))).decode()
PHONE = HEAD + (
    "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
)


def negotiation(codecs: frozenset[str] = ALL, *, video: bool = True, secure: bool = False) -> Negotiation:
    return Negotiation(codecs, {"audio": AUDIO, "video": VIDEO} if video else {"audio": AUDIO}, secure)


def media_lines(text: str) -> list[str]:
    return [line for line in text.split("\r\n") if line.startswith("m=")]


def test_a_phone_is_answered_in_its_first_codec_that_the_room_has() -> None:
    call = negotiation(frozenset({"pcma"}))
    answer = call.answer(PHONE)
    assert media_lines(answer) == ["m=audio 20000 RTP/AVP 8 101"]
    audio = call.sections["audio"]
    assert (audio.payload.codec, audio.payload.number, audio.remote) == ("pcma", 8, ("198.51.100.1", 4000))
    assert (audio.events, audio.sends_events) == (((101, 8000),), (101, 8000))


def test_what_has_no_sound_for_us_is_refused_and_changes_nothing() -> None:
    call = negotiation()
    call.answer(PHONE)
    before = dict(call.sections)
    for offer in (HEAD + "m=audio 4000 RTP/AVP 18\r\n", HEAD + "m=video 4000 RTP/AVP 96\r\n", "", "v=0\r\n"):
        with pytest.raises(NotAcceptable):
            call.answer(offer)
    assert call.sections == before


@pytest.mark.parametrize(
    "more",
    [
        "m=image 4002 udptl t38\r\na=T38FaxVersion:0\r\n",
        "m=message 4002 TCP/MSRP *\r\n",
        "m=application 4002 UDP/BFCP *\r\n",
        "m=video 0 RTP/AVP 31\r\n",
    ],
)
def test_sections_that_we_have_no_use_for_are_refused_and_the_call_goes_on(more: str) -> None:
    call = negotiation()
    lines = media_lines(call.answer(PHONE + more))
    assert len(lines) == 2
    assert lines[0].startswith("m=audio 20000 ")
    assert " 0 " in lines[1]
    assert list(call.sections) == ["audio"]


def test_descriptions_that_are_not_quite_right_are_read() -> None:
    call = negotiation()
    call.answer("v=0\no=x\nc=IN IP4 198.51.100.1\nm=audio  4000  RTP/AVP 0 96\na=rtpmap:96\na\na=fmtp\n")
    assert call.sections["audio"].payload.codec == "pcmu"


@pytest.mark.parametrize(
    ("said", "ours"),
    [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")],
)
def test_hold_is_answered_with_the_other_direction_and_resumed(said: str, ours: str) -> None:
    call = negotiation()
    call.answer(PHONE)
    assert f"a={ours}" in call.answer(PHONE + f"a={said}\r\n")
    assert call.sections["audio"].direction == ours
    assert "a=sendrecv" in call.answer(PHONE)
    assert call.sections["audio"].direction == "sendrecv"


def test_a_hold_of_the_old_kind_is_one() -> None:
    call = negotiation()
    call.answer(PHONE)
    assert "a=recvonly" in call.answer(PHONE.replace("c=IN IP4 198.51.100.1", "c=IN IP4 0.0.0.0"))
    assert call.sections["audio"].direction == "recvonly"


def test_the_codec_in_use_is_kept_when_it_is_offered_again() -> None:
    call = negotiation()
    call.answer(PHONE)
    call.answer(HEAD + "m=audio 4000 RTP/AVP 8 0\r\n")
    assert call.sections["audio"].payload.codec == "pcmu"
    call.answer(HEAD + "m=audio 4000 RTP/AVP 8\r\n")
    assert call.sections["audio"].payload.codec == "pcma"


def test_digits_beside_opus_may_come_at_either_rate() -> None:
    call = negotiation()
    offer = HEAD + (
        "m=audio 4000 RTP/AVP 111 101 110\r\na=rtpmap:111 opus/48000/2\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:110 telephone-event/48000\r\n"
    )
    assert media_lines(call.answer(offer)) == ["m=audio 20000 RTP/AVP 111 101 110"]
    assert call.sections["audio"].events == ((101, 8000), (110, 48_000))
    assert call.sections["audio"].sends_events == (110, 48_000)


def test_of_two_sections_on_one_port_the_sealed_one_is_taken() -> None:
    call = negotiation()
    offer = HEAD + (
        "m=audio 4000 RTP/AVP 0\r\nm=audio 4000 RTP/SAVP 0\r\n"
        f"a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20|1:4\r\n"
    )
    answer = call.answer(offer)
    assert media_lines(answer) == ["m=audio 0 RTP/AVP 0", "m=audio 20000 RTP/SAVP 0"]
    srtp = call.sections["audio"].srtp
    assert srtp is not None
    assert (srtp.suite, srtp.theirs) == ("AES_CM_128_HMAC_SHA1_32", bytes(range(30)))
    ours = base64.b64encode(srtp.ours).decode()
    assert f"a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{ours}" in answer


def test_a_sealed_section_without_a_key_that_reads_is_refused() -> None:
    offer = HEAD + "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:short\r\n"
    with pytest.raises(NotAcceptable):
        negotiation().answer(offer)


H264 = "a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42e01f;packetization-mode=1\r\n"


def test_pictures_are_agreed_on_beside_the_sound() -> None:
    call = negotiation()
    offer = PHONE + "m=video 4002 RTP/AVP 97\r\n" + H264 + "a=rtcp-fb:* nack pli\r\n"
    answer = call.answer(offer)
    assert media_lines(answer)[1] == "m=video 20002 RTP/AVP 97"
    assert "a=fmtp:97 profile-level-id=42e01f;packetization-mode=1" in answer
    assert call.sections["video"].feedback == ("pli",)


def test_a_section_of_pictures_that_a_call_has_no_place_for_is_refused() -> None:
    call = negotiation(video=False)
    assert media_lines(call.answer(PHONE + "m=video 4002 RTP/AVP 97\r\n" + H264))[1] == "m=video 0 RTP/AVP 97"


def test_our_own_offer_names_all_that_the_room_has_and_its_answer_is_taken_at_its_word() -> None:
    call = negotiation(frozenset({"opus", "pcmu", "h264"}))
    assert media_lines(call.offer()) == [
        "m=audio 20000 RTP/AVP 96 0 101 102",
        "m=video 20002 RTP/AVP 97 98",
    ]
    call.answered(PHONE + "m=video 0 RTP/AVP 97\r\n")
    audio = call.sections["audio"]
    assert (audio.payload.codec, audio.receives, list(call.sections)) == ("pcmu", 0, ["audio"])
    assert (audio.sends_events, audio.events) == ((101, 8000), ((101, 8000), (102, 48_000)))


def test_a_peer_may_number_our_codecs_otherwise() -> None:
    call = negotiation()
    call.offer()
    call.answered(HEAD + "m=audio 4000 RTP/AVP 120\r\na=rtpmap:120 opus/48000/2\r\n")
    assert (call.sections["audio"].payload.number, call.sections["audio"].receives) == (120, 96)


def test_an_answer_without_sound_ends_it() -> None:
    call = negotiation()
    call.offer()
    with pytest.raises(NotAcceptable):
        call.answered(HEAD + "m=audio 0 RTP/AVP 0\r\n")


def test_our_sealed_offer_is_agreed_on_with_the_peers_key() -> None:
    call = negotiation(secure=True, video=False)
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" in call.offer()
    call.answered(HEAD + f"m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n")
    srtp = call.sections["audio"].srtp
    assert srtp is not None
    assert srtp.theirs == bytes(range(30))


def test_each_description_is_a_new_version_of_one_session() -> None:
    call = negotiation()
    first, second = (call.answer(PHONE).split("\r\n")[1].split() for _ in range(2))
    assert first[1] == second[1]
    assert int(second[2]) == int(first[2]) + 1


def test_limits_of_descriptions() -> None:
    with pytest.raises(NotAcceptable, match="longer than"):
        read("v=0\r\n" + "a=x\r\n" * 20_000)
    with pytest.raises(NotAcceptable, match="sections"):
        read(HEAD + "m=audio 4000 RTP/AVP 0\r\n" * 40)
