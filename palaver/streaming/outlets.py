"""Where a streaming-out goes: one muxer for each connection, or for each run of segments."""

from __future__ import annotations

import io
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import av

from palaver.muxing.muxer import Muxer
from palaver.streaming.opening import check_certificate
from palaver.streaming.sender import FolderStore, Sender, WebStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.muxing.muxer import VideoForm
    from palaver.streaming.control import Push

    Resolve = Callable[[str], list[tuple[str, int]]]

CONNECT_S: Final = 5.0
END_S: Final = 3.0
_INTERLEAVE_US: Final = "100000"
_MORE: Final = 3
"""Segments that stay when they have left the playlist: a player may just be reading them."""


class Outlet(Protocol):
    """An opened place: frames go to ``muxer``; whatever fails raises OSError or av.error.FFmpegError."""

    muxer: Muxer

    def close(self) -> None:
        """End it, as well as can be."""
        ...

    @property
    def counters(self) -> dict[str, float]:
        """What it counted."""
        ...


class LiveOutlet:
    """A push by RTMP or RTSP. The library cannot be interrupted in it: only the end of the process helps."""

    def __init__(self, push: Push, form: VideoForm | None, resolve: Resolve) -> None:
        addresses = resolve(push.url)
        if urlsplit(push.url).scheme in ("rtmps", "rtsps") and push.tls_verify:
            check_certificate(push.url, addresses)
        options = {"flush_packets": "1", "max_interleave_delta": _INTERLEAVE_US}
        if push.protocol == "rtsp":
            options |= {"rtsp_transport": "tcp", "timeout": str(int(CONNECT_S * 1_000_000))}
        else:
            options |= {"flvflags": "no_duration_filesize"}
        self._container = av.open(
            push.url, "w", format="rtsp" if push.protocol == "rtsp" else "flv", options=options
        )
        self.muxer = Muxer(self._container, push.audio, form)
        self.proven = False
        """Whether the other side has taken anything."""

    @property
    def counters(self) -> dict[str, float]:
        """See Outlet."""
        return {}

    def close(self) -> None:
        """See Outlet."""
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self.muxer.finish()


class _SegmentFile(io.BytesIO):
    """Collects a file that the muxer writes, and hands it on when it is closed."""

    def __init__(self, name: str, done: Callable[[str, bytes], None]) -> None:
        super().__init__()
        self._name, self._done = name, done

    def close(self) -> None:
        if not self.closed:
            self._done(self._name, self.getvalue())
        super().close()


class SegmentOutlet:
    """HLS or DASH, to a web server or into a folder."""

    def __init__(
        self, push: Push, form: VideoForm | None, resolve: Resolve, state: Callable[[str], None]
    ) -> None:
        store = WebStore(push.url, push.method, resolve) if push.url else FolderStore(Path(push.folder))
        playlist = urlsplit(push.url).path.rpartition("/")[2] if push.url else ""
        playlist = playlist or ("index.m3u8" if push.protocol == "hls" else "index.mpd")
        self._sender = Sender(store, kept=push.listed + _MORE, state=state)
        self._thread = threading.Thread(target=self._sender.run, name="sender", daemon=True)
        stem = playlist.rpartition(".")[0]
        # An address, so that the muxer neither writes to temporary files nor renames: what it opens is ours.
        self._container = av.open(
            f"http://segments/{playlist}",
            "w",
            format=push.protocol,
            options=_hls(push, stem) if push.protocol == "hls" else _dash(push, stem),
            io_open=self._open,
        )
        self.muxer = Muxer(self._container, push.audio, form)
        self._thread.start()

    def _open(self, url: str, flags: int, options: dict[str, str]) -> io.BytesIO:
        del flags
        name = urlsplit(url).path.rpartition("/")[2]
        if options.get("method") == "DELETE":
            return io.BytesIO()  # the sender deletes by itself
        return _SegmentFile(name, self._sender.add)

    @property
    def counters(self) -> dict[str, float]:
        """See Outlet."""
        return self._sender.counters

    def close(self) -> None:
        """See Outlet."""
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self.muxer.finish()
        self._sender.end(END_S)


def _hls(push: Push, stem: str) -> dict[str, str]:
    packed = push.video in ("vp9", "av1", "h265") or push.audio == "opus"
    options = {
        "hls_time": f"{push.segment_s:g}",
        "hls_list_size": str(push.listed),
        "hls_flags": "program_date_time+independent_segments",
        "hls_allow_cache": "0",
        "hls_segment_filename": f"http://segments/{stem}-%05d.{'m4s' if packed else 'ts'}",
        "max_interleave_delta": _INTERLEAVE_US,
    }
    if packed:
        options |= {"hls_segment_type": "fmp4", "hls_fmp4_init_filename": f"{stem}-init.mp4"}
    return options


def _dash(push: Push, stem: str) -> dict[str, str]:
    return {
        "seg_duration": f"{push.segment_s:g}",
        "window_size": str(push.listed),
        "extra_window_size": str(_MORE),
        "use_template": "1",
        "use_timeline": "1",
        "dash_segment_type": "mp4",
        "init_seg_name": f"{stem}-init-$RepresentationID$.$ext$",
        "media_seg_name": f"{stem}-$RepresentationID$-$Number%05d$.$ext$",
        "utc_timing_url": "",
        "max_interleave_delta": _INTERLEAVE_US,
    }
