"""Streaming-outs that the server itself serves: what stays of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from palaver.jobs.streaming_out import StreamingOut, StreamingOuts
from palaver.streaming.sender import FolderStore
from palaver.streaming.urls import UrlPolicy

SERVED = StreamingOut(None, None, protocol="hls", live="1-name")


async def test_the_files_of_one_that_has_ended_are_gone_while_its_process_still_writes(
    tmp_path: Path,
) -> None:
    kind, writer = StreamingOuts(UrlPolicy(), tmp_path), FolderStore(tmp_path / SERVED.live)
    other = FolderStore(tmp_path / "2-other")
    for folder in (writer, other):
        folder.put("live.m3u8", b"#EXTM3U")
    (tmp_path / ".1-name").mkdir()
    (tmp_path / ".1-name" / "left-behind").touch()
    await kind.clean_up(SERVED)
    with pytest.raises(OSError, match="No such file"):
        writer.put("live.m3u8", b"#EXTM3U")
    assert os.listdir(tmp_path) == ["2-other"]
    await kind.clean_up(SERVED)
    assert os.listdir(tmp_path / "2-other") == ["live.m3u8"]


async def test_one_that_goes_elsewhere_has_no_files_here(tmp_path: Path) -> None:
    FolderStore(tmp_path / "2-other")
    await StreamingOuts(UrlPolicy(), tmp_path).clean_up(
        StreamingOut(None, None, urls=("rtmp://cdn.example/live",))
    )
    assert os.listdir(tmp_path) == ["2-other"]
