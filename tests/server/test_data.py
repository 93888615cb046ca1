"""The data directory: secrets that last, and one server at a time."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from palaver.server.data import DataError, locked, open_directory


def test_secrets_outlive_a_restart_and_are_ours_alone(tmp_path: Path) -> None:
    first = open_directory(tmp_path / "data")
    again = open_directory(tmp_path / "data")
    assert first.secrets == again.secrets
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data/secrets.json").stat().st_mode) == 0o600
    assert (
        len({first.secrets.master, first.secrets.tokens, first.secrets.tickets, first.secrets.cookies}) == 4
    )


def test_secrets_never_show_in_a_representation(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    assert directory.secrets.master not in repr(directory)


def test_damaged_secrets_are_refused_by_name_and_kept(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"master": 1')
    with pytest.raises(DataError, match=r"secrets\.json is damaged"):
        open_directory(tmp_path)
    assert (tmp_path / "secrets.json").read_text() == '{"master": 1'


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataError, match="data directory"):
        open_directory(tmp_path / "data")


def test_only_one_server_uses_a_directory(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    with locked(directory), pytest.raises(DataError, match="another palaver serve"), locked(directory):
        pass
    with locked(directory):
        pass


def test_what_exists_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "palaver.db").write_text("x")
    (tmp_path / "palaver.db").chmod(0o644)
    (tmp_path / "linked").symlink_to("/etc/hostname")
    linked_to = stat.S_IMODE(Path("/etc/hostname").stat().st_mode)
    open_directory(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "palaver.db").stat().st_mode) == 0o600
    assert stat.S_IMODE(Path("/etc/hostname").stat().st_mode) == linked_to


@pytest.mark.parametrize("key", ["", "00", "no hexadecimal digits", "0" * 63], ids=repr)
def test_unusable_secrets_are_refused_by_name(tmp_path: Path, key: str) -> None:
    good = "0" * 64
    secrets = {"master": good, "tokens": good, "tickets": key, "cookies": good}
    (tmp_path / "secrets.json").write_text(json.dumps(secrets))
    with pytest.raises(DataError, match=r"secrets\.json is damaged: .*tickets"):
        open_directory(tmp_path)


def test_a_full_disk_is_noticed(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    directory.try_writing()
    (tmp_path / ".writable").unlink()
    (tmp_path / ".writable").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        directory.try_writing()
