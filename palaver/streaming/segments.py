"""The files of HLS and DASH by their names."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

_PLAYLISTS: Final = (".m3u8", ".mpd")
_TYPES: Final = {
    ".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml", ".ts": "video/mp2t",
    ".m4s": "video/iso.segment", ".mp4": "video/mp4", ".webm": "video/webm",
}  # fmt: skip


def content_type(name: str) -> str:
    """The media type of a file by its name."""
    return _TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")


def is_playlist(name: str) -> bool:
    """Whether it is an HLS or DASH playlist."""
    return name.endswith(_PLAYLISTS)
