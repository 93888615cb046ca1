"""What a node and a pipeline say to each other."""

from __future__ import annotations

import struct

import pytest

from palaver.media.pipelines.control import ControlError, Failed, Stop, Unpacker, packed
from palaver.mixing.control import COMMANDS, AddAudioOutput, Area, Compose, Tile

COMPOSE = Compose(
    width=640,
    height=480,
    framerate=24.0,
    background=(1, 2, 3),
    crop=True,
    tiles=(Tile(Area(0.0, 0.0, 0.5, 1.0), 7), Tile(Area(0.5, 0.0, 0.5, 1.0))),
)
LISTEN = AddAudioOutput(track=3, codec="opus", sample_rate=48000, channels=2, without=(1, 2))


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_commands_come_out_as_they_went_in_however_they_are_cut(cut: int) -> None:
    data = packed(COMPOSE) + packed(LISTEN) + packed(Stop())
    unpacker = Unpacker(COMMANDS)
    parts = [data[at : at + cut] for at in range(0, len(data), cut)]
    assert [one for part in parts for one in unpacker.feed(part)] == [COMPOSE, LISTEN, Stop()]


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 1 << 21),
        struct.pack("<I", 3) + b"\xc1\xc1\xc1",
        packed(Failed(track=None, reason="no command")),
        packed(COMPOSE).replace(b"\xcd\x02\x80", b"\xcd\xff\xff", 1),
    ],
)
def test_what_is_no_command_is_an_error(data: bytes) -> None:
    with pytest.raises(ControlError):
        list(Unpacker(COMMANDS).feed(data))
