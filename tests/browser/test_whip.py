"""WHIP and WHEP from a page of another origin: fetch, trickling, an ICE restart, pictures all along."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.servers import Server, until

PAGE = f"<!doctype html><meta charset=utf-8><script>{(Path(__file__).parent / 'whip_client.js').read_text()}</script>"
PLAYS = "async (more) => (await player.decoded()) >= more"


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002  # the base class calls it so
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Where another server has a page: CORS matters there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere)
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest_asyncio.fixture
async def page(browser: Browser, elsewhere: str) -> Page:
    made = await (await browser.new_context(permissions=["camera", "microphone"])).new_page()
    await made.goto(elsewhere)
    return made


async def test_a_page_publishes_and_plays(page: Page, server: Server) -> None:
    room = server.room("whip")
    ticket = server.token(room, "page", reusable=True)
    await page.evaluate(
        "async ([url, token]) => { window.publisher = new Client(url, token); await publisher.publish() }",
        [f"{server.url}/whip/{room}/cam", ticket],
    )
    await until(page, "() => publisher.connection.connectionState === 'connected'")
    await page.evaluate(
        "async ([url, token]) => { window.player = new Client(url, token); await player.play() }",
        [f"{server.url}/whep/{room}/cam", ticket],
    )
    await until(page, PLAYS, 30)

    for client in ("publisher", "player"):
        trickled: dict[str, Any] = await page.evaluate(f"async () => await {client}.trickled")
        assert set(trickled["statuses"]) <= {204}
        before = await page.evaluate(f"() => {client}.ufrags()")
        assert await page.evaluate(f"async () => await {client}.restart()") == 200
        after = await page.evaluate(f"() => {client}.ufrags()")
        assert before[0] != after[0]
        assert before[1] != after[1]
        await until(page, f"() => {client}.connection.iceConnectionState === 'connected'")
        more = await page.evaluate("async () => await player.decoded()") + 30
        await until(page, PLAYS, more)

    assert await page.evaluate("async () => await publisher.end()") == 200
    await until(
        page, "() => ['closed', 'failed', 'disconnected'].includes(player.connection.connectionState)"
    )
    assert await page.evaluate("async () => await player.end()") == 404
