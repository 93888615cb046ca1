"""A whole server, both clients of it as each service, and somebody in a room who publishes."""

from __future__ import annotations

import contextlib
import inspect
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from palaver.client import AsyncPalaver, Palaver
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.servers import COMMAND, Server, start_server
from tests.wire_client import WireClient

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = (
    ROOT / "node_modules/socket.io-client-3/dist/socket.io.min.js",
    ROOT / "tests/browser/bare_client.js",
)
PUBLISH = """async (token) => {
    window.me = new BareClient();
    await me.join(token);
    return (await me.publish(await camera(), {})).id;
}"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_server(tmp_path_factory.mktemp("palaver")) as running:
        yield running


@pytest.fixture(scope="session")
def super_account(server: Server) -> tuple[str, str]:
    """Id and key of the super service."""
    command = [str(COMMAND), "keys", "--json", "--data-dir", str(server.data_dir)]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)
    return shown["super"]["id"], shown["super"]["key"]


@dataclass(frozen=True)
class Kind:
    """One of the two clients, and how its answers are waited for."""

    make: Callable[..., Any]

    @contextlib.asynccontextmanager
    async def client(self, *account: str, **options: Any) -> AsyncIterator[Any]:
        made = self.make(*account, **options)
        try:
            yield made
        finally:
            await ask(made.close())


async def ask(answer: Any) -> Any:
    """What a client answers: at once, or to await."""
    return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture(params=[Palaver, AsyncPalaver], ids=["blocking", "async"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)


@pytest.fixture
async def api(kind: Kind, server: Server) -> AsyncIterator[Any]:
    """A client as the sample service."""
    async with kind.client(server.url, server.service, server.key) as client:
        yield client


@pytest.fixture
async def root(kind: Kind, server: Server, super_account: tuple[str, str]) -> AsyncIterator[Any]:
    """A client as the super service."""
    async with kind.client(server.url, *super_account) as client:
        yield client


Join = Callable[[str, str], AbstractAsyncContextManager[WireClient]]


@pytest.fixture
def joined(server: Server) -> Join:
    """Enters somebody into a room, without media."""

    @contextlib.asynccontextmanager
    async def join(room: str, user: str) -> AsyncIterator[WireClient]:
        client = WireClient(server.url)
        await client.open()
        try:
            await client.login(server.token(room, user))
            yield client
        finally:
            await client.close()

    return join


Publish = Callable[[str], AbstractAsyncContextManager[str]]


@pytest.fixture
def publishing(server: Server) -> Publish:
    """Lets a browser publish its camera in a room; the stream's id."""

    @contextlib.asynccontextmanager
    async def publish(room: str) -> AsyncIterator[str]:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            context = await browser.new_context(permissions=["camera", "microphone"])
            scripts = "".join(f"<script>{file.read_text()}</script>" for file in SCRIPTS)
            body = f"<!doctype html><meta charset=utf-8>{scripts}"
            await context.route(
                "**/bare", lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8")
            )
            page = await context.new_page()
            await page.goto(server.url + "/bare")
            yield await page.evaluate(PUBLISH, server.token(room, "camera"))
            await browser.close()

    return publish
