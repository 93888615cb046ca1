"""Recordings of a whole server, over its REST API alone: a view of an empty room, through crashes and restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.recording.bucket import NAME, bucket
from tests.recording.media import decode, probe
from tests.servers import COMMAND, Server, start_server

pytestmark = [pytest.mark.net, pytest.mark.timeout(180)]

SETTINGS = "[recording]\nmin_free_gb = 0.01\n"


def wait(condition: Callable[[], Any], what: str, within_s: float = 40) -> Any:
    """What ``condition`` gives once it is something."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.05)
    return found


class Room:
    """A room of a server, and its recording."""

    def __init__(self, server: Server, room: str) -> None:
        self.server, self.room = server, room
        self.view = f"{room}-common"

    def start(self, **request: Any) -> dict[str, Any]:
        body = {"media": {"audio": {"from": self.view}, "video": {"from": self.view}}, **request}
        answer = self.server.rest("POST", f"/v1/rooms/{self.room}/recordings", body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, recording: str) -> dict[str, Any]:
        answer = self.server.rest("GET", f"/v1/rooms/{self.room}/recordings/{recording}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def until_s(self, recording: str, seconds: float, part: int = 0) -> dict[str, Any]:
        """The recording, once a part of it is so long."""

        def long_enough() -> dict[str, Any] | None:
            found = self.get(recording)
            parts = found["parts"]
            return found if len(parts) > part and parts[part]["seconds"] >= seconds else None

        found: dict[str, Any] = wait(long_enough, f"{seconds} s of part {part}")
        return found

    def stop(self, recording: str) -> dict[str, Any]:
        answer = self.server.rest("DELETE", f"/v1/rooms/{self.room}/recordings/{recording}")
        assert answer.status_code == 200, answer.text

        def complete() -> dict[str, Any] | None:
            found = self.get(recording)
            return found if found["state"] == "ended" and found["parts"][-1]["complete"] else None

        found: dict[str, Any] = wait(complete, "the recording is complete")
        return found


def settings(directory: Path) -> tuple[str, str]:
    (directory / "palaver.toml").write_text(SETTINGS)
    return "--config", str(directory / "palaver.toml")


def test_a_view_is_recorded_paused_downloaded_and_deleted(tmp_path: Path) -> None:
    with start_server(tmp_path, *settings(tmp_path)) as server:
        room = Room(server, server.room("studio"))
        recording = room.start(container="mp4")["id"]
        room.until_s(recording, 1)
        path = f"/v1/rooms/{room.room}/recordings/{recording}"
        pause = [{"op": "replace", "path": "/media/status", "value": "inactive"}]
        assert server.rest("PATCH", path, pause).status_code == 200
        wait(lambda: room.get(recording)["state"] == "paused", "it is paused")
        pause[0]["value"] = "active"
        assert server.rest("PATCH", path, pause).status_code == 200
        before = room.get(recording)["seconds"]
        room.until_s(recording, before + 1)
        ended = room.stop(recording)
        assert [mark["what"] for mark in ended["marks"]] == ["paused", "resumed"]
        (part,) = ended["parts"]
        file = Path(ended["storage"]["file"])
        assert file == server.data_dir.absolute() / "recordings" / part["file"]
        assert (file.stat().st_size, probe(file).codecs) == (part["bytes"], {"audio": "aac", "video": "h264"})
        decode(file)
        whole = httpx2.get(server.url + part["download"], timeout=20)
        assert whole.content == file.read_bytes()
        some = httpx2.get(server.url + part["play"], headers={"range": "bytes=10-19"}, timeout=20)
        assert (some.status_code, some.content) == (206, whole.content[10:20])
        done = subprocess.run(
            [COMMAND, "recordings", "download", recording, "--to", tmp_path, "--data-dir", server.data_dir],
            capture_output=True,
            text=True,
            timeout=40,
            check=True,
        )
        assert Path(done.stdout.strip()).read_bytes() == whole.content
        assert server.rest("DELETE", f"/v1/recordings/{recording}").status_code == 200
        assert not file.exists()
        assert server.metric("recordings_completed_total") == 1


def test_a_recording_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    arguments = settings(tmp_path)
    with start_server(tmp_path, *arguments, killed=True) as server:
        room = Room(server, server.room("phoenix"))
        recording = room.start()["id"]
        room.until_s(recording, 3)
    with start_server(tmp_path, *arguments) as server:
        room = Room(server, room.room)
        room.until_s(recording, 1, part=1)
        ended = room.stop(recording)
    first, second = ended["parts"]
    assert (first["complete"], second["complete"]) == (False, True)
    for part in (first, second):
        decode(tmp_path / "data" / "recordings" / part["file"])
    assert probe(tmp_path / "data" / "recordings" / first["file"]).stamps["video"][-1] > 2


def test_a_server_that_stops_completes_its_files(tmp_path: Path) -> None:
    arguments = settings(tmp_path)
    with start_server(tmp_path, *arguments) as server:
        room = Room(server, server.room("phoenix"))
        recording = room.start()["id"]
        room.until_s(recording, 1)
    (file,) = (tmp_path / "data" / "recordings" / room.room).iterdir()
    assert probe(file).duration_s > 0.9
    with start_server(tmp_path, *arguments) as server:
        room = Room(server, room.room)
        room.until_s(recording, 1, part=1)
        assert room.get(recording)["parts"][0]["complete"]
        assert server.rest("DELETE", f"/v1/rooms/{room.room}").status_code == 200
        wait(lambda: server.rest("GET", "/v1/recordings").json()[0]["state"] == "ended", "it has ended")
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(one.info["cmdline"])]


def test_a_room_records_itself_for_as_long_as_it_runs(tmp_path: Path) -> None:
    arguments = settings(tmp_path)
    (tmp_path / "palaver.toml").write_text(
        SETTINGS + "[streaming]\nallow_test = true\n[rooms]\nempty_timeout_s = 1\n"
    )
    with start_server(tmp_path, *arguments) as server:
        room = Room(server, server.room("diary", recording={"auto": True, "container": "mp4"}))
        bars = {"connection": {"url": "test:bars"}, "media": {"audio": True, "video": True}}
        answer = server.rest("POST", f"/v1.1/rooms/{room.room}/streaming-ins", bars, timeout_s=40)
        assert answer.status_code == 200, answer.text
        path = f"/v1/rooms/{room.room}/recordings"
        (found,) = wait(lambda: server.rest("GET", path).json(), "it is recorded")
        room.until_s(found["id"], 1)
        stream = answer.json()["id"]
        assert server.rest("DELETE", f"/v1.1/rooms/{room.room}/streaming-ins/{stream}").status_code == 200
        wait(lambda: room.get(found["id"])["state"] == "ended", "it has ended with its room")
        ended = room.get(found["id"])
        assert "reason" not in ended
        assert probe(Path(ended["storage"]["file"])).codecs == {"audio": "aac", "video": "h264"}
        decode(Path(ended["storage"]["file"]))


def test_what_has_ended_is_uploaded_and_then_deleted_here(tmp_path: Path) -> None:
    with bucket() as target:
        upload = {"bucket": NAME, "endpoint": target.to.endpoint, "region": "us-east-1", "prefix": "all/"}
        lines = [f'{name} = "{value}"' for name, value in upload.items()]
        lines += ['access_key = "key"', 'secret_key = "secret"', "delete_local = true"]
        arguments = settings(tmp_path)
        (tmp_path / "palaver.toml").write_text(SETTINGS + "[upload]\n" + "\n".join(lines) + "\n")
        with start_server(tmp_path, *arguments) as server:
            room = Room(server, server.room("archive"))
            recording = room.start()["id"]
            room.until_s(recording, 1)
            (part,) = room.stop(recording)["parts"]
            wait(lambda: room.get(recording)["parts"][0].get("object"), "it is uploaded")
            assert room.get(recording)["parts"][0]["object"] == f"s3://{NAME}/all/{part['file']}"
            file = server.data_dir / "recordings" / part["file"]
            wait(lambda: not file.exists(), "it is deleted here")
            target.client.download_file(NAME, f"all/{part['file']}", str(tmp_path / "back.mkv"))
            assert (tmp_path / "back.mkv").stat().st_size == part["bytes"]
            decode(tmp_path / "back.mkv")
            gone = httpx2.get(server.url + part["play"], timeout=20)
            assert (gone.status_code, f"s3://{NAME}/all/" in gone.text) == (404, True)
            assert wait(lambda: server.metric("uploads_done_total"), "it is counted") == 1


def test_a_killed_recorder_is_replaced_within_the_same_recording(tmp_path: Path) -> None:
    with start_server(tmp_path, *settings(tmp_path)) as server:
        room = Room(server, server.room("studio"))
        recording = room.start()["id"]
        found = room.until_s(recording, 2)
        writing = next(
            one
            for one in psutil.Process(server.process.pid).children(recursive=True)
            if any(file.path == found["storage"]["file"] for file in one.open_files())
        )
        os.kill(writing.pid, signal.SIGKILL)
        room.until_s(recording, 1, part=1)
        ended = room.stop(recording)
        assert len(ended["parts"]) == 2
        for part in ended["parts"]:
            decode(server.data_dir / "recordings" / part["file"])
