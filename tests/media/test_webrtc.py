"""What becomes of an offer, and of its answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.media.formats import Payload, format_of
from palaver.media.ports import NegotiationError
from palaver.media.webrtc.negotiation import (
    Bound,
    Incoming,
    Outgoing,
    Plan,
    Wanted,
    candidate_line,
    finish,
    plan,
)
from palaver.media.webrtc.sdp import Section, parse
from palaver.room.values import AudioFormat, VideoFormat
from tests.media.chromium import NAMES, chromium
from tests.offers import offer

OPUS = AudioFormat("opus", 48000, 2)
VP8, VP9, AV1 = VideoFormat("vp8"), VideoFormat("vp9"), VideoFormat("av1")
MIC = Incoming("s", "audio", (OPUS,))
CAMERA = Incoming("s", "video", (VP8, VP9))


def section(made: Plan, mid: str) -> Section:
    found = parse(made.offer).section(mid)
    assert found is not None
    return found


def codecs(made: Plan, mid: str) -> list[str]:
    return [payload.codec for payload in section(made, mid).payloads()]


def published(codec: str, **fmtp: str) -> Payload:
    names = {name.replace("_", "-"): value for name, value in fmtp.items()}
    return Payload(1, codec, 90000, None, names)


def bound(made: Plan) -> dict[str, Bound]:
    return {one.mid: one for one in made.bound}


def test_a_publication_gets_one_codec_for_each_track_in_the_client_s_order() -> None:
    made = plan(chromium("camera"), {"0": MIC, "1": Incoming("s", "video", (AV1, VP9))}, {})
    assert set(codecs(made, "0")) == {"opus", "red"}, "with its redundancy (RFC 2198)"
    assert codecs(made, "1")[0] == next(
        p.codec for p in parse(chromium("camera")).sections[1].payloads() if p.codec in ("av1", "vp9")
    )
    assert [(b.session, b.kind, b.mid, b.sends) for b in made.bound] == [
        ("s", "audio", "0", False),
        ("s", "video", "1", False),
    ]
    assert not made.failed


@pytest.mark.parametrize("codec", ["vp8", "vp9", "h264", "av1"])
def test_repair_packets_stay_with_their_codec(codec: str) -> None:
    made = plan(chromium("camera"), {"1": Incoming("s", "video", (VideoFormat(codec),))}, {})
    codec_number, repair = bound(made)["1"].numbers
    assert [(p.number, p.codec) for p in section(made, "1").payloads()] == [
        (codec_number, codec),
        (repair, "rtx"),
    ]
    assert section(made, "1").payloads()[1].fmtp == {"apt": str(codec_number)}


@pytest.mark.parametrize(
    ("profile", "mode"), [("42e01f", "1"), ("42e01f", "0"), ("42001f", "1"), ("4d001f", "0")]
)
def test_a_subscriber_gets_the_h264_of_the_source(profile: str, mode: str) -> None:
    source = published("h264", profile_level_id=profile, packetization_mode=mode)
    made = plan(chromium("receiver"), {"1": Outgoing("t", "video", source)}, {})
    chosen = section(made, "1").payloads()[0].fmtp
    assert (chosen["profile-level-id"], chosen["packetization-mode"]) == (profile, mode)
    assert section(made, "1").direction == "recvonly"


@pytest.mark.parametrize("profile", ["0", "2"])
def test_a_subscriber_gets_the_vp9_profile_of_the_source(profile: str) -> None:
    source = published("vp9", profile_id=profile)
    made = plan(chromium("receiver"), {"1": Outgoing("t", "video", source)}, {})
    assert section(made, "1").payloads()[0].fmtp["profile-id"] == profile


def test_a_subscriber_without_the_source_s_codec_fails() -> None:
    made = plan(chromium("receiver"), {"1": Outgoing("t", "video", published("h265"))}, {})
    assert made.failed == {"t": "No proper video codec"}
    assert section(made, "1").refused
    assert not made.bound


@pytest.mark.parametrize(
    ("order", "left"),
    [
        ({"0": MIC, "1": Incoming("s", "video", ())}, "0"),
        ({"0": Incoming("s", "audio", ()), "1": CAMERA}, "1"),
    ],
)
def test_a_section_without_a_common_codec_is_rejected_and_the_others_live(
    order: dict[str, Wanted], left: str
) -> None:
    made = plan(chromium("camera"), order, {})
    assert not made.failed
    assert list(bound(made)) == [left]
    (rejected,) = made.rejected
    assert made.rejected == {rejected: "s"}
    assert section(made, rejected).refused
    assert not section(made, left).refused
    assert f"a=group:BUNDLE {left}" in parse(made.offer).session


def test_a_session_without_any_common_codec_fails() -> None:
    order = {"0": Incoming("s", "audio", ()), "1": Incoming("s", "video", ())}
    made = plan(chromium("camera"), order, {})
    assert list(made.failed) == ["s"]
    assert not made.bound
    assert {s.direction for s in parse(made.offer).sections} == {"inactive"}, "the connection stays"


def test_a_session_that_waits_for_another_section_is_not_given_up() -> None:
    order = {"1": Incoming("s", "video", ()), "7": CAMERA}
    assert not plan(chromium("camera"), order, {}).failed
    used = bound(plan(chromium("camera"), {"0": MIC}, {}))
    assert not plan(chromium("camera"), {"1": Incoming("s", "video", ())}, used).failed


def test_one_session_s_failure_leaves_the_others_alone() -> None:
    made = plan(
        chromium("camera"), {"0": Incoming("a", "audio", ()), "1": Incoming("b", "video", (VP8,))}, {}
    )
    assert made.failed == {"a": "No proper audio codec"}
    assert list(bound(made)) == ["1"]


@pytest.mark.parametrize(
    "want",
    [
        Incoming("s", "audio", (OPUS,)),  # the kind
        Outgoing("s", "video", published("vp8")),  # the direction
    ],
)
def test_a_section_that_is_not_what_was_asked_for_is_inactive_and_the_session_waits_on(want: Wanted) -> None:
    made = plan(chromium("camera"), {"1": want}, {})
    assert section(made, "1").direction == "inactive"
    assert len(section(made, "1").payloads()) == 1, "a section must name a payload type"
    assert not made.bound
    assert not made.failed


def test_sections_nobody_asked_for_are_inactive_and_say_nothing_of_their_tracks() -> None:
    made = plan(chromium("camera"), {}, {})
    for found in parse(made.offer).sections:
        assert found.direction == "inactive"
        assert not found.value("msid")
        assert not found.value("ssrc")


def test_an_offer_to_send_and_receive_is_used_for_what_was_asked() -> None:
    made = plan(chromium("sendrecv"), {"0": MIC, "1": Outgoing("t", "video", published("vp8"))}, {})
    assert section(made, "0").direction == "sendonly"
    assert section(made, "1").direction == "recvonly"
    again = plan(chromium("sendrecv"), {}, bound(made))
    assert (section(again, "0").direction, section(again, "1").direction) == ("sendonly", "recvonly")


def test_data_sections_are_passed_on_as_they_are() -> None:
    made = plan(chromium("sendrecv"), {}, {})
    assert section(made, "2").lines == parse(chromium("sendrecv")).sections[2].lines


@pytest.mark.parametrize("name", ["camera", "receiver", "sendrecv", "simulcast"])
def test_an_offer_repeated_is_reduced_to_the_same(name: str) -> None:
    wanted: dict[str, Wanted] = {"0": MIC, "1": CAMERA}
    if name == "receiver":
        wanted = {"1": Outgoing("t", "video", published("vp9"))}
    first = plan(chromium(name), wanted, {})
    again = plan(chromium(name), {}, bound(first))
    assert again.offer == first.offer
    assert not again.bound
    assert not again.failed
    assert not again.stopped


def test_a_section_in_use_keeps_its_codec_when_the_client_prefers_another() -> None:
    used = bound(plan(chromium("camera"), {"1": CAMERA}, {}))
    preferring = parse(chromium("camera"))
    preferring.sections[1].keep([p.number for p in reversed(preferring.sections[1].payloads())])
    assert section(plan(str(preferring), {}, used), "1").payloads()[0].codec == "vp8"


def test_a_section_in_use_survives_without_its_repair_payload() -> None:
    used = bound(plan(chromium("camera"), {"1": CAMERA}, {}))
    fewer = parse(chromium("camera"))
    fewer.sections[1].keep([96])
    assert codecs(plan(str(fewer), {}, used), "1") == ["vp8"]


@pytest.mark.parametrize(("old", "new"), [("96", "35"), ("VP8/90000", "VP9/90000")])
def test_an_offer_that_renumbers_a_section_in_use_is_refused(old: str, new: str) -> None:
    used = bound(plan(chromium("camera"), {"1": CAMERA}, {}))
    one_codec = parse(chromium("camera"))
    one_codec.sections[1].keep([96])
    lines = one_codec.sections[1].lines
    one_codec.sections[1].lines = [
        line.replace(f":{old}", f":{new}").replace(f" {old}", f" {new}") for line in lines
    ]
    with pytest.raises(NegotiationError, match="section 1 changed the payload type of its codec"):
        plan(str(one_codec), {}, used)


def test_a_section_in_use_may_rest_and_come_back() -> None:
    used = bound(plan(chromium("camera"), {"1": CAMERA}, {}))
    resting = parse(chromium("camera"))
    resting.sections[1].direction = "inactive"
    made = plan(str(resting), {}, used)
    assert section(made, "1").direction == "inactive"
    assert not made.stopped
    assert section(plan(chromium("camera"), {}, used), "1").direction == "sendonly"


def test_a_stopped_section_stays_as_it_is() -> None:
    used = bound(plan(chromium("camera"), {"0": MIC, "1": CAMERA}, {}))
    made = plan(chromium("stopped"), {"2": Outgoing("t", "video", published("vp8"))}, used)
    assert section(made, "0").lines == parse(chromium("stopped")).sections[0].lines
    assert made.stopped == {"0"}
    assert codecs(made, "1") == codecs(made, "2") == ["vp8", "rtx"]


def test_a_stopped_section_s_place_may_be_used_again() -> None:
    used = bound(plan(chromium("camera"), {"0": MIC, "1": CAMERA}, {}))
    mid = parse(chromium("recycled")).sections[0].mid
    assert mid not in used
    source = Payload(111, "opus", 48000, 2)
    made = plan(chromium("recycled"), {mid: Outgoing("t", "audio", source)}, used)
    assert list(bound(made)) == [mid]
    assert made.stopped == {"0"}


def test_a_stopped_section_is_no_longer_waited_for_in_vain() -> None:
    assert not plan(chromium("stopped"), {"0": MIC}, {}).bound


def test_simulcast_by_source_groups_becomes_one_encoding() -> None:
    old = parse(chromium("camera"))
    old.sections[1].lines.append("a=ssrc-group:SIM 1 2 3")
    made = plan(str(old), {"1": CAMERA}, {})
    assert "a=ssrc" not in "\n".join(section(made, "1").lines)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────

HOST = "candidate:1 1 udp 2130706175 192.0.2.1 5000 typ host"


def answer(*sections: str) -> str:
    return "v=0\r\n" + "".join(f"{text}\r\n" for text in sections)


SENDING = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=msid:x y\r\na=ssrc:1 cname:z\r\n"
    f"a={HOST}\r\na=end-of-candidates"
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=sendonly\r\na=ssrc:2 cname:z\r\na=ssrc:3 cname:z\r\n"
    "a=ssrc-group:FID 2 3"
)
RECEIVING = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=recvonly\r\na=msid:x y\r\na=ssrc:4 cname:z"


def test_sound_and_picture_of_one_subscription_share_one_name() -> None:
    made = parse(finish(answer(SENDING, VIDEO, RECEIVING), {"0": "abc", "1": "abc"}))
    audio, video, receiving = made.sections
    assert [s.value("msid") for s in made.sections] == ["abc a0", "abc v0", ""]
    assert [line for line in audio.lines if line.startswith("a=ssrc")] == [
        "a=ssrc:1 cname:abc",
        "a=ssrc:1 msid:abc a0",
        "a=ssrc:1 mslabel:abc",
        "a=ssrc:1 label:abca0",
    ]
    assert "a=ssrc-group:FID 2 3" in video.lines
    assert [line for line in video.lines if "msid:" in line] == [
        "a=msid:abc v0",
        "a=ssrc:2 msid:abc v0",
        "a=ssrc:3 msid:abc v0",
    ]
    assert not receiving.value("ssrc")


def test_a_section_that_sends_for_nobody_has_no_name() -> None:
    (made,) = parse(finish(answer(SENDING), {})).sections
    assert not made.value("msid")
    assert not made.value("ssrc")


def test_every_section_has_every_candidate_once() -> None:
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:3"
    for found in parse(finish(answer(SENDING, VIDEO, RECEIVING, data), {})).sections:
        assert found.lines.count(f"a={HOST}") == 1
        assert found.lines[-1] == "a=end-of-candidates"
        assert found.lines.count("a=end-of-candidates") == 1


def test_public_addresses_come_first_with_the_same_port() -> None:
    (made,) = parse(finish(answer(SENDING), {}, ["198.51.100.1", "2001:db8::1"])).sections
    candidates = [line.split(" ") for line in made.lines if line.startswith("a=candidate:")]
    assert [(c[4], c[5], c[7]) for c in candidates] == [
        ("198.51.100.1", "5000", "host"),
        ("2001:db8::1", "5000", "host"),
        ("192.0.2.1", "5000", "host"),
    ]
    assert len({c[0] for c in candidates}) == 3
    priorities = [int(c[3]) for c in candidates]
    assert priorities == sorted(priorities, reverse=True)
    assert max(priorities) < 1 << 31


def test_public_addresses_have_tcp_where_this_machine_has() -> None:
    tcp = "candidate:2 1 tcp 1526726655 192.0.2.1 5000 typ host tcptype passive"
    both = answer(SENDING).replace(f"a={HOST}", f"a={HOST}\r\na={tcp}")
    (made,) = parse(finish(both, {}, ["198.51.100.1", "2001:db8::1"])).sections
    candidates = [line.split(" ") for line in made.lines if line.startswith("a=candidate:")]
    told = [(c[2], c[4], c[5], c[8:]) for c in candidates]
    for address in ("198.51.100.1", "2001:db8::1", "192.0.2.1"):
        assert ("udp", address, "5000", []) in told
        assert ("tcp", address, "5000", ["tcptype", "passive"]) in told
    assert len(told) == len({c[0] for c in candidates}) == 6
    by_protocol = {p: [int(c[3]) for c in candidates if c[2] == p] for p in ("udp", "tcp")}
    assert min(by_protocol["udp"]) > max(by_protocol["tcp"]), "TCP is the second choice"


def test_a_candidate_may_carry_the_attribute_s_prefix() -> None:
    assert candidate_line(f" a={HOST}\r\n") == candidate_line(HOST) == HOST


@pytest.mark.parametrize("text", ["", " ", "a=", "candidate:", "a=candidate:", "a=end-of-candidates"])
def test_the_end_of_candidates_is_no_candidate_and_no_mistake(text: str) -> None:
    assert candidate_line(text) is None


@pytest.mark.parametrize("text", ["a=mid:0", "candidat", f"{HOST}\r\na=mid:0", "candidate:" + "1" * 600])
def test_what_is_no_candidate_is_refused(text: str) -> None:
    with pytest.raises(NegotiationError, match="not of the form candidate"):
        candidate_line(text)


# ── any offer at all ────────────────────────────────────────────────────────────────────────────────

MIDS = [str(n) for n in range(4)]
PAYLOADS = [p for s in parse(chromium("receiver")).sections for p in s.payloads() if format_of(p)]
WANTED = st.one_of(
    st.just(MIC),
    st.just(CAMERA),
    st.sampled_from(PAYLOADS).map(lambda p: Outgoing("t", "audio" if p.number < 96 else "video", p)),
)
LINES = [line for name in NAMES for line in chromium(name).split("\r\n") if line]


@given(
    lines=st.lists(
        st.one_of(st.sampled_from(LINES), st.text(max_size=30).map(lambda t: f"a={t}")), max_size=60
    ),
    wanted=st.dictionaries(st.sampled_from(MIDS), WANTED),
    base=st.sampled_from(NAMES),
    at=st.integers(0, 200),
)
def test_any_offer_is_planned_or_refused(
    lines: list[str], wanted: dict[str, Wanted], base: str, at: int
) -> None:
    whole = chromium(base).split("\r\n")
    text = "\r\n".join([*whole[:at], *lines, *whole[at:]])
    try:
        made = plan(text, wanted, {})
        again = plan(text, {}, bound(made))
    except NegotiationError:
        return
    assert len(parse(made.offer).sections) == len(parse(text).sections)
    assert {b.session for b in made.bound}.isdisjoint(made.failed)
    for mid in bound(made):
        assert section(again, mid).lines == section(made, mid).lines
        assert section(made, mid).direction == ("recvonly" if bound(made)[mid].sends else "sendonly")


def test_the_longest_offer_is_planned_in_good_time() -> None:
    sections = [("video", str(n), "sendonly") for n in range(512)]
    wanted = {str(n): Incoming(str(n), "video", (VP8 if n % 2 else AV1,)) for n in range(512)}
    made = plan(offer(*sections), wanted, {})
    assert (len(made.bound), len(made.failed)) == (256, 256)


def test_giving_up_many_sessions_costs_each_section_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    value = Section.value

    def counted(self: Section, attribute: str) -> str:
        nonlocal looked
        looked += 1
        return value(self, attribute)

    monkeypatch.setattr(Section, "value", counted)

    def cost(sections: int) -> float:
        nonlocal looked
        wanted = {
            str(n): Incoming(str(n // 2), "video", (VP8,) if n % 2 else (AV1,)) for n in range(sections)
        }
        text = offer(*[("video", str(n), "sendonly") for n in range(sections)])
        looked = 0
        made = plan(text, wanted, {})
        assert (len(made.bound), len(made.rejected)) == (sections // 2, sections // 2)
        return looked / sections

    assert cost(512) == cost(8)


def test_an_answer_does_not_name_the_library_that_made_it() -> None:
    made = offer(("audio", "0", "sendonly")).replace("o=- 1 2", "o=library-1.0 1 2")
    assert "o=- 1 2 IN IP4 127.0.0.1" in finish(made, {}).splitlines()
