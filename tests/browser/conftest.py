"""A real server and Debian's Chromium, one of each for the whole session; a fresh browser context per test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.servers import Server, start_server

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
CHROMIUM = "/usr/bin/chromium"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_server(tmp_path_factory.mktemp("palaver")) as running:
        yield running


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def context(browser: Browser, server: Server) -> BrowserContext:
    return await browser.new_context(permissions=["camera", "microphone"], base_url=server.url)


async def bare_pages(context: BrowserContext) -> Callable[[], Awaitable[Page]]:
    """Make pages with the bare Socket.IO client in them, on the server's own origin."""
    socketio = (ROOT / "node_modules/socket.io-client-3/dist/socket.io.min.js").read_text()
    client = (HERE / "bare_client.js").read_text()
    body = f"<!doctype html><meta charset=utf-8><script>{socketio}</script><script>{client}</script><body>"
    await context.route(
        "**/bare", lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8")
    )

    async def page() -> Page:
        made = await context.new_page()
        await made.goto("/bare")
        return made

    return page


@pytest_asyncio.fixture
async def bare(context: BrowserContext) -> Callable[[], Awaitable[Page]]:
    return await bare_pages(context)


def palaver(server: Server, *args: str) -> Any:
    """What ``palaver … --json`` prints, against the running server's data."""
    done = subprocess.run(
        [str(ROOT / ".venv/bin/palaver"), *args, "--data-dir", str(server.data_dir)],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return json.loads(done.stdout)
