"""Who spoke, beside the file: at the right times, pauses cut out, one part after the other."""

from __future__ import annotations

import msgspec

from palaver.recording.index import MOST_SPOKEN, Entry, Part, packed, unpacked
from palaver.recording.speech import webvtt


def entry(*parts: Part) -> Entry:
    return Entry(
        id="1", service="s", room="r", started_ms=100_000, container="mkv", audio="opus", video="vp8",
        parts=list(parts),
    )  # fmt: skip


def test_each_name_is_shown_until_somebody_else_speaks() -> None:
    one = entry(Part(file="a", started_ms=100_000, zero_ms=101_000, seconds=10))
    for name, at_ms in (("Ann", 100_500), ("Ben", 103_000), ("Ann", 107_500)):
        assert one.speaks(name, at_ms)
    assert webvtt(unpacked(packed(one)), 1) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.000\n<v Ann>Ann\n\n"
        "00:00:02.000 --> 00:00:06.500\n<v Ben>Ben\n\n"
        "00:00:06.500 --> 00:00:10.000\n<v Ann>Ann\n"
    )
    assert one.speakers == ["Ann", "Ben"]


def test_what_was_said_in_a_pause_is_not_there() -> None:
    one = entry(Part(file="a", started_ms=100_000, zero_ms=100_000, seconds=10))
    one.speaks("Ann", 100_000)
    one.mark("paused", 104_000, 4.0)
    one.speaks("Ben", 120_000)
    one.speaks("Eve", 130_000)
    one.mark("resumed", 140_000, 4.0)
    one.speaks("Ann", 143_000)
    text = webvtt(one, 1)
    assert "Ben" not in text
    assert "00:00:00.000 --> 00:00:04.000\n<v Ann>Ann" in text
    assert "00:00:04.000 --> 00:00:07.000\n<v Eve>Eve" in text
    assert "00:00:07.000 --> 00:00:10.000\n<v Ann>Ann" in text


def test_each_part_has_its_own_times() -> None:
    first = Part(file="a", started_ms=100_000, zero_ms=100_000, seconds=5)
    second = Part(file="b", started_ms=110_000, zero_ms=110_000, seconds=5)
    one = entry(first, second)
    one.speaks("Ann", 101_000)
    one.speaks("Ben", 112_000)
    assert webvtt(one, 1) == "WEBVTT\n\n00:00:01.000 --> 00:00:05.000\n<v Ann>Ann\n"
    assert webvtt(one, 2) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v Ann>Ann\n\n00:00:02.000 --> 00:00:05.000\n<v Ben>Ben\n"
    )


def test_names_are_no_markup() -> None:
    one = entry(Part(file="a", started_ms=100_000, seconds=5))
    one.speaks("<b>&\n\n00:00 --> 1", 100_000)
    assert webvtt(one, 1).endswith("<v &lt;b&gt;&amp; 00:00 --&gt; 1>&lt;b&gt;&amp; 00:00 --&gt; 1\n")


def test_what_is_kept_is_bounded_and_small() -> None:
    one = entry(Part(file="a", started_ms=100_000, seconds=5))
    for number in range(MOST_SPOKEN + 5):
        assert one.speaks("Ann", 100_000 + number) == (number < MOST_SPOKEN)
    assert len(msgspec.json.encode(one)) < 20 * MOST_SPOKEN
