"""A whole server sends a room's streams to servers that nobody here wrote, and serves them itself."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.net.media_servers import Nginx, ffmpeg
from tests.net.test_mixing import publish, until
from tests.servers import Server, free_port

pytestmark = [pytest.mark.net, pytest.mark.timeout(180)]
VP8 = {"audio": False, "video": {"from": "v", "format": {"codec": "vp8"}}}
SMALL = {"resolution": {"width": 320, "height": 180}, "framerate": 15, "keyFrameInterval": 100}


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    made = Nginx(tmp_path_factory.mktemp("nginx"))
    with made.running():
        yield made


def room_with_view(server: Server, name: str) -> str:
    return server.room(name, views=[{"label": "common", "video": {"parameters": SMALL}}])


def sent(server: Server, room: str, **request: Any) -> Any:
    body = {"media": {"audio": {"from": f"{room}-common"}, "video": {"from": f"{room}-common"}}, **request}
    return server.rest("POST", f"/v1/rooms/{room}/streaming-outs", body, timeout_s=60)


def started(server: Server, room: str, **request: Any) -> Any:
    answer = sent(server, room, **request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def state(server: Server, room: str, output: str) -> Any:
    return server.rest("GET", f"/v1/rooms/{room}/streaming-outs/{output}").json()


def probed(url: str) -> dict[str, Any]:
    """What ffprobe says of each kind; nothing while there is no such stream."""
    program = shutil.which("ffprobe")
    assert program is not None, "FFmpeg is not installed (make test installs it)"
    done = subprocess.run(
        [program, "-v", "error", "-of", "json", "-show_streams", url],
        capture_output=True,
        timeout=60,
        check=False,
    )
    return {one["codec_type"]: one for one in json.loads(done.stdout or "{}").get("streams", [])}


async def found(url: str) -> dict[str, Any]:
    """Wait until both kinds are there."""
    for _ in range(10):
        if (kinds := await asyncio.to_thread(probed, url)).keys() >= {"audio", "video"}:
            return kinds
    raise AssertionError(f"not both kinds: {kinds}")


@asynccontextmanager
async def ended(server: Server, room: str, output: str) -> AsyncIterator[None]:
    try:
        yield
    finally:
        answer = server.rest("DELETE", f"/v1/rooms/{room}/streaming-outs/{output}", timeout_s=60)
        assert answer.status_code == 200, answer.text
        assert server.rest("GET", f"/v1/rooms/{room}/streaming-outs").json() == []


async def test_a_view_goes_to_rtmp_with_one_encode_for_two_targets(server: Server, nginx: Nginx) -> None:
    room = room_with_view(server, "rtmp")
    dead = f"rtmp://127.0.0.1:{free_port()}/live/secretkey"
    alive = f"rtmp://127.0.0.1:{nginx.rtmp}/live/otherkey"
    async with AsyncExitStack() as stack:
        await publish(stack, server, room, 1)
        made = started(server, room, urls=[alive, dead])
        async with ended(server, room, made["id"]):
            kinds = await found(alive)
            assert (kinds["video"]["codec_name"], kinds["audio"]["codec_name"]) == ("h264", "aac")
            assert (kinds["video"]["width"], kinds["video"]["height"]) == (320, 180)
            await until(
                lambda: (
                    [t["state"] for t in state(server, room, made["id"])["targets"]]
                    == ["connected", "retrying"]
                ),
                lambda: state(server, room, made["id"]),
            )
            shown = json.dumps(state(server, room, made["id"]))
            assert "refused" in shown
            assert "key" not in shown.replace("keyFrameInterval", "")
    assert "secretkey" not in server.log()


@pytest.mark.parametrize("protocol", ["hls", "dash"])
async def test_segments_are_uploaded_and_old_ones_deleted(
    server: Server, nginx: Nginx, protocol: str
) -> None:
    room = room_with_view(server, protocol)
    name = "live.m3u8" if protocol == "hls" else "live.mpd"
    names = ("hlsTime", "hlsListSize") if protocol == "hls" else ("dashSegDuration", "dashWindowSize")
    made = started(
        server, room, url=f"http://127.0.0.1:{nginx.http}/put/{protocol}/{name}", protocol=protocol,
        parameters={"method": "PUT", names[0]: 1, names[1]: 2},
    )  # fmt: skip
    folder = nginx.folder / "put" / protocol
    async with ended(server, room, made["id"]):
        await until(lambda: (folder / name).exists())
        last = "live-00007.ts" if protocol == "hls" else "live-0-00007.m4s"
        first = "live-00000.ts" if protocol == "hls" else "live-0-00001.m4s"
        await until(lambda: (folder / last).exists(), lambda: sorted(p.name for p in folder.iterdir()))
        await until(lambda: not (folder / first).exists())
        assert state(server, room, made["id"])["state"] == "connected"


async def test_hls_that_the_server_itself_serves(server: Server) -> None:
    room = room_with_view(server, "served")
    made = started(server, room, protocol="hls", parameters={"hlsTime": 1})
    url = made["url"]
    assert url.startswith(server.url + "/live/")
    async with ended(server, room, made["id"]):
        await until(lambda: httpx2.get(url).status_code == 200 and "EXTINF" in httpx2.get(url).text)
        playlist = httpx2.get(url, headers={"origin": "https://elsewhere.example"})
        assert playlist.headers["access-control-allow-origin"] == "*"
        assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
        assert "#EXT-X-PROGRAM-DATE-TIME" in playlist.text
        kinds = await found(url)
        assert (kinds["video"]["codec_name"], kinds["audio"]["codec_name"]) == ("h264", "aac")
        page = httpx2.get(url.rpartition("/")[0])
        assert page.status_code == 200
        assert "<video" in page.text
    assert httpx2.get(url).status_code == 404


async def test_what_the_server_itself_serves_ends_with_its_job_or_its_room(server: Server) -> None:
    room = room_with_view(server, "served for a while")
    made = [started(server, room, protocol="hls", parameters={"hlsTime": 1}) for _ in range(2)]
    folders = [server.data_dir / "live" / one["url"].split("/")[-2] for one in made]
    await until(lambda: {httpx2.get(one["url"]).status_code for one in made} == {200})
    assert server.rest("DELETE", f"/v1/rooms/{room}/jobs/{made[0]['id']}").status_code == 200
    assert [folder.exists() for folder in folders] == [False, True]
    assert server.rest("DELETE", f"/v1/rooms/{room}").status_code == 200
    await until(lambda: not folders[1].exists())
    assert [httpx2.get(one["url"]).status_code for one in made] == [404, 404]


async def test_a_stream_is_changed_while_it_goes_on(server: Server, nginx: Nginx) -> None:
    room = room_with_view(server, "changed")
    target = f"rtmp://127.0.0.1:{nginx.rtmp}/live/changed"
    async with AsyncExitStack() as stack:
        await publish(stack, server, room, 1, mixed=False)
        lost = server.metric("streaming_target_interruptions_total")
        made = started(server, room, url=target)
        async with ended(server, room, made["id"]):
            await until(lambda: state(server, room, made["id"])["state"] == "connected")
            path = f"/v1/rooms/{room}/streaming-outs/{made['id']}"
            change = [
                {"op": "replace", "path": "/media/video/from", "value": "s1"},
                {"op": "replace", "path": "/media/audio/from", "value": "s1"},
                {"op": "replace", "path": "/media/audio/status", "value": "inactive"},
            ]
            answer = server.rest("PATCH", path, change)
            assert answer.status_code == 200, answer.text
            assert answer.json()["media"]["video"]["from"] == "s1"
            assert answer.json()["media"]["audio"]["status"] == "inactive"
            await found(target)
            assert state(server, room, made["id"])["state"] == "connected"
            assert server.metric("streaming_target_interruptions_total") == lost
            wrong = server.rest(
                "PATCH", path, [{"op": "replace", "path": "/media/video/parameters/framerate", "value": 7}]
            )
            assert wrong.status_code == 400


async def test_rtsp_reaches_a_server_that_waits_for_it(server: Server, tmp_path: Path) -> None:
    room = room_with_view(server, "rtsp")
    url = f"rtsp://127.0.0.1:{free_port()}/live"
    written = tmp_path / "out.mkv"
    listen = ("-rtsp_flags", "listen", "-i", url, "-t", "3", "-c", "copy", str(written))
    with ffmpeg(*listen, log=tmp_path / "ffmpeg.log") as process:
        made = started(server, room, url=url)
        async with ended(server, room, made["id"]):
            assert await asyncio.to_thread(process.wait, 60) == 0
    assert (await found(str(written)))["video"]["codec_name"] == "h264"


async def test_a_target_that_dies_is_reached_again(server: Server, tmp_path: Path) -> None:
    room = room_with_view(server, "dies")
    nginx = Nginx(tmp_path)
    with nginx.running():
        made = started(server, room, url=f"rtmp://127.0.0.1:{nginx.rtmp}/live/again")
        await until(lambda: state(server, room, made["id"])["state"] == "connected")
    async with ended(server, room, made["id"]):
        await until(lambda: state(server, room, made["id"])["state"] == "retrying")
        with nginx.running():
            await until(lambda: state(server, room, made["id"])["state"] == "connected")
            await found(f"rtmp://127.0.0.1:{nginx.rtmp}/live/again")


async def test_a_target_that_says_nothing_is_told_and_disturbs_no_other(server: Server, nginx: Nginx) -> None:
    room = room_with_view(server, "silent")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections wait, and nobody answers
        dead = f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live/x"
        made = started(server, room, urls=[dead, f"rtmp://127.0.0.1:{nginx.rtmp}/live/beside"])
        async with ended(server, room, made["id"]):
            await until(
                lambda: (
                    [one["state"] for one in state(server, room, made["id"])["targets"]]
                    == ["retrying", "connected"]
                ),
                lambda: state(server, room, made["id"]),
            )
            assert "takes nothing" in state(server, room, made["id"])["targets"][0]["error"]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "http://169.254.169.254/live.m3u8"}, "url"),
        ({"protocol": "rtmp"}, "url: required for rtmp"),
        ({}, "url: required, unless protocol is hls or dash"),
        ({"protocol": "hls", "parameters": {"hlsTime": 0.1}}, "hlsTime"),
        ({"url": "rtmp://a.example/x", "urls": ["rtmp://a.example/x"]}, "urls"),
        (
            {"url": "rtmp://a.example/x/y", "media": VP8},
            "media.video.format.codec: expected h264",
        ),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_is_refused_by_its_name(
    server: Server, request_: dict[str, Any], words: str
) -> None:
    room = room_with_view(server, "refused")
    answer = sent(server, room, **request_)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]
