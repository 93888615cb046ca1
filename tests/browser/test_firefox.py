"""A real Firefox: the page, the portal, WHIP and WHEP, simulcast, the mixed view, an ICE restart.

Firefox does not use loopback for media: it and the server live in a network namespace of the test's own.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser.firefox import FIREFOX, Firefox, Tab, firefox
from tests.browser.namespace import Namespace, namespace
from tests.browser.test_page import HOOK
from tests.servers import Server, start_server

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(FIREFOX is None, reason="Firefox is not installed (make test installs it)"),
    pytest.mark.asyncio(loop_scope="module"),
]

HERE = Path(__file__).parent
SOCKET_IO = HERE.parent.parent / "node_modules/socket.io-client-3/dist/socket.io.min.js"
SCRIPTS = (SOCKET_IO, HERE / "bare_client.js", HERE / "whip_client.js")
JOIN = "async (token) => { window.me = new BareClient(); return await me.join(token) }"
DECODES = "async (mid, more) => ((await me.received())[mid]?.frames ?? 0) >= more"
HEARS = "async (mid) => ((await me.received())[mid]?.energy ?? 0) > 0.0001"
SEES_AND_HEARS = """async () => {
  const all = await inbound()
  return all.some((s) => s.kind === 'video' && s.frames > 20) && all.some((s) => s.kind === 'audio' && s.energy > 0)
}"""
LAYERS = [
    {"rid": rid, "scaleResolutionDownBy": scale, "maxBitrate": bps}
    for rid, scale, bps in (("q", 4, 150_000), ("h", 2, 500_000), ("f", 1, 1_500_000))
]
SMALL = {"resolution": {"width": 320, "height": 180}, "framerate": 15}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        scripts = "".join(f"<script>{path.read_text()}</script>" for path in SCRIPTS)
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(f"<!doctype html><meta charset=utf-8>{scripts}<body>".encode())

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002  # the base class calls it so
        """Say nothing."""


@pytest.fixture(scope="module")
def place() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


@pytest.fixture(scope="module")
def server(place: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("palaver")
    with start_server(directory, "--plain-http", "--demo", host=place.inside, within=place.prefix) as running:
        yield running


@pytest.fixture(scope="module")
def elsewhere(place: Namespace) -> Iterator[str]:
    """The address of a page with the clients that are written from the documents."""
    server = ThreadingHTTPServer((place.outside, 0), _Page)
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    yield f"http://{place.outside}:{server.server_port}/"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(place: Namespace, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firefox]:
    async with firefox(tmp_path_factory.mktemp("firefox"), place) as running:
        yield running


async def bare(browser: Firefox, elsewhere: str) -> Tab:
    tab = await browser.tab()
    await tab.goto(elsewhere)
    return tab


async def member(browser: Firefox, elsewhere: str, server: Server, room: str, name: str) -> Tab:
    tab = await bare(browser, elsewhere)
    await tab.evaluate(JOIN, server.token(room, name))
    return tab


async def subscribed(tab: Tab, stream: str) -> None:
    """The tab subscribes, and sees and hears."""
    audio, video = await tab.evaluate("async (from) => (await me.subscribe(from)).mids", stream)
    await tab.until(DECODES, video, 20)
    await tab.until(HEARS, audio)


@pytest.mark.parametrize("codec", ["vp8", "vp9", "av1"])
async def test_firefox_publishes_and_another_sees_and_hears(
    browser: Firefox, elsewhere: str, server: Server, codec: str
) -> None:
    formats = [{"codec": one} for one in ("vp8", "vp9", "av1")]
    opus = {"codec": "opus", "sampleRate": 48000, "channelNum": 2}
    room = server.room(f"firefox {codec}", mediaIn={"audio": [opus], "video": formats})
    ann = await member(browser, elsewhere, server, room, "ann")
    bob = await member(browser, elsewhere, server, room, "bob")
    published = await ann.evaluate("async (codec) => await me.publish(await camera(), { codec })", codec)
    stream = server.rest("GET", f"/v1.1/rooms/{room}/streams/{published['id']}").json()
    assert stream["media"]["video"]["original"][0]["format"]["codec"] == codec
    await subscribed(bob, published["id"])


async def test_firefox_s_layers_arrive_and_each_can_be_had(
    browser: Firefox, elsewhere: str, server: Server
) -> None:
    room = server.room("firefox layers")
    ann = await member(browser, elsewhere, server, room, "ann")
    bob = await member(browser, elsewhere, server, room, "bob")
    published = await ann.evaluate(
        "async (encodings) => await me.publish(await camera(640, 480), { codec: 'vp8', encodings })", LAYERS
    )
    stream = server.rest("GET", f"/v1.1/rooms/{room}/streams/{published['id']}").json()
    assert {one["simulcastRid"] for one in stream["media"]["video"]["original"]} == {"q", "h", "f"}
    _, video = await bob.evaluate("async (from) => (await me.subscribe(from)).mids", published["id"])
    await bob.until(DECODES, video, 20)


async def test_firefox_is_in_the_mixed_view_and_watches_it(
    browser: Firefox, elsewhere: str, server: Server
) -> None:
    views = [{"label": "common", "video": {"parameters": SMALL}}]
    room = server.room("firefox mixed", views=views)
    ann = await member(browser, elsewhere, server, room, "ann")
    bob = await member(browser, elsewhere, server, room, "bob")
    published = await ann.evaluate("async () => await me.publish(await camera())")
    path = f"/v1/rooms/{room}/streams/{published['id']}"
    mix = [{"op": "add", "path": "/info/inViews", "value": "common"}]
    assert server.rest("PATCH", path, mix).status_code == 200
    await subscribed(bob, f"{room}-common")


async def test_firefox_publishes_by_whip_and_plays_by_whep_through_ice_restarts(
    browser: Firefox, elsewhere: str, server: Server
) -> None:
    room = server.room("firefox whip")
    ticket = server.token(room, "firefox", reusable=True)
    tab = await bare(browser, elsewhere)
    await tab.evaluate(
        "async (url, token) => { window.publisher = new Client(url, token); await publisher.publish() }",
        f"{server.url}/whip/{room}/cam", ticket,
    )  # fmt: skip
    await tab.until("() => publisher.connection.connectionState === 'connected'")
    await tab.evaluate(
        "async (url, token) => { window.player = new Client(url, token); await player.play() }",
        f"{server.url}/whep/{room}/cam", ticket,
    )  # fmt: skip
    await tab.until("async (more) => (await player.decoded()) >= more", 20)
    for client in ("publisher", "player"):
        before = await tab.evaluate(f"() => {client}.ufrags()")
        assert await tab.evaluate(f"async () => await {client}.restart()") == 200
        after = await tab.evaluate(f"() => {client}.ufrags()")
        assert before[0] != after[0]
        assert before[1] != after[1]
        more = await tab.evaluate("async () => await player.decoded()") + 20
        await tab.until("async (more) => (await player.decoded()) >= more", more)
    assert await tab.evaluate("async () => await publisher.end()") == 200


ENTER = """(name) => {
  const field = document.querySelector('[data-testid=lobby-name]')
  field.value = name
  field.dispatchEvent(new Event('input', { bubbles: true }))
  document.querySelector('[data-testid=lobby-join]').click()
}"""


async def test_two_people_meet_on_the_page_in_firefox(browser: Firefox, server: Server) -> None:
    tabs = []
    await browser.call("script.addPreloadScript", functionDeclaration=f"() => {{ {HOOK} }}")
    for name in ("Ann", "Bob"):
        tab = await browser.tab()
        await tab.goto(f"{server.url}/?room=firefox")
        await tab.until("() => !!document.querySelector('[data-testid=lobby-join]:not([disabled])')")
        await tab.evaluate(ENTER, name)
        await tab.until("() => !!document.querySelector('[data-testid=tile]')")
        tabs.append(tab)
    for tab in tabs:
        await tab.until(SEES_AND_HEARS)
