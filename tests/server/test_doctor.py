"""What `palaver doctor` finds in a machine, a directory and a configuration, without a server."""

from __future__ import annotations

import datetime
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from palaver.server import addresses, state
from palaver.server import config as settings
from palaver.server.data import open_directory
from palaver.server.doctor import media as media_checks
from palaver.server.doctor.examine import examine
from palaver.server.doctor.findings import Finding, Level
from palaver.server.services import open_store
from tests.servers import free_port

Config = settings.Config


def of(findings: list[Finding], check: str) -> list[Finding]:
    return [one for one in findings if one.check == check]


def worst(findings: list[Finding]) -> Level:
    order = [Level.OK, Level.WARNING, Level.PROBLEM]
    return max((one.level for one in findings), key=order.index)


@pytest.fixture
def free() -> Config:
    """A configuration whose ports nobody has."""
    return made()


def made(**sections: settings.Section) -> Config:
    media = settings.Media(port=free_port(run=2), threads=2)
    parts = {"http": settings.Http(port=free_port()), "media": media, "sip": settings.Sip(port=0), **sections}
    return Config(**parts)  # type: ignore[arg-type]  # sections by their names


@pytest.fixture
async def used(tmp_path: Path) -> Path:
    """A data directory with a database of this version."""
    directory = open_directory(tmp_path / "data")
    await (await open_store(Config(), directory)).close()
    return directory.path


def files(directory: Path) -> dict[str, tuple[int, int]]:
    return {one.name: (one.stat().st_size, one.stat().st_mtime_ns) for one in directory.iterdir()}


def test_where_nothing_is_yet_nothing_is_made(tmp_path: Path, free: Config) -> None:
    findings = examine(free, tmp_path / "data")
    assert (
        worst(of(findings, "data directory") + of(findings, "database") + of(findings, "media")) is Level.OK
    )
    assert not (tmp_path / "data").exists()


def test_looking_changes_nothing(used: Path, free: Config) -> None:
    before = files(used)
    findings = examine(free, used)
    assert files(used) == before
    [database] = of(findings, "database")
    assert database.level is Level.OK
    assert "tables are current" in database.words


def test_a_database_of_a_newer_version_is_a_problem(used: Path, free: Config) -> None:
    with sqlite3.connect(used / "palaver.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    [found] = of(examine(free, used), "database")
    assert found.level is Level.PROBLEM
    assert "newer" in found.words


def test_a_damaged_database_is_a_problem(used: Path, free: Config) -> None:
    (used / "palaver.db").write_bytes(b"this is no database, whatever its name says" * 100)
    [found] = of(examine(free, used), "database")
    assert found.level is Level.PROBLEM
    assert "not a database" in found.words


def test_a_database_server_that_is_away_is_a_problem_and_its_password_is_not_shown(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://me:hidden@127.0.0.1:{free_port()}/x"
    [found] = of(examine(made(database=settings.Database(url=url)), tmp_path), "database")
    assert found.level is Level.PROBLEM
    assert "hidden" not in found.words
    assert "***" in found.words


def test_damaged_secrets_are_a_problem(used: Path, free: Config) -> None:
    (used / "secrets.json").write_text("{")
    assert worst(of(examine(free, used), "data directory")) is Level.PROBLEM


def test_a_directory_that_others_read_is_a_warning(used: Path, free: Config) -> None:
    used.chmod(0o755)
    [found] = of(examine(free, used), "data directory")
    assert found.level is Level.WARNING
    assert found.hint == f"chmod 700 {used}"


def test_a_data_directory_that_is_a_file_is_a_problem(tmp_path: Path, free: Config) -> None:
    (tmp_path / "data").write_text("")
    assert worst(of(examine(free, tmp_path / "data"), "data directory")) is Level.PROBLEM


def test_a_clock_behind_the_files_is_a_problem(used: Path, free: Config) -> None:
    later = datetime.datetime.now(datetime.UTC).timestamp() + 3600
    os.utime(used / "palaver.db", (later, later))
    found = of(examine(free, used), "clock")[0]
    assert found.level is Level.PROBLEM
    assert "behind" in found.words


@pytest.fixture
def taken() -> Iterator[tuple[int, int]]:
    """A TCP and a UDP port that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", free_port()))
        yield tcp.getsockname()[1], udp.getsockname()[1]


def test_ports_that_others_have_are_problems(tmp_path: Path, taken: tuple[int, int]) -> None:
    config = Config(http=settings.Http(port=taken[0]), media=settings.Media(port=taken[1], threads=1))
    findings = examine(config, tmp_path)
    for check, setting in (("http", "http.port"), ("media", "media.port")):
        found = of(findings, check)[0]
        assert found.level is Level.PROBLEM
        assert setting in found.hint


def test_a_sip_port_that_somebody_has_is_a_problem(tmp_path: Path, taken: tuple[int, int]) -> None:
    for port, level in ((taken[0], Level.PROBLEM), (taken[1], Level.PROBLEM), (free_port(), Level.OK)):
        (found,) = of(examine(made(sip=settings.Sip(host="127.0.0.1", port=port)), tmp_path), "sip")
        assert found.level is level, found


@pytest.mark.parametrize(
    ("sip", "words"),
    [
        (settings.Sip(host="localhost"), "sip.host"),
        (settings.Sip(rtp_ports="9000-8000"), "sip.rtp_ports"),
        (settings.Sip(tls_port=5061), "sip.tls_cert"),
    ],
)
def test_sip_settings_that_do_not_fit_are_problems(tmp_path: Path, sip: settings.Sip, words: str) -> None:
    (found,) = of(examine(made(sip=sip), tmp_path), "sip")
    assert found.level is Level.PROBLEM
    assert words in found.words


@pytest.mark.parametrize("tcp", [True, False])
def test_the_media_ports_are_tried_by_udp_and_by_tcp(
    tmp_path: Path, taken: tuple[int, int], tcp: bool
) -> None:
    media = settings.Media(port=taken[0], threads=1, tcp=tcp)
    found = {one.words.split()[0]: one for one in of(examine(made(media=media), tmp_path), "media")}
    assert found["UDP"].level is Level.OK
    assert "packets of this machine arrive" in found["UDP"].words
    if tcp:
        assert found["TCP"].level is Level.PROBLEM
        assert f"port {taken[0]}" in found["TCP"].words
    else:
        assert "TCP" not in found


def test_ipv6_that_media_does_not_use_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has = ["203.0.113.5", "2001:db8::5", "127.0.0.1", "::1"]
    monkeypatch.setattr(
        addresses, "interface_addresses", lambda ipv6: [one for one in has if ipv6 or ":" not in one]
    )
    for host, level in (("0.0.0.0", Level.WARNING), ("::", Level.OK)):
        findings = examine(made(http=settings.Http(host=host, port=0)), tmp_path)
        assert [one.level for one in of(findings, "ipv6")] == [level]
    has[1:2] = []
    findings = examine(made(http=settings.Http(host="::", port=0)), tmp_path)
    assert [one.level for one in of(findings, "ipv6")] == [Level.OK]
    assert of(examine(made(), tmp_path), "ipv6") == [], "on loopback nobody else is concerned"


def test_a_kernel_that_does_not_cut_runs_is_a_warning(
    tmp_path: Path, free: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    [found] = of(examine(free, tmp_path), "segmentation")
    assert found.level is Level.OK
    monkeypatch.setattr(media_checks, "_UDP_SEGMENT", 9999)  # an option that no kernel has
    [found] = of(examine(free, tmp_path), "segmentation")
    assert found.level is Level.WARNING
    assert "refuses" in found.words


def test_private_addresses_alone_are_a_warning(tmp_path: Path) -> None:
    media = settings.Media(port=0, addresses=["10.1.2.3"])
    found = of(examine(made(media=media), tmp_path), "addresses")
    assert [one.level for one in found] == [Level.WARNING]
    media = settings.Media(port=0, addresses=["10.1.2.3"], public_addresses=["8.8.8.8", "2606:4700::1"])
    found = of(examine(made(media=media), tmp_path), "addresses")
    assert [one.level for one in found] == [Level.OK]
    media = settings.Media(port=0, addresses=["10.1.2.3"], public_addresses=["192.168.0.1"])
    found = of(examine(made(media=media), tmp_path), "addresses")
    assert [one.level for one in found] == [Level.WARNING, Level.OK]
    media = settings.Media(port=0, public_addresses=["meet.example"])
    found = of(examine(made(media=media), tmp_path), "addresses")
    assert [one.level for one in found] == [Level.PROBLEM]


def test_each_setting_that_weakens_is_named(tmp_path: Path) -> None:
    config = made(
        http=settings.Http(host="0.0.0.0", port=0, plain=True),
        auth=settings.Auth(replay_window_s=0),
        page=settings.Page(demo=True),
    )
    words = [one.words for one in of(examine(config, tmp_path), "settings")]
    for setting in ("auth.replay_window_s", "page.demo", "http.plain", "http.cors_origins"):
        assert any(text.startswith(setting) for text in words)


def certificate(directory: Path, days: float) -> settings.Http:
    """A certificate that runs out in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "meet.example")])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=90))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    file = directory / "meet.crt"
    file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return settings.Http(port=0, tls_cert=str(file), tls_key=str(file))


@pytest.mark.parametrize(("days", "level"), [(60, Level.OK), (5, Level.WARNING), (-1, Level.PROBLEM)])
def test_a_certificate_is_judged_by_when_it_runs_out(tmp_path: Path, days: float, level: Level) -> None:
    findings = examine(made(http=certificate(tmp_path, days)), tmp_path / "data")
    assert [one.level for one in of(findings, "certificate")] == [level]


def test_a_certificate_that_is_none_or_lacks_its_key_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no certificate")
    for http in (settings.Http(tls_cert="x"), settings.Http(tls_cert=str(tmp_path / "x"), tls_key="x")):
        findings = examine(made(http=http), tmp_path / "data")
        assert [one.level for one in of(findings, "certificate")] == [Level.PROBLEM]


def test_what_a_killed_server_left_is_not_believed(used: Path, free: Config) -> None:
    state.write(used, state.State("http://127.0.0.1:1", _ended_process(), None))
    findings = examine(free, used)
    assert [one.level for one in of(findings, "server")] == [Level.WARNING]
    assert "is free" in of(findings, "http")[0].words


def _ended_process() -> int:
    process = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(process, 0)
    return process
