"""Debian's Firefox in a namespace of its own, driven by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.browser.namespace import Namespace

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PORT = 9222
START_S = 60
PREFERENCES: dict[str, bool | int | str] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    # The server of these tests speaks plain HTTP; a camera is given to such pages only for tests.
    "media.devices.insecure.enabled": True,
    "media.getusermedia.insecure.enabled": True,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


class Tab:
    """A page. What is evaluated in it may be async, takes and gives what JSON can carry."""

    def __init__(self, browser: Firefox, context: str) -> None:
        self._browser, self._context = browser, context

    async def goto(self, url: str) -> None:
        """Open an address and wait until its page is loaded."""
        await self._browser.call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        """What a JavaScript function returns; raises AssertionError with what it threw."""
        call = f"({function})(...{json.dumps(arguments)})"
        done = await self._browser.call(
            "script.callFunction",
            functionDeclaration=f"async () => JSON.stringify((await {call}) ?? null)",
            awaitPromise=True,
            target={"context": self._context},
        )
        assert done["type"] == "success", done["exceptionDetails"]["text"]
        return json.loads(done["result"]["value"])

    async def until(self, function: str, *arguments: Any, timeout_s: float = 30) -> None:
        """Wait until a JavaScript function returns something true."""
        async with asyncio.timeout(timeout_s):
            while not await self.evaluate(function, *arguments):  # noqa: ASYNC110  # the page tells nobody
                await asyncio.sleep(0.1)

    async def screenshot(self) -> str:
        """A PNG of what is seen, in base64."""
        shot = await self._browser.call("browsingContext.captureScreenshot", context=self._context)
        return str(shot["data"])


class Firefox:
    """One running browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def call(self, method: str, **parameters: Any) -> Any:
        """One BiDi command; raises AssertionError if it is refused."""
        number = next(self._numbers)
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(60):
            answer = await answered
        assert answer["type"] == "success", f"{method}: {answer}"
        return answer["result"]

    async def listen(self) -> None:
        """Take answers until the browser ends."""
        async for message in self._socket:
            answer = json.loads(message)
            waiting = self._waiting.pop(answer.get("id") or 0, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    async def tab(self) -> Tab:
        """Another page."""
        made = await self.call("browsingContext.create", type="tab")
        return Tab(self, made["context"])


def _line(name: str, value: bool | int | str) -> str:
    return f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"


@contextlib.asynccontextmanager
async def firefox(directory: Path, within: Namespace) -> AsyncIterator[Firefox]:
    """Start the browser with an empty profile in ``directory``; it is gone at the end."""
    assert FIREFOX is not None, "Firefox is not installed"
    profile = directory / "profile"
    profile.mkdir()
    (profile / "user.js").write_text("".join(_line(*one) for one in PREFERENCES.items()))
    with (directory / "firefox.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220  # it takes no longer than a fork
            [*within.prefix, FIREFOX, "--headless", "--no-remote", "--profile", str(profile),
             "--remote-debugging-port", str(PORT), "about:blank"],
            stdout=log, stderr=subprocess.STDOUT, env=_environment(directory),
        )  # fmt: skip
    try:
        socket = await _reach(process, within)
        async with (
            connect(f"ws://127.0.0.1:{PORT}/session", sock=socket, max_size=None) as connection,
            asyncio.TaskGroup() as tasks,
        ):
            browser = Firefox(connection)
            listening = tasks.create_task(browser.listen())
            await browser.call("session.new", capabilities={})
            yield browser
            listening.cancel()
    finally:
        process.kill()
        process.wait(20)


def _environment(directory: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(directory), "MOZ_CRASHREPORTER_DISABLE": "1"}


async def _reach(process: subprocess.Popen[bytes], within: Namespace) -> Any:
    async with asyncio.timeout(START_S):
        while True:
            assert process.poll() is None, "Firefox ended at once"
            with contextlib.suppress(OSError):
                socket = await asyncio.to_thread(within.connect, "127.0.0.1", PORT)
                socket.setblocking(False)
                return socket
            await asyncio.sleep(0.1)
