"""A camera for aiortc in any codec, which can be told to change its size and to send what no decoder takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import aiortc.codecs
import aiortc.rtcrtpsender
import av
import pytest
from aiortc import RTCRtpCodecParameters, RTCRtpTransceiver
from aiortc.codecs import CODECS
from aiortc.codecs.base import Encoder
from aiortc.mediastreams import VideoStreamTrack
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpCodecCapability
from av.frame import Frame

from palaver.mixing.encoding import VideoEncoder
from tests.mixing.scenes import output, plain

if TYPE_CHECKING:
    from av.packet import Packet

VIDEO: dict[str, dict[str, int | str | None]] = {
    "vp8": {},
    "vp9": {"profile-id": 0},
    "av1": {},
    "h264": {"level-asymmetry-allowed": "1", "packetization-mode": "1", "profile-level-id": "42e01f"},
    "h265": {"profile-id": 1, "tier-flag": 0, "level-id": 180},
}
_FIRST_TYPE = 110  # aiortc itself has those before


class Camera(VideoStreamTrack):
    """Pictures of one shade, of a size that may change."""

    def __init__(self, luma: int, width: int = 160, height: int = 96) -> None:
        super().__init__()
        self.luma, self.size, self.broken = luma, (width, height), False

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = plain(self.luma, *self.size)
        frame.pts, frame.time_base = pts, time_base
        frame.opaque = self.broken
        return frame


class _Encoder(Encoder):
    """Encodes as a pipeline does; a frame of a broken camera is cut short, altered or made up."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._encoder = VideoEncoder(output(codec, 1, 0, 0))
        self._dice = random.Random(codec)

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        assert isinstance(frame, av.VideoFrame)
        if force_keyframe:
            self._encoder.want_key_frame()
        timestamp, broken = frame.pts or 0, frame.opaque
        payloads: list[bytes] = []
        for data, key in self._encoder.encode(frame, timestamp):
            payloads += packed(self._codec, self._wrecked(data) if broken else data, key=key)
        return payloads, timestamp

    def pack(self, packet: Packet[Any]) -> tuple[list[bytes], int]:
        raise NotImplementedError("cameras give pictures")

    def _wrecked(self, data: bytes) -> bytes:
        match self._dice.randrange(4):
            case 0:
                return data[: self._dice.randrange(1, len(data))]
            case 1:
                return data[:4] + self._dice.randbytes(len(data) - 4)
            case 2:
                return self._dice.randbytes(self._dice.randrange(1, 1000))
            case _:
                altered = bytearray(data)
                for _ in range(10):
                    altered[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(8)
                return bytes(altered)


def packed(codec: str, data: bytes, *, key: bool) -> list[bytes]:
    """The payloads of a small frame: each unit in one packet."""
    if codec == "vp8":
        return [b"\x10" + data]
    if codec == "vp9":
        return [bytes([0x0C if key else 0x4C]) + data]
    if codec == "av1":
        found = [bytes([0x10]) + unit for unit in _obus(data)]
        return [bytes([found[0][0] | 0x08 * key]) + found[0][1:], *found[1:]] if found else []
    return [unit.rstrip(b"\0") for unit in data.split(b"\0\0\1") if unit.rstrip(b"\0")]


def _obus(data: bytes) -> Iterator[bytes]:
    """The OBUs without their sizes, and without delimiters; what is none ends them."""
    at = 0
    while at + 1 < len(data):
        header, length, shift = data[at], 0, 0
        at += 1
        while at < len(data) and shift < 28:
            length |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 0x80:
                break
        if header >> 3 & 15 != 2:
            yield bytes([header & ~2]) + data[at : at + length]
        at += length


@pytest.fixture
def any_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aiortc offer all codecs, and encode with the encoders of pipelines."""
    types = iter(range(_FIRST_TYPE, 127))
    codecs = [
        RTCRtpCodecParameters(
            mimeType=f"video/{name.upper()}",
            clockRate=90_000,
            payloadType=next(types),
            rtcpFeedback=[RTCRtcpFeedback("nack"), RTCRtcpFeedback("nack", "pli")],
            parameters=parameters,
        )
        for name, parameters in VIDEO.items()
        if name not in ("vp8", "h264")
    ]
    monkeypatch.setitem(CODECS, "video", [*CODECS["video"], *codecs])
    monkeypatch.setattr(aiortc.rtcrtpsender, "get_encoder", _encoder)


def _encoder(codec: RTCRtpCodecParameters) -> Encoder:
    name = codec.name.lower()
    return _Encoder(name) if name in VIDEO else aiortc.codecs.get_encoder(codec)


def prefer(section: RTCRtpTransceiver, codec: str) -> None:
    """Offer this codec only."""
    one = RTCRtpCodecCapability(mimeType=f"video/{codec.upper()}", clockRate=90_000, parameters=VIDEO[codec])
    section.setCodecPreferences([one])
