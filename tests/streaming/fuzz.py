"""Altered streams, descriptions and playlists for a puller: ``python -m tests.streaming.fuzz CASES [SEED]``.

The cases run in a process of their own, which says which one it begins: a case that takes too long, or with which the
process ends, is found and named, and the next process goes on behind it.
"""

from __future__ import annotations

import multiprocessing
import random
import socketserver
import sys
import threading
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import av

from palaver.streaming import live_edge
from palaver.streaming.allowed import resolver
from palaver.streaming.causes import StreamUnavailable
from palaver.streaming.control import Pull
from palaver.streaming.puller import Puller
from tests.streaming.pulling import clip

CASE_S = 30.0
"""The longest that a case may take: the bounds of opening and reading, and a busy machine."""
_LET_GO_S = 0.6
_SDP = b"""v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
s=camera\r
c=IN IP4 0.0.0.0\r
t=0 0\r
a=control:*\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAHtoHgUTA,aM48gA==;profile-level-id=42C01E\r
a=control:track1\r
m=audio 0 RTP/AVP 97\r
a=rtpmap:97 MPEG4-GENERIC/48000/2\r
a=fmtp:97 streamtype=5;mode=AAC-hbr;config=1190;sizelength=13;indexlength=3;indexdeltalength=3\r
a=control:track2\r
"""
_PLAYLIST = b"""#EXTM3U\r
#EXT-X-VERSION:6\r
#EXT-X-TARGETDURATION:1\r
#EXT-X-MEDIA-SEQUENCE:0\r
#EXT-X-MAP:URI="init.mp4",BYTERANGE="720@0"\r
#EXTINF:1.0,\r
#EXT-X-BYTERANGE:1000@0\r
segment.ts\r
#EXT-X-DISCONTINUITY\r
#EXTINF:1.0,\r
segment.ts\r
#EXT-X-ENDLIST\r
"""


def seeds() -> dict[str, bytes]:
    """What is altered, by the path under which it is served."""
    return {
        "live.ts": clip(seconds=1),
        "live.flv": clip("flv", seconds=1),
        "live.m3u8": _PLAYLIST,
        "live.sdp": _SDP,
    }


def altered(data: bytes, dice: random.Random) -> bytes:
    """A few changes: bytes, runs that are doubled or left out, numbers that are large, an early end."""
    made = bytearray(data)
    for _ in range(dice.randrange(1, 12)):
        at = dice.randrange(len(made)) if made else 0
        length = dice.randrange(1, 200)
        match dice.randrange(6):
            case 0:
                made[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                made[at : at + length] = b""
            case 2:
                made[at:at] = made[at : at + length]
            case 3:
                made[at : at + 4] = b"\xff\xff\xff\xff"
            case 4:
                made[at : at + 1] = str(dice.randrange(1 << dice.randrange(1, 65))).encode()
            case _:
                if dice.random() < 0.2:
                    del made[at:]
    return bytes(made)


class _Shelf(socketserver.ThreadingTCPServer):
    """Answers HTTP and the first steps of RTSP with the files of the case."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), _Answering)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Answering(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self) -> None:
        try:
            while line := self.rfile.readline(4096).decode("latin-1"):
                headers = dict(self._headers())
                method, _, rest = line.partition(" ")
                self._answer(method, rest.split(" ")[0], headers.get("cseq", "0"))
                if not rest.rstrip().startswith("rtsp"):
                    return
        except OSError:
            pass

    def _headers(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while (line := self.rfile.readline(4096).decode("latin-1").strip()) and len(found) < 50:
            name, _, value = line.partition(":")
            found.append((name.lower(), value.strip()))
        return found

    def _answer(self, method: str, url: str, number: str) -> None:
        shelf = self.server
        assert isinstance(shelf, _Shelf)
        body = shelf.files.get(url.rpartition("/")[2], b"")
        if method == "GET":
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        elif method == "DESCRIBE":
            head = (
                f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nContent-Type: application/sdp\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
        elif method == "OPTIONS":
            head, body = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n", b""
        else:
            raise OSError("the other steps are refused by the end of the connection")
        self.wfile.write(head.encode() + body)


class _Counting:
    """Takes frames for the core."""

    def __init__(self) -> None:
        self.frames = 0

    def send(self, *_: object, **__: object) -> None:
        """Count one."""
        self.frames += 1


def _work(pipe: Connection, first: int, until: int, seed: str) -> None:
    """The child: every case from ``first`` on. It tells which one it begins, how many frames came of those before, and
    what went wrong otherwise than said.
    """
    av.logging.set_level(None)
    live_edge.MOST_BACKLOG_NS = 0  # type: ignore[misc]  # all comes at once, and all is to be read
    originals = seeds()
    resolve, core = resolver(allow_loopback=True), _Counting()
    with _Shelf() as shelf:
        threading.Thread(target=shelf.serve_forever, daemon=True).start()
        for number in range(first, until):
            pipe.send((number, core.frames, ""))
            core.frames = 0
            dice = random.Random(f"{seed} {number}")
            name = dice.choice(list(originals))
            shelf.files = {"segment.ts": originals["live.ts"], name: altered(originals[name], dice)}
            scheme = "rtsp" if name.endswith("sdp") else "http"
            pull = Pull(url=f"{scheme}://127.0.0.1:{shelf.port}/{name}", allow_loopback=True)
            puller = Puller(pull, core, report=_ignore, resolve=resolve)  # type: ignore[arg-type]  # no core
            puller.want_key_frame(1)
            letting_go = threading.Timer(_LET_GO_S, puller.stop)
            letting_go.start()
            try:
                puller._receive_once()
            except StreamUnavailable:
                pass
            except Exception as error:
                pipe.send((number, 0, f"{name}: {type(error).__name__}: {error}"))
            letting_go.cancel()
    pipe.send((until, core.frames, ""))


def _ignore(_: object) -> None:
    """What is found in altered streams may be anything."""


@dataclass
class Outcome:
    """What became of the cases."""

    run: int = 0
    frames: int = field(default=0, compare=False)
    hung: list[int] = field(default_factory=list)
    crashed: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def fuzz(cases: int, seed: str) -> Outcome:
    """Try so many."""
    outcome, number = Outcome(), 0
    while number < cases:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        child = multiprocessing.get_context("spawn").Process(
            target=_work, args=(theirs, number, cases, seed), daemon=True
        )
        child.start()
        theirs.close()
        try:
            number = _follow(ours, number, cases, outcome)
        finally:
            child.kill()
            child.join()
            ours.close()
    outcome.run = number
    return outcome


def _follow(pipe: Connection, number: int, cases: int, outcome: Outcome) -> int:
    """The case with which to go on: behind one that hung or ended the process."""
    while number < cases:
        if not pipe.poll(CASE_S):
            outcome.hung.append(number)
            return number + 1
        try:
            number, frames, problem = pipe.recv()
            outcome.frames += frames
        except (EOFError, ConnectionResetError):
            outcome.crashed.append(number)
            return number + 1
        if problem:
            outcome.failed.append(f"{number}: {problem}")
    return number


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    said = fuzz(wanted, sys.argv[2] if len(sys.argv) > 2 else "0")
    sys.stdout.write(f"{said}\n")
    sys.exit(bool(said.hung or said.crashed or said.failed))
