"""`palaver rooms`, `participants`, `streams` and `doctor` against a running server."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import COMMAND, Server, free_port, start_server
from tests.wire_client import WireClient

FIELDS = {"check", "level", "words", "hint"}


def run(
    server: Server, *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        timeout=30,
        env={**os.environ, "PALAVER_DATA_DIR": str(server.data_dir), **environment},
    )


def said(server: Server, *arguments: str, stdin: str = "") -> str:
    done = run(server, *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(server: Server, *arguments: str, stdin: str = "") -> Any:
    return json.loads(said(server, *arguments, "--json", stdin=stdin))


@pytest.fixture
async def ann(server: Server) -> AsyncIterator[str]:
    """The name of a room in which a participant called ann is."""
    name = secrets.token_hex(4)
    client = WireClient(server.url)
    await client.open()
    await client.login(server.token(server.room(name), "ann"))
    yield name
    await client.close()


def test_a_room_is_made_shown_changed_and_deleted_by_name(server: Server) -> None:
    made = said(server, "rooms", "create", "board room", "--limit", "3").strip()
    assert made in said(server, "rooms", "list")
    shown = read(server, "rooms", "show", "board room")
    assert (shown["_id"], shown["name"], shown["participantLimit"]) == (made, "board room", 3)
    assert shown.items() <= server.rest("GET", f"/v1/rooms/{made}").json().items()
    assert "participants  3" in said(server, "rooms", "show", made)
    changed = read(server, "rooms", "update", "board room", "--name", "bored room")
    assert (changed["name"], changed["participantLimit"]) == ("bored room", 3)
    said(server, "rooms", "delete", "bored room")
    gone = run(server, "rooms", "show", made)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr == f"palaver: no room of this service is called {made}\n"


def test_options_come_from_a_file_or_from_stdin(server: Server, tmp_path: Path) -> None:
    options = json.dumps({"inputLimit": 2, "views": []})
    (tmp_path / "options.json").write_text(options)
    first = read(server, "rooms", "create", "x1", "--options", str(tmp_path / "options.json"))
    again = read(server, "rooms", "create", "x2", "--options", "-", stdin=options)
    assert [(one["inputLimit"], one["views"]) for one in (first, again)] == [(2, [])] * 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('{"inputLimits": 2}', "no such option: inputLimits"),
        ('{"inputLimit": "2"}', "Expected `int`"),
        ("{", "truncated"),
    ],
)
def test_wrong_options_are_named_before_anything_is_sent(server: Server, options: str, words: str) -> None:
    done = run(server, "rooms", "create", "x", "--options", "-", stdin=options)
    assert done.returncode == 2
    assert words in done.stderr


def test_two_rooms_of_one_name_are_told_apart_by_id(server: Server) -> None:
    ids = [said(server, "rooms", "create", "twins").strip() for _ in range(2)]
    done = run(server, "rooms", "delete", "twins")
    assert done.returncode == 1
    assert all(one in done.stderr for one in ids)
    for one in ids:
        said(server, "rooms", "delete", one)


async def test_a_participant_is_seen_restricted_and_dropped(server: Server, ann: str) -> None:
    [listed] = read(server, "participants", "list", ann)
    assert (listed["user"], listed["role"]) == ("ann", "presenter")
    assert "ann" in said(server, "participants", "list", ann)
    changed = read(server, "participants", "permit", ann, "ann", "--publish", "audio", "--subscribe", "none")
    assert changed["permission"] == {
        "publish": {"audio": True, "video": False},
        "subscribe": {"audio": False, "video": False},
    }
    assert "may publish    audio\nmay subscribe  none" in said(server, "participants", "show", ann, "ann")
    said(server, "participants", "drop", ann, listed["id"])
    assert read(server, "participants", "list", ann) == []
    assert (
        run(server, "participants", "show", ann, "ann").stderr
        == "palaver: nobody in this room is called ann\n"
    )


async def test_a_permission_that_is_none_is_refused(server: Server, ann: str) -> None:
    for arguments, words in (((), "nothing to change"), (("--publish", "all"), "--publish: expected audio")):
        done = run(server, "participants", "permit", ann, "ann", *arguments)
        assert done.returncode == 2
        assert words in done.stderr


async def test_names_of_strangers_cannot_command_the_terminal(server: Server) -> None:
    room = server.room("hostile")
    client = WireClient(server.url)
    await client.open()
    await client.login(server.token(room, "a\x1b[2Jb[red]c"))
    shown = said(server, "participants", "list", room) + said(
        server, "participants", "show", room, "a\x1b[2Jb[red]c"
    )
    assert "\x1b" not in shown
    assert shown.count("[2Jb[red]c") == 2
    await client.close()


async def test_the_streams_of_views_are_listed_and_cannot_be_ended(server: Server, ann: str) -> None:
    [mixed] = read(server, "streams", "list", ann)
    assert mixed["type"] == "mixed"
    assert mixed["id"] in said(server, "streams", "list", ann)
    assert read(server, "streams", "show", ann, mixed["id"]) == mixed
    for command in ("mute", "unmute", "delete"):
        done = run(server, "streams", command, ann, mixed["id"])
        assert done.returncode == 1
        assert "mixed" in done.stderr
    assert run(server, "streams", "show", ann, "none").returncode == 1


async def test_a_room_goes_live_is_listed_and_ended(server: Server, ann: str) -> None:
    made, url = said(server, "streaming-outs", "start", ann).split()
    assert url.startswith(f"{server.url}/live/")
    (listed,) = read(server, "streaming-outs", "list", ann)
    assert (listed["id"], listed["protocol"], listed["url"]) == (made, "hls", url)
    elsewhere = said(
        server, "streaming-outs", "start", ann, f"rtmp://127.0.0.1:{free_port()}/live/key"
    ).strip()
    table = said(server, "streaming-outs", "list", ann)
    assert elsewhere in table
    assert "live/***" in table
    for one in (made, elsewhere):
        said(server, "streaming-outs", "stop", ann, one)
    assert read(server, "streaming-outs", "list", ann) == []
    refused = run(server, "streaming-outs", "start", ann, "file:///etc/passwd")
    assert refused.returncode != 0
    assert "url" in refused.stderr


def test_any_server_can_be_asked_by_url(server: Server, tmp_path: Path) -> None:
    account = {"PALAVER_SERVICE": server.service, "PALAVER_KEY": server.key}
    elsewhere = {"PALAVER_DATA_DIR": str(tmp_path / "none")}
    done = run(server, "rooms", "list", "--json", "--url", server.url, **account, **elsewhere)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == read(server, "rooms", "list")
    wrong = run(server, "rooms", "list", "--url", server.url, "--service", server.service, "--key", "wrong")
    assert wrong.returncode == 1
    assert "code 1101" in wrong.stderr
    away = f"http://127.0.0.1:{free_port()}"
    unreachable = run(server, "rooms", "list", PALAVER_URL=away, **account)
    assert unreachable.returncode == 1
    assert away in unreachable.stderr
    for arguments in (("--url", server.url), ("--key", "x"), ("--url", "x", "--service", "x", "--key", "x")):
        assert run(server, "rooms", "list", *arguments).returncode == 2


def test_doctor_finds_a_running_server_well(server: Server) -> None:
    before = {one.name for one in server.data_dir.iterdir()}
    findings = read(server, "doctor")
    assert all(set(one) == FIELDS for one in findings)
    by_check: dict[str, list[dict[str, str]]] = {}
    for one in findings:
        by_check.setdefault(one["check"], []).append(one)
    assert set(by_check) >= {"configuration", "database", "clock", "limits", "http", "media", "certificate"}
    assert "is ready" in by_check["http"][0]["words"]
    assert all("packets of this machine arrive" in one["words"] for one in by_check["media"])
    assert not [one for one in findings if one["level"] == "problem"]
    assert {one.name for one in server.data_dir.iterdir()} == before
    assert "is ready" in said(server, "doctor")


def test_doctor_finds_a_server_that_hangs(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        server.process.send_signal(signal.SIGSTOP)
        try:
            done = run(server, "doctor", "--json")
        finally:
            server.process.send_signal(signal.SIGCONT)
    assert done.returncode == 1
    [http] = [one for one in json.loads(done.stdout) if one["check"] == "http"]
    assert http["level"] == "problem"
    assert "does not answer" in http["words"]


def test_doctor_finds_a_configuration_that_cannot_be_read(server: Server, tmp_path: Path) -> None:
    (tmp_path / "palaver.toml").write_text("[http]\nport = 'x'\n")
    done = run(server, "doctor", "--json", "--config", str(tmp_path / "palaver.toml"))
    assert done.returncode == 1
    [first, *others] = json.loads(done.stdout)
    assert first["level"] == "problem"
    assert "palaver.toml:2: http.port" in first["words"]
    assert others


def test_doctor_judges_the_certificate_and_addresses_of_a_server_for_others(tmp_path: Path) -> None:
    with start_server(tmp_path, "--host", "0.0.0.0", scheme="https") as server:
        findings = read(server, "doctor", stdin="")
    [certificate] = [one for one in findings if one["check"] == "certificate"]
    assert "self-signed.crt is valid until" in certificate["words"]
    media = [one for one in findings if one["check"] == "media"]
    assert any("127.0.0.1" in one["words"] for one in media)
    assert all(one["level"] == "ok" for one in media)
