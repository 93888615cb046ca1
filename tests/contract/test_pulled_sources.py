"""Streams of another server on the real engine: what a web server's file becomes in a room."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from palaver.media.pipelines.frames import Codec
from palaver.room.endpoints import PullSource
from palaver.room.messages import OpenSource, Report, SourceLost, SourceReady
from palaver.room.values import Resolution, Track, VideoParameters
from tests.contract.engines import OPUS, ROOM, VP8, until
from tests.contract.server_house import H264, House, S, open_house, picture

pytestmark = [pytest.mark.net, pytest.mark.timeout(120)]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A picture of a codec that WebRTC does not know, without sound."""
    folder = tmp_path_factory.mktemp("files")
    write_file(folder / "film.mkv")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/film.mkv"
    server.shutdown()
    thread.join()
    server.server_close()


def write_file(path: Path) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.gop_size = 322, 240, 5
        for number in range(25):
            shade = np.full((240, 322, 3), 10 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(shade, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as here:
        yield here


async def told(house: House, source: PullSource, kind: type[Report]) -> Report:
    await house.bench.engine.perform(ROOM, OpenSource(S, None, source, (OPUS,), (VP8,)))
    return await house.bench.heard(kind.__name__, S, 60)


async def test_what_webrtc_does_not_know_is_encoded_while_somebody_watches(house: House, url: str) -> None:
    ready = await told(house, PullSource(audio="auto", url=url, loop=True), SourceReady)
    assert isinstance(ready, SourceReady)
    [track] = ready.tracks
    assert track == Track("video", H264, "streaming", VideoParameters(Resolution(322, 240), 25.0))
    listener = await house.listen(picture(format=H264, formats=(H264,)))
    await until(lambda: len(listener.got(Codec.H264)) > 10)
    frames = listener.got(Codec.H264)
    assert frames[0].key_frame
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    pictures = [one for frame in frames for one in decoder.decode(av.Packet(frame.payload))]
    assert {(one.width, one.height) for one in pictures} == {(322, 240)}


@pytest.mark.parametrize(("audio", "reason"), [(True, "no audio"), ("auto", "the file has ended")])
async def test_it_is_lost_with_its_reason(house: House, url: str, audio: bool | str, reason: str) -> None:
    lost = await told(house, PullSource(audio=audio, url=url), SourceLost)  # type: ignore[arg-type]  # both are
    assert isinstance(lost, SourceLost)
    assert reason in lost.reason
