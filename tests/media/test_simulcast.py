"""Layers in offers: which are asked for, and what is left of them."""

from __future__ import annotations

import pytest

from palaver.media.webrtc import simulcast
from palaver.media.webrtc.negotiation import Bound, Incoming, Outgoing, Plan, plan
from palaver.media.webrtc.sdp import Section, parse
from palaver.room.values import VideoFormat
from tests.media.chromium import chromium

VP8, VP9 = VideoFormat("vp8"), VideoFormat("vp9")
CAMERA = Incoming("s", "video", (VP8,))


def offering(*lines: str) -> Section:
    return Section(["m=video 9 UDP/TLS/RTP/SAVPF 96 98", "a=mid:1", *(f"a={line}" for line in lines)])


def said(section: Section) -> list[str]:
    """What a section says about layers."""
    return [line for line in section.lines if line.startswith(("a=rid", "a=simulcast", "a=ssrc"))]


def planned(offer: str, **used: Bound) -> tuple[Plan, Section]:
    made = plan(offer, {} if used else {"1": CAMERA}, {bound.mid: bound for bound in used.values()})
    section = parse(made.offer).section("1")
    assert section is not None
    return made, section


def test_chromium_s_layers_are_asked_for_in_its_order() -> None:
    made, section = planned(chromium("simulcast"))
    assert made.bound[0].layers == ("q", "h", "f")
    assert said(section) == ["a=rid:q send", "a=rid:h send", "a=rid:f send", "a=simulcast:send q;h;f"]


def test_a_later_offer_says_the_same_again() -> None:
    made, section = planned(chromium("simulcast"))
    again, repeated = planned(chromium("simulcast"), camera=made.bound[0])
    assert again.offer == made.offer
    assert said(repeated) == said(section)


def test_a_later_offer_brings_no_new_layers_and_may_lack_some() -> None:
    made, _ = planned(chromium("simulcast").replace("send q;h;f", "send q;h"))
    assert made.bound[0].layers == ("q", "h")
    _, more = planned(chromium("simulcast"), camera=made.bound[0])
    assert "a=simulcast:send q;h" in said(more)
    _, less = planned(chromium("simulcast").replace("send q;h;f", "send q;f"), camera=made.bound[0])
    assert "a=simulcast:send q" in said(less)


@pytest.mark.parametrize(
    "wanted", [{}, {"1": Outgoing("t", "video", parse(chromium("camera")).sections[1].payloads()[0])}]
)
def test_sections_that_send_nothing_of_it_say_nothing_of_layers(wanted: dict[str, Outgoing]) -> None:
    offer = chromium("simulcast").replace("a=sendonly", "a=sendrecv")
    section = parse(plan(offer, wanted, {}).offer).section("1")
    assert section is not None
    assert said(section) == []


def test_a_publication_without_layers_has_none() -> None:
    made, section = planned(chromium("camera"))
    assert made.bound[0].layers == ()
    assert section.value("ssrc"), "its sources are known beforehand"


def test_layers_that_only_ssrcs_tell_become_one_encoding() -> None:
    old = parse(chromium("camera"))
    old.sections[1].lines.append("a=ssrc-group:SIM 1 2 3")
    made, section = planned(str(old))
    assert made.bound[0].layers == ()
    assert said(section) == []


@pytest.mark.parametrize(
    ("lines", "layers"),
    [
        (("rid:a send", "rid:b send", "simulcast:send a;b"), ("a", "b")),
        (("rid:a send", "rid:b send", "simulcast:send b;a"), ("b", "a")),
        (("rid:a send", "rid:b send", "simulcast:recv x send a;b"), ("a", "b")),
        (("rid:a send", "rid:b send", "simulcast:send a;~b"), ("a", "b")),  # begins paused
        (("rid:a send", "rid:b send", "simulcast:send a,b;b"), ("a", "b")),  # alternatives
        (("rid:a send pt=98", "rid:b send pt=96,98", "simulcast:send a;b"), ("b",)),  # not this codec
        (("rid:a send pt=98", "rid:b send", "simulcast:send a,b"), ("b",)),
        (("rid:a send", "simulcast:send a;unknown"), ("a",)),
        (("rid:a recv", "simulcast:send a"), ()),
        (("rid:a recv", "simulcast:recv a"), ()),
        (
            (
                "rid:a send",
                "rid:with-dash send",
                "rid:muchtoolong send",
                "simulcast:send a;with-dash;muchtoolong",
            ),
            ("a",),
        ),
        (("rid:a send", "rid:a send", "simulcast:send a;a"), ("a",)),
        (("rid:a send",), ()),
        (("simulcast:send",), ()),
        (("simulcast:",), ()),
        (
            (*(f"rid:{n} send" for n in range(20)), "simulcast:send " + ";".join(map(str, range(20)))),
            tuple("01234567"),
        ),
    ],
)
def test_which_layers_are_usable(lines: tuple[str, ...], layers: tuple[str, ...]) -> None:
    section = offering(*lines)
    assert simulcast.offered(section, 96) == layers
    simulcast.reduce(section, layers)
    assert simulcast.offered(section, 96) == layers
    assert len(said(section)) == (len(layers) + 1 if layers else 0)


def test_restrictions_of_a_layer_are_kept_but_for_payload_types() -> None:
    section = offering("rid:a send pt=96;max-width=640;max-fps=15", "simulcast:send a")
    simulcast.reduce(section, ["a"])
    assert said(section) == ["a=rid:a send max-width=640;max-fps=15", "a=simulcast:send a"]
