"""What a child process that lies may say: it costs its own pipeline and nothing else."""

from __future__ import annotations

import random
import struct

import msgspec
import pytest

from palaver.media.pipelines.control import Alive, ControlError, Failed, Ready, Unpacker, packed
from palaver.mixing.control import REPORTS

CASES = 2_000


def reports(dice: random.Random) -> bytes:
    """Well-formed reports, some of whose bytes are others."""
    said = [Ready(), Alive(counters={"frames": 1.0}), Failed(track=3, reason="x" * 40)]
    data = bytearray(b"".join(packed(dice.choice(said)) for _ in range(4)))
    for _ in range(dice.randrange(4)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("form", ["changed", "random", "framed"])
def test_whatever_a_child_says_is_a_report_or_an_error_of_the_protocol(form: str) -> None:
    dice = random.Random(form)
    for _ in range(CASES):
        noise = dice.randbytes(dice.randrange(200))
        data = {"changed": reports(dice), "random": noise, "framed": struct.pack("<I", len(noise)) + noise}[
            form
        ]
        unpacker = Unpacker(REPORTS)
        try:
            for start in range(0, len(data), 7):
                for report in unpacker.feed(data[start : start + 7]):
                    assert isinstance(report, msgspec.Struct)
        except ControlError:
            continue
