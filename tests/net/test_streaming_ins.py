"""A whole server fetches streams from servers that nobody here wrote, and people see and hear them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.net.media_servers import SOURCE, Nginx, ffmpeg, rtsp_server
from tests.net.test_mixing import Watching, mix, until, viewer
from tests.net.test_whip import peer
from tests.servers import Server, free_port, start_server

pytestmark = [pytest.mark.net, pytest.mark.timeout(180)]
GREY = 120


@pytest.fixture(scope="module")
def rtsp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with rtsp_server(tmp_path_factory.mktemp("rtsp")) as url:
        yield url


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    made = Nginx(tmp_path_factory.mktemp("nginx"))
    with made.running():
        yield made


def pulled(
    server: Server, room: str, url: str, *, audio: Any = "auto", video: Any = "auto", **connection: Any
) -> Any:
    """What a POST of a streaming-in answers."""
    body = {"connection": {"url": url, **connection}, "media": {"audio": audio, "video": video}}
    return server.rest("POST", f"/v1.1/rooms/{room}/streaming-ins", body, timeout_s=60)


def stream(server: Server, room: str, url: str, **more: Any) -> Any:
    answer = pulled(server, room, url, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


@asynccontextmanager
async def watching(
    server: Server, room: str, path: str, tasks: asyncio.TaskGroup, *, audio: bool = True
) -> AsyncIterator[Watching]:
    """Somebody who plays one stream."""
    async with peer(server, f"/whep/{room}/{path}", "viewer") as player:
        seen = Watching()
        video = player.receive("video")
        sound = player.receive("audio") if audio else None
        assert (await player.start()).status_code == 201
        running = [tasks.create_task(seen.watch(video))]
        if sound is not None:
            running += [tasks.create_task(seen.listen(sound))]
        try:
            yield seen
        finally:
            for one in running:
                one.cancel()


def grey(seen: Watching) -> bool:
    return abs(seen.shade(0.5, 0.5) - GREY) <= 8


def shown(seen: Watching) -> bool:
    return grey(seen) and heard(seen)


def heard(seen: Watching) -> bool:
    tones = seen.tones()
    return bool(tones) and tones[1] > 0.05


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_camera_is_seen_and_heard_and_can_be_mixed(server: Server, rtsp: str, transport: str) -> None:
    room = server.room(f"camera {transport}")
    made = stream(server, room, f"{rtsp}/h264", transportProtocol=transport)
    assert (made["type"], made["info"]["type"], made["info"]["owner"]) == ("forward", "streaming", "admin")
    assert made["media"]["audio"]["format"]["codec"] == "opus"
    original = made["media"]["video"]["original"][0]
    assert original["format"] == {"codec": "h264", "profile": "CB"}
    assert original["parameters"]["resolution"] == {"width": 320, "height": 240}
    async with asyncio.TaskGroup() as tasks, watching(server, room, made["id"], tasks) as seen:
        await until(lambda: grey(seen) and heard(seen), lambda: (seen.shade(0.5, 0.5), seen.tones()))
        mix(server, room, made["id"])
        async with viewer(server, room, tasks) as view:
            await until(lambda: grey(view) and heard(view), lambda: (view.shade(0.5, 0.5), view.tones()))
    gone = server.rest("DELETE", f"/v1/rooms/{room}/streaming-ins/{made['id']}")
    assert gone.status_code == 200
    await until(lambda: server.metric("media_endpoints") == 0)


@pytest.mark.parametrize("path", ["bframes", "mjpeg"])
async def test_pictures_that_cannot_be_forwarded_are_encoded_anew(
    server: Server, rtsp: str, path: str
) -> None:
    room = server.room(path)
    made = stream(server, room, f"{rtsp}/{path}")
    assert made["media"]["video"]["original"][0]["format"] == {"codec": "h264", "profile": "CB"}
    async with (
        asyncio.TaskGroup() as tasks,
        watching(server, room, made["id"], tasks, audio=path == "bframes") as seen,
    ):
        await until(lambda: grey(seen), lambda: seen.shade(0.5, 0.5))
    server.rest("DELETE", f"/v1/rooms/{room}/streaming-ins/{made['id']}")


async def test_rtmp_and_hls_of_the_same_source(server: Server, nginx: Nginx, tmp_path: Path) -> None:
    room = server.room("rtmp")
    target = f"rtmp://127.0.0.1:{nginx.rtmp}/hls/s"
    with ffmpeg(*SOURCE, "-f", "flv", target, log=tmp_path / "ffmpeg.log"):
        await until(lambda: (nginx.folder / "hls/s.m3u8").exists())
        for url in (target, f"http://127.0.0.1:{nginx.http}/hls/s.m3u8"):
            made = stream(server, room, url)
            async with asyncio.TaskGroup() as tasks, watching(server, room, made["id"], tasks) as seen:
                await until(partial(shown, seen))
            server.rest("DELETE", f"/v1/rooms/{room}/streaming-ins/{made['id']}")


async def test_a_file_that_is_redirected_to_is_played_again_and_again(
    server: Server, nginx: Nginx, tmp_path: Path
) -> None:
    room = server.room("file")
    clip = nginx.folder / "clip.mp4"
    with ffmpeg(*SOURCE[1:], "-t", "2", str(clip), log=tmp_path / "ffmpeg.log") as process:
        assert process.wait(60) == 0
    made = stream(server, room, f"http://127.0.0.1:{nginx.http}/moved", loop=True)
    async with asyncio.TaskGroup() as tasks, watching(server, room, made["id"], tasks) as seen:
        await until(lambda: seen.pictures > 90 and grey(seen), lambda: seen.pictures)
    server.rest("DELETE", f"/v1/rooms/{room}/streaming-ins/{made['id']}")


@pytest.mark.parametrize(
    ("path", "more", "words"),
    [
        ("/none", {}, "404"),
        ("/sound", {"video": True}, "the stream has no video"),
        ("/mjpeg", {"audio": True}, "the stream has no audio"),
    ],
)
async def test_what_cannot_be_had_is_refused_with_the_cause(
    server: Server, rtsp: str, path: str, more: dict[str, Any], words: str
) -> None:
    room = server.room(path)
    answer = pulled(server, room, rtsp + path, **more)
    assert answer.status_code == 500, answer.text
    assert answer.json()["error"]["code"] == 1201
    assert words in answer.json()["error"]["message"]
    assert server.rest("GET", f"/v1/rooms/{room}/jobs").json() == []


async def test_a_closed_port_and_a_redirect_to_a_forbidden_address_are_refused(
    server: Server, nginx: Nginx
) -> None:
    room = server.room("refused")
    answer = pulled(server, room, f"rtsp://ann:secret@127.0.0.1:{free_port()}/x")
    assert "refused" in answer.json()["error"]["message"]
    assert "secret" not in answer.text
    away = pulled(server, room, f"http://127.0.0.1:{nginx.http}/away")
    assert "not allowed" in away.json()["error"]["message"], away.text
    assert "secret" not in server.log()


async def test_a_password_is_asked_for_and_taken(server: Server, tmp_path: Path) -> None:
    room = server.room("password")
    with rtsp_server(tmp_path, "ann", "secret") as url:
        wrong = pulled(server, room, url + "/h264")
        assert "401" in wrong.json()["error"]["message"], wrong.text
        made = stream(server, room, url.replace("//", "//ann:secret@") + "/h264")
        server.rest("DELETE", f"/v1/rooms/{room}/streaming-ins/{made['id']}")


async def test_a_source_that_goes_away_is_back_when_it_comes_back(server: Server, tmp_path: Path) -> None:
    room, port = server.room("goes away"), free_port()
    with rtsp_server(tmp_path, port=port) as url:
        made = stream(server, room, url + "/h264")
        mix(server, room, made["id"])

    def status() -> Any:
        found = server.rest("GET", f"/v1.1/rooms/{room}/streams/{made['id']}").json()
        return found["media"]["video"]["status"]

    await until(lambda: status() == "inactive", status)
    async with asyncio.TaskGroup() as tasks, viewer(server, room, tasks) as view:
        await until(lambda: view.pictures > 10)
        with rtsp_server(tmp_path, port=port):
            await until(lambda: status() == "active", status)
            await until(lambda: grey(view), lambda: view.shade(0.5, 0.5))
    server.rest("DELETE", f"/v1/rooms/{room}/streaming-ins/{made['id']}")


async def test_a_streaming_in_outlives_a_killed_server(tmp_path: Path, rtsp: str) -> None:
    with start_server(tmp_path, killed=True) as server:
        room = server.room("survivor")
        made = stream(server, room, rtsp + "/h264")
    with start_server(tmp_path) as server:
        await until(
            lambda: made["id"] in [s["id"] for s in server.rest("GET", f"/v1/rooms/{room}/streams").json()]
        )
        async with asyncio.TaskGroup() as tasks, watching(server, room, made["id"], tasks) as seen:
            await until(lambda: grey(seen))
