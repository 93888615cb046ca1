"""The wheels, installed as strangers do: outside the checkout, with neither compiler nor Node within reach."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from palaver import __version__
from tests.servers import ROOT, Server, start_server

pytestmark = pytest.mark.timeout(900)  # the first test builds the wheels, unless `make test` has done so
WHEELHOUSE = ROOT / ".cache" / "wheelhouse"
IN_THE_CLIENT = ("palaver/__init__.py", "palaver/py.typed", "palaver/client/")
RUNNING = """
import importlib.util, sys
from palaver.client import Palaver
heavy = [one for one in ("av", "numpy", "sqlalchemy", "uvicorn") if importlib.util.find_spec(one)]
with Palaver(*sys.argv[1:]) as api:
    room = api.rooms.create("by the client")
    print(api.rooms.get(room.id).name, heavy)
"""


@dataclass(frozen=True)
class Wheels:
    server: Path
    client: Path


@pytest.fixture(scope="module")
def wheels() -> Wheels:
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "TARGETS")}
    done = subprocess.run(
        ["make", "wheel", str(WHEELHOUSE.relative_to(ROOT))],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [server] = (ROOT / "dist").glob("palaver-*.whl")
    [client] = (ROOT / "dist").glob("palaver_client-*.whl")
    return Wheels(server, client)


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment that has pip and nothing else."""
    folder = tmp_path_factory.mktemp("away")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=120)
    return folder


def reached_from(environment: Path) -> dict[str, str]:
    """The variables of a machine on which this environment alone has commands."""
    return {"PATH": str(environment / "bin"), "HOME": str(environment.parent), "PIP_CONFIG_FILE": os.devnull}


def install(pip_of: Path, into: Path, wheel: Path) -> None:
    done = subprocess.run(
        [
            pip_of / "bin" / "python", "-m", "pip", "--python", into / "bin" / "python", "install", "--quiet",
            "--no-index", "--no-compile", "--only-binary", ":all:", "--find-links", WHEELHOUSE, wheel,
        ],
        cwd=into.parent,
        env=reached_from(into),
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(wheels: Wheels, away: Path) -> Iterator[Server]:
    """`palaver serve` of the wheel."""
    install(away / "venv", away / "venv", wheels.server)
    path = reached_from(away / "venv")["PATH"]
    with start_server(
        away,
        "--demo",
        within=["/usr/bin/env", f"--chdir={away}", f"PATH={path}"],
        command=away / "venv" / "bin" / "palaver",
    ) as running:
        yield running


def files_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def kept() -> list[str]:
    """The files of the package that are in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "palaver"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_the_wheel_holds_the_package_the_page_and_the_licence(wheels: Wheels) -> None:
    files = files_of(wheels.server)
    assert re.fullmatch(
        rf"palaver-{__version__}-cp311-abi3-(manylinux_\w+|linux_\w+)\.whl", wheels.server.name
    )
    assert set(kept()) - set(files) == set()
    built = [one for one in (ROOT / "web" / "dist").rglob("*") if one.is_file()]
    for file in built:
        assert files[f"palaver/api/site/{file.relative_to(ROOT / 'web' / 'dist')}"] == file.read_bytes()
    assert "palaver/media/_core.abi3.so" in files
    assert files[f"palaver-{__version__}.dist-info/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b"License-Expression: Apache-2.0" in files[f"palaver-{__version__}.dist-info/METADATA"]


def test_the_client_wheel_holds_the_client_alone(wheels: Wheels) -> None:
    information = f"palaver_client-{__version__}.dist-info"
    files = files_of(wheels.client)
    code = {name for name in files if not name.startswith(information)}
    assert code == {name for name in kept() if name.startswith(IN_THE_CLIENT)}
    assert files[f"{information}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b"License-Expression: Apache-2.0" in files[f"{information}/METADATA"]


def test_the_installed_server_serves_the_page_with_all_it_loads(installed: Server) -> None:
    page = httpx2.get(installed.url + "/", timeout=20)
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="\./([^"]+)"', page.text)
    assert {Path(one).suffix for one in loaded} >= {".js", ".css"}
    for one in loaded:
        answer = httpx2.get(f"{installed.url}/{one}", timeout=20)
        assert answer.status_code == 200, one
        assert answer.content == (ROOT / "web" / "dist" / one).read_bytes()


def test_the_installed_server_is_managed_by_the_keys_it_made(installed: Server) -> None:
    room = installed.room("standup")  # signed with what `palaver keys` of the wheel printed
    assert installed.rest("GET", f"/v1/rooms/{room}").json()["name"] == "standup"
    assert str(ROOT) not in installed.log()


def test_the_installed_client_manages_a_server_without_its_libraries(
    wheels: Wheels, away: Path, installed: Server, tmp_path: Path
) -> None:
    light = tmp_path / "light"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", light], check=True, timeout=60)
    install(away / "venv", light, wheels.client)
    done = subprocess.run(
        [light / "bin" / "python", "-c", RUNNING, installed.url, installed.service, installed.key],
        cwd=tmp_path,
        env=reached_from(light),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "by the client []\n"), done.stderr
