"""`palaver` as people call it."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from palaver import __version__
from palaver.server.tls import Certificate, self_signed
from tests.servers import COMMAND, Server, free_port, start_server


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **environment},
    )


def test_version_is_the_packages() -> None:
    for asked in ("version", "--version"):
        done = run(asked)
        assert (done.returncode, done.stdout.strip()) == (0, __version__)


def test_keys_as_json_hold_both_services(server: Server) -> None:
    shown = json.loads(run("keys", "--json", "--data-dir", str(server.data_dir)).stdout)
    assert set(shown) == {"super", "sample"}
    assert all(set(one) == {"id", "key"} for one in shown.values())
    assert shown["sample"] == {"id": server.service, "key": server.key}


def test_variables_of_the_command_line_are_no_unknown_settings(server: Server) -> None:
    variables = dict.fromkeys(("PALAVER_URL", "PALAVER_SERVICE", "PALAVER_KEY", "PALAVER_CA"), "x")
    done = run("keys", "--data-dir", str(server.data_dir), **variables)
    assert done.returncode == 0, done.stderr


def test_keys_of_a_directory_that_is_not_there_are_refused(tmp_path: Path) -> None:
    done = run("keys", "--json", "--data-dir", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert not (tmp_path / "none").exists()


def test_the_super_service_can_be_given(tmp_path: Path) -> None:
    account = {"id": "5f00000000000000000000aa", "key": "a key of mine"}
    with start_server(tmp_path, "--super-id", account["id"], "--super-key", account["key"]) as server:
        shown = json.loads(run("keys", "--json", "--data-dir", str(server.data_dir)).stdout)
        assert shown["super"] == account
    done = run(
        "serve", "--port", str(free_port()), "--media-port", "0", "--data-dir", str(tmp_path / "data"),
        PALAVER_SERVICE_SUPER_KEY="another",
    )  # fmt: skip
    assert done.returncode == 1
    assert "service.super_key differs" in done.stderr


def test_a_token_is_made_for_a_room_by_name(server: Server) -> None:
    data = ("--data-dir", str(server.data_dir))
    refused = run("token", "--room", "by name", "--user", "ann", *data)
    assert refused.returncode == 1
    assert "--create makes it" in refused.stderr
    made = run("token", "--room", "by name", "--user", "ann", "--create", *data)
    assert made.returncode == 0, made.stderr
    assert "by name" in [room["name"] for room in server.rest("GET", "/v1/rooms").json()]
    wrong = run("token", "--room", "by name", "--user", "ann", "--role", "pope", *data)
    assert wrong.returncode == 1
    assert "role" in wrong.stderr


def test_a_port_in_use_is_said_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", port, "--media-port", "0", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert done.stderr.rstrip().endswith(": Address already in use")
    assert done.stdout == ""


def test_a_media_port_in_use_is_said_so(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", "0", "--media-port", port, "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert f"cannot open media ports from {port}" in done.stderr
    assert done.stdout == ""  # nobody is told an address that nobody answers


@pytest.mark.parametrize(("kind", "protocol"), [(socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")])
def test_the_media_port_in_use_is_named(tmp_path: Path, kind: socket.SocketKind, protocol: str) -> None:
    first = free_port(run=2)
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", first + 1))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        arguments = ("--port", "0", "--media-port", str(first), "--data-dir", str(tmp_path))
        done = run("serve", *arguments, PALAVER_MEDIA_THREADS="2")
    assert done.returncode == 1
    assert f"cannot listen on {protocol} 127.0.0.1:{first + 1}: Address already in use" in done.stderr


@pytest.mark.parametrize("setting", ["addresses", "public_addresses"])
def test_a_name_for_a_media_address_is_refused(tmp_path: Path, setting: str) -> None:
    named = {f"PALAVER_MEDIA_{setting.upper()}": "127.0.0.1,meet.example"}
    done = run("serve", "--port", "0", "--media-port", "0", "--data-dir", str(tmp_path), **named)
    assert done.returncode == 1
    assert f"media.{setting}: 'meet.example' is no IP address" in done.stderr


def test_a_bad_configuration_names_file_line_and_setting(tmp_path: Path) -> None:
    (tmp_path / "palaver.toml").write_text("[http]\nport = 'x'\n")
    done = run("serve", "--config", str(tmp_path / "palaver.toml"), "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert "palaver.toml:2: http.port: expected whole number" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_ice_server_that_is_none_is_said_so_without_its_password(tmp_path: Path) -> None:
    done = run(
        "serve", "--port", str(free_port()), "--media-port", "0", "--data-dir", str(tmp_path),
        PALAVER_WHIP_ICE_SERVERS="stun:stun.example, turn:secret@turn.example",
    )  # fmt: skip
    assert done.returncode == 1
    assert "whip.ice_servers: expected" in done.stderr
    assert "secret" not in done.stderr


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("serve", "--port", "0", "--media-port", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert str(tmp_path / "file" / "data") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_server_on_the_same_data_is_refused(server: Server) -> None:
    done = run("serve", "--port", "0", "--media-port", "0", "--data-dir", str(server.data_dir))
    assert done.returncode == 1
    assert "another palaver serve uses it" in done.stderr


def test_elsewhere_than_on_loopback_it_speaks_tls_and_needs_a_token(tmp_path: Path) -> None:
    with start_server(tmp_path, "--host", "0.0.0.0", scheme="https") as server:
        trusted = ssl.create_default_context(cafile=server.data_dir / "self-signed.crt")
        assert httpx2.get(server.url + "/healthz", verify=trusted).status_code == 200
        joined = httpx2.post(server.url + "/demo/join", json={"room": "x", "user": "y"}, verify=False)
        assert joined.status_code == 403
        shown = run("token", "--room", "x", "--user", "ann", "--create", "--data-dir", str(server.data_dir))
        assert shown.returncode == 0, shown.stderr
        assert "self-signed" in server.log()


def served_certificate(url: str) -> str:
    """The certificate with which a server begins a connection now, as PEM."""
    parts = urlsplit(url)
    return ssl.get_server_certificate((str(parts.hostname), int(parts.port or 0)))


def test_sighup_brings_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
    first, second = (self_signed(folder, ["127.0.0.1"]) for folder in folders)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def put(certificate: Certificate) -> None:
        cert.write_bytes(certificate.cert.read_bytes())
        key.write_bytes(certificate.key.read_bytes())

    def until_logged(text: str) -> None:
        deadline = time.monotonic() + 20
        while text not in server.log():
            assert time.monotonic() < deadline, server.log()[-2000:]
            time.sleep(0.02)

    put(first)
    with start_server(tmp_path, "--tls-cert", str(cert), "--tls-key", str(key), scheme="https") as server:
        assert served_certificate(server.url) == first.cert.read_text()
        put(second)
        server.process.send_signal(signal.SIGHUP)
        until_logged("certificate reloaded")
        assert served_certificate(server.url) == second.cert.read_text()
        key.write_bytes(first.key.read_bytes())  # which does not fit
        server.process.send_signal(signal.SIGHUP)
        until_logged("the one before stays")
        assert served_certificate(server.url) == second.cert.read_text()


def test_sighup_does_not_end_a_server_without_tls(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while "nothing to reload" not in server.log():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert httpx2.get(server.url + "/readyz").status_code == 200


def test_sigterm_drains_and_ends_with_zero(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        assert httpx2.get(server.url + "/readyz").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(8) == 0
    assert "draining" in server.log()


def test_the_state_of_a_stopped_server_is_not_believed(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        pass
    done = run("token", "--room", "x", "--user", "ann", "--data-dir", str(server.data_dir))
    assert done.returncode == 1
    assert "no server is running" in done.stderr


def test_a_token_can_be_good_more_than_once(server: Server) -> None:
    data = ("--data-dir", str(server.data_dir))
    made = run("token", "--room", "encoders", "--user", "e", "--create", "--reusable", "--ttl", "60", *data)
    assert made.returncode == 0, made.stderr
    alone = run("token", "--room", "encoders", "--user", "e", "--ttl", "60", *data)
    assert (alone.returncode, alone.stderr) == (2, "palaver: --ttl needs --reusable\n")


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/demo/config"]
)
def test_pages_for_operators_need_no_key(server: Server, path: str) -> None:
    assert httpx2.get(server.url + path).status_code == 200


def test_metrics_name_what_runs(server: Server) -> None:
    text = httpx2.get(server.url + "/metrics").text
    for name in (
        "palaver_rooms ",
        "palaver_media_transports ",
        "palaver_portal_connections ",
        "palaver_process_open_fds ",
    ):
        assert name in text


def test_an_invitation_is_made_listed_and_revoked(server: Server) -> None:
    data = ("--data-dir", str(server.data_dir))
    made = run("invite", "--room", "guests", "--create", "--for", "7d", "--uses", "3", *data)
    assert made.returncode == 0, made.stderr
    url, code = made.stdout.strip().split("#invite=")
    assert url == f"{server.url}/"
    assert httpx2.get(f"{server.url}/invites/{code}").json()["room"] == {"name": "guests"}
    (listed,) = json.loads(run("invites", "list", "guests", "--json", *data).stdout)
    assert (listed["used"], listed["uses"]) == (0, 3)
    assert listed["expires"] - listed["created"] == 7 * 86_400_000
    assert listed["url"] in run("invites", "list", "guests", *data).stdout.replace("\n", "")
    assert run("invites", "revoke", "guests", listed["id"], *data).returncode == 0
    assert httpx2.get(f"{server.url}/invites/{code}").status_code == 410
    wrong = run("invite", "--room", "guests", "--for", "soon", *data)
    assert wrong.returncode == 2
    assert "--for soon: expected a number and a unit" in wrong.stderr
