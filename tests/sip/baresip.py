"""baresip as a phone: driven over its control socket, its sound a tone, what it hears in a file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.processes import ended
from tests.servers import free_port

CONFIGURATION = """poll_method epoll
sip_listen 127.0.0.1:{sip}
net_interface 127.0.0.1
call_local_timeout 60
call_max_calls 4
audio_player aubridge,{name}
audio_source ausine,{hertz}
audio_alert aubridge,{name}-alert
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 2
auplay_channels 2
audio_buffer 20-160
rtp_ports {rtp}-{last}
rtcp_mux no
jitter_buffer_type fixed
jitter_buffer_delay 1-3
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module opus.so
module ausine.so
module aubridge.so
module sndfile.so
snd_path {folder}
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


@dataclass
class Phone:
    """A running baresip."""

    folder: Path
    process: subprocess.Popen[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    told: list[dict[str, Any]] = field(default_factory=list)
    new: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Take what it tells, as netstrings of JSON."""
        while True:
            length = int((await self.reader.readuntil(b":"))[:-1])
            self.told.append(json.loads(await self.reader.readexactly(length)))
            await self.reader.readexactly(1)
            self.new.set()

    async def order(self, command: str, parameters: str = "") -> None:
        body = json.dumps({"command": command, "params": parameters, "token": "t"}).encode()
        self.writer.write(b"%d:%s," % (len(body), body))
        await self.writer.drain()

    async def event(self, kind: str) -> dict[str, Any]:
        """The first event of this kind that nobody took yet."""
        async with asyncio.timeout(40):
            while True:
                for one in self.told:
                    if one.get("event") and one.get("type") == kind:
                        self.told.remove(one)
                        return one
                self.new.clear()
                await self.new.wait()

    def heard(self) -> list[Path]:
        """Recordings of what it heard, the latest last."""
        return sorted(self.folder.glob("dump-*-dec.wav"), key=lambda one: one.stat().st_mtime)


@asynccontextmanager
async def phone(
    folder: Path,
    user: str,
    password: str,
    proxy: str,
    *,
    hertz: int = 440,
    codecs: str = "PCMU/8000/1",
    answers: str = "auto",
    transport: str = "udp",
) -> AsyncIterator[Phone]:
    """Run one, registered, until the end of the block."""
    process, control = _started(folder, user, password, proxy, hertz, codecs, answers, transport)
    try:
        reader, writer = await _connected(process, control, folder)
        running = Phone(folder, process, reader, writer)
        listening = asyncio.get_running_loop().create_task(running.listen())
        try:
            await asyncio.to_thread(_await_registered, folder)
            yield running
        finally:
            listening.cancel()
            writer.close()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await listening
    finally:
        ended(process)


def _started(
    folder: Path, user: str, password: str, proxy: str, hertz: int, codecs: str, answers: str, transport: str
) -> tuple[subprocess.Popen[bytes], int]:
    assert shutil.which("baresip"), "Debian's baresip-core is missing (make .cache/apt-test)"
    folder.mkdir(parents=True, exist_ok=True)
    rtp, control = free_port(run=8), free_port()
    (folder / "config").write_text(
        CONFIGURATION.format(
            sip=free_port(), hertz=hertz, rtp=rtp, last=rtp + 7, folder=folder, control=control, name=user
        )
    )
    (folder / "accounts").write_text(
        f"<sip:{user}@sip.test;transport={transport}>;auth_user={user};auth_pass={password};"
        f'outbound="sip:{proxy};transport={transport}";regint=120;answermode={answers};'
        f"audio_codecs={codecs};dtmfmode=rtpevent\n"
    )
    (folder / "contacts").write_text("")
    with (folder / "baresip.log").open("wb") as log:
        process = subprocess.Popen(
            ["baresip", "-f", str(folder)], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    return process, control


async def _connected(
    process: subprocess.Popen[bytes], port: int, folder: Path
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(30):
        while True:
            assert process.poll() is None, (folder / "baresip.log").read_text(errors="replace")
            with contextlib.suppress(ConnectionRefusedError):
                return await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.05)


def _await_registered(folder: Path) -> None:
    """It may have registered before anybody listened to it: its log tells."""
    deadline = time.monotonic() + 30
    while "200 OK" not in (folder / "baresip.log").read_text(errors="replace"):
        assert time.monotonic() < deadline, (folder / "baresip.log").read_text(errors="replace")
        time.sleep(0.05)  # a poll of another process
