"""What a pipeline process can still do: tried from inside one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from palaver.media.pipelines.confinement import (
    Confinement,
    clean,
    landlock_version,
    may_become_nobody,
)

TRY = """
import json, os, socket, sys
from palaver.media.pipelines.confinement import Confinement, Limits, confine
secret, network, folders, port = sys.argv[1], sys.argv[2] == "True", sys.argv[3].split(), int(sys.argv[4])
import numpy  # what is to work afterwards
confine(Confinement(network=network, writable=tuple(folders)), Limits(memory_mib=512))
def works(action):
    try:
        action()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "yes"
def write(folder):
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/a.part", "w") as file:
        file.write("x")
    os.truncate(folder + "/a.part", 0)
    os.replace(folder + "/a.part", folder + "/a")
    os.unlink(folder + "/a")
import email.mime.text  # a module of Python that was not loaded before
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "read": works(lambda: open(secret).read()),
    "write": works(lambda: open(secret + ".new", "w").close()),
    "own": [works(lambda: write(folder)) for folder in folders],
    "connect": works(lambda: socket.create_connection(("127.0.0.1", port), 5).close()),
    "memory": works(lambda: bytearray(1 << 30)),
    "privileges": int(status["NoNewPrivs"]),
    "capabilities": int(status["CapEff"], 16),
    "user": os.geteuid(),
}))
"""


def tried(secret: Path, confinement: Confinement, code: str = TRY) -> dict[str, object]:
    """What works in a process that is confined like that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        given = (str(secret), str(confinement.network), " ".join(confinement.writable), str(port))
        done = subprocess.run(
            [sys.executable, "-c", code, *given], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the data directory."""
    file = tmp_path / "secrets.json"
    file.write_text("{}")
    return file


needs_landlock = pytest.mark.skipif(landlock_version() < 4, reason="the kernel has no such Landlock")


@needs_landlock
def test_a_process_that_decodes_reaches_no_file_no_network_and_no_end_of_memory(secret: Path) -> None:
    found = tried(secret, Confinement())
    assert (found["read"], found["write"]) == ("PermissionError", "PermissionError")
    assert found["connect"] == "PermissionError"
    assert (found["memory"], found["privileges"]) == ("MemoryError", 1)
    if may_become_nobody():
        assert (found["user"], found["capabilities"]) == (65534, 0)


@needs_landlock
def test_a_process_that_pulls_reaches_the_network_and_no_file(secret: Path) -> None:
    found = tried(secret, Confinement(network=True))
    assert (found["read"], found["connect"]) == ("PermissionError", "yes")


@needs_landlock
def test_a_process_that_records_writes_in_its_own_folder_only(secret: Path) -> None:
    own = secret.parent / "own"
    own.mkdir()
    found = tried(secret, Confinement(writable=(str(own),)))
    assert (found["own"], found["read"], found["write"]) == (["yes"], "PermissionError", "PermissionError")
    assert (found["connect"], found["memory"], found["privileges"]) == ("PermissionError", "MemoryError", 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up being root")
def test_a_process_of_root_becomes_nobody_unless_it_writes(secret: Path) -> None:
    forced = "import encodings.idna, palaver.media.pipelines.confinement as it\nit.may_become_nobody = lambda: True\n"
    code = forced + TRY.replace("import email.mime.text", "")
    found = tried(secret, Confinement(), code)
    assert (found["user"], found["capabilities"]) == (65534, 0)
    assert tried(secret, Confinement(writable=(str(secret.parent),)), code)["user"] == 0


def test_no_secret_is_in_the_environment_of_a_pipeline() -> None:
    environment = {
        "PALAVER_DATABASE_URL": "postgresql://u:p@h/d",
        "AWS_SECRET": "x",
        "PATH": "/bin",
        "LC_ALL": "C",
    }
    assert clean(environment) == {"PATH": "/bin", "LC_ALL": "C"}
    assert os.environ.keys() >= clean(os.environ).keys()
