"""The pipeline's end of the frame socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import given

from palaver.media.pipelines.frames import (
    HEADER,
    MANY,
    MAX_PAYLOAD,
    Codec,
    Flag,
    FrameError,
    FrameSocket,
    Message,
    Parser,
    Type,
)


@pytest.fixture
def ends() -> Iterator[tuple[FrameSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield FrameSocket(ours), theirs
    ours.close()
    theirs.close()


def feed(parser: Parser, data: bytes) -> list[Message]:
    messages = []
    while data:
        space = parser.space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        data = data[count:]
        messages += list(parser.written(count))
    return messages


def frame(payload: bytes, track: int = 1, pts: int = 0) -> bytes:
    return HEADER.pack(len(payload), 1, Codec.VP8, Flag.KEY_FRAME, 255, track, 90_000, pts, 7) + payload


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 500))
def test_messages_come_out_as_they_went_in_however_they_are_cut(payloads: list[bytes], cut: int) -> None:
    data = b"".join(frame(payload, pts=n) for n, payload in enumerate(payloads))
    parser = Parser(1 << 17)
    parts = [data[at : at + cut] for at in range(0, len(data), cut)]
    messages = [message for part in parts for message in feed(parser, part)]
    assert [(one.payload, one.pts) for one in messages] == [(p, n) for n, p in enumerate(payloads)]


def test_a_frame_larger_than_the_buffer_passes() -> None:
    parser = Parser(1 << 17)
    (large,) = feed(parser, frame(bytes(MAX_PAYLOAD)))
    assert len(large.payload) == MAX_PAYLOAD
    assert [one.payload for one in feed(parser, frame(b"next"))] == [b"next"]


@pytest.mark.parametrize(("length", "kind"), [(MAX_PAYLOAD + 1, 1), (0, 0), (0, 5)])
def test_what_is_no_message_is_an_error(length: int, kind: int) -> None:
    with pytest.raises(FrameError):
        feed(Parser(), HEADER.pack(length, kind, 0, 0, 0, 0, 0, 0, 0))


def test_a_frame_says_all_about_itself(ends: tuple[FrameSocket, socket.socket]) -> None:
    frames, core = ends
    frames.send(5, Codec.H264, 3000, 90_000, b"data", key_frame=False, time_ns=9)
    (message,) = FrameSocket(core).receive()
    assert message == Message(Type.FRAME, Codec.H264, 0, 255, 5, 90_000, 3000, 9, b"data")
    assert not message.key_frame
    assert not message.after_gap


def test_one_encoding_is_written_once_for_several(ends: tuple[FrameSocket, socket.socket]) -> None:
    frames, core = ends
    frames.send_to_many([4, 9], Codec.OPUS, 960, 48_000, b"sound")
    frames.send_to_many([4], Codec.OPUS, 1920, 48_000, b"alone")
    frames.send_to_many([], Codec.OPUS, 2880, 48_000, b"nobody")
    frames.want_key_frame(3)
    messages: list[Message] = []
    reader = FrameSocket(core)
    while len(messages) < 3:
        messages += reader.receive()
    several, single, wish = messages
    assert (several.track, struct.unpack_from("<HII", several.payload)) == (MANY, (2, 4, 9))
    assert several.payload[10:] == b"sound"
    assert (single.track, single.payload) == (4, b"alone")
    assert (wish.type, wish.track) == (Type.KEY_FRAME_WANTED, 3)


def test_a_closed_core_ends_the_reading(ends: tuple[FrameSocket, socket.socket]) -> None:
    frames, core = ends
    core.close()
    assert frames.receive() == []
    with pytest.raises(OSError, match="Broken pipe"):
        frames.want_key_frame(1)
