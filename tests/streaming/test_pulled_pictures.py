"""What a puller's process does with the pictures of real streams."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from palaver.streaming.control import AUDIO_TRACK, VIDEO_TRACK
from tests.streaming.odd_servers import http_server, shelf
from tests.streaming.pulling import clip, pulling


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
async def test_pictures_are_encoded_only_while_somebody_watches(codec: str) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(http_server(shelf(clip=clip("matroska", codec))))
        puller = await stack.enter_async_context(pulling(f"{server}/clip.mkv", loop=True))
        await puller.until(lambda: puller.found)
        video = puller.found[0].video
        assert video is not None
        assert (video.codec, video.width, video.height) == ("h264", 160, 96)
        await puller.more(AUDIO_TRACK)
        assert puller.counts[VIDEO_TRACK] == 0
        for _ in range(2):
            puller.watch()
            await puller.more()
            puller.leave()
            await puller.more(AUDIO_TRACK, 20)  # what was on its way has come
            at_rest = puller.counts[VIDEO_TRACK]
            await puller.more(AUDIO_TRACK, 30)
            assert puller.counts[VIDEO_TRACK] == at_rest
