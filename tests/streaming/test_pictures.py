"""Pictures of other servers as the core forwards them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from palaver.streaming.pictures import ParameterSets, Reordering, annex_b, avcc_sets, units

SPS = bytes([0x67, 0x42, 0x40, 0x1F, 1, 2, 3])
PPS = bytes([0x68, 9, 9])
KEY = bytes([0x65, 7, 7])
DELTA = bytes([0x41, 5])
FOUR, THREE = b"\0\0\0\1", b"\0\0\1"


def joined(*found: bytes, code: bytes = FOUR) -> bytes:
    return b"".join(code + unit for unit in found)


def test_start_codes_have_four_bytes() -> None:
    assert annex_b(joined(SPS, KEY, code=THREE)) == joined(SPS, KEY)
    assert annex_b(joined(SPS, KEY)) == joined(SPS, KEY)


def test_parameter_sets_that_only_the_description_has_come_before_each_key_frame() -> None:
    sets = ParameterSets("h264", joined(SPS, PPS))
    assert sets.complete(joined(KEY, code=THREE)) == (joined(SPS, PPS, KEY), True)
    assert sets.complete(joined(DELTA)) == (joined(DELTA), False)
    assert sets.profile == "CB"


def test_parameter_sets_in_the_stream_are_not_doubled_and_replace_those_of_the_description() -> None:
    sets = ParameterSets("h264", joined(SPS, PPS))
    other = bytes([0x67, 0x64, 0, 0x28, 4])
    assert sets.complete(joined(other, PPS, KEY)) == (joined(other, PPS, KEY), True)
    assert sets.complete(joined(KEY)) == (joined(other, PPS, KEY), True)
    assert sets.profile == "H"


def test_parameter_sets_are_read_from_an_avcc_box() -> None:
    box = bytes([1, 0x42, 0x40, 0x1F, 0xFF, 0xE1, 0, len(SPS)]) + SPS + bytes([1, 0, len(PPS)]) + PPS
    assert avcc_sets(box) == joined(SPS, PPS)


@given(st.binary(max_size=200))
def test_no_description_and_no_picture_is_too_odd(data: bytes) -> None:
    avcc_sets(data)
    for codec in ("h264", "h265"):
        payload, _ = ParameterSets(codec, data).complete(data)
        assert (payload == b"") == (not units(data))


def test_pictures_that_come_out_of_their_order_are_noticed() -> None:
    in_order, b_frames = Reordering(), Reordering()
    assert not any(in_order.observe(pts) for pts in (0, 3, 6, 9))
    assert [b_frames.observe(pts) for pts in (0, 9, 3, 12)] == [False, False, True, True]
