"""Clients that waste the server's time, beside people who talk."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
import pytest_asyncio

from palaver.client.signing import Signer
from tests.servers import Server, start_server
from tests.wire_client import WireClient

IDLE = 5000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALAVER_HTTP_HEADER_TIMEOUT_S", "2")
        patch.setenv("PALAVER_HTTP_MAX_HEADER_BYTES", "8192")
        patch.setenv("PALAVER_HTTP_MAX_CONNECTIONS_PER_SOURCE", str(2 * IDLE))
        with start_server(tmp_path_factory.mktemp("palaver")) as running:
            yield running


@pytest_asyncio.fixture
async def call(server: Server) -> AsyncIterator[tuple[WireClient, list[str]]]:
    """Two people in a room; one sends, what the other hears is listed."""
    room = server.room("a call")
    heard: list[str] = []
    ann = WireClient(server.url)
    bob = WireClient(
        server.url, lambda _, event, data: heard.append(data["message"]) if event == "text" else None
    )
    for client in (ann, bob):
        await client.open()
        await client.login(server.token(room, "somebody"))
    yield ann, heard
    await ann.close()
    await bob.close()


async def talk(call: tuple[WireClient, list[str]], word: str) -> None:
    """A word of one reaches the other."""
    ann, heard = call
    await ann.request("text", {"to": "all", "message": word})
    await ann.request(
        "text", {"to": "all", "message": word + " again"}
    )  # its answer comes after the first was told
    assert word in heard


def connection(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), 5)


async def test_a_header_that_drips_is_cut_off(server: Server, call: tuple[WireClient, list[str]]) -> None:
    before = server.metric("http_headers_timed_out_total")
    with connection(server) as slow:
        slow.sendall(b"GET /v1/rooms HTTP/1.1\r\nHost: x\r\n")
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < 10:
                slow.sendall(b"X-Drip: 1\r\n")
                slow.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    if not slow.recv(100):
                        break
        assert time.monotonic() - started < 8
    assert server.metric("http_headers_timed_out_total") == before + 1
    await talk(call, "slow")


async def test_a_connection_that_says_nothing_is_cut_off(server: Server) -> None:
    with connection(server) as silent:
        silent.settimeout(8)
        with contextlib.suppress(ConnectionError):
            assert silent.recv(1) == b""


async def test_a_header_that_is_too_long_is_refused(server: Server) -> None:
    answer = httpx2.get(server.url + "/healthz", headers={"x-long": "y" * 9000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (431, 1301)
    assert "8192" in answer.json()["error"]["message"]


async def test_what_is_no_http_is_answered_and_closed(server: Server) -> None:
    with connection(server) as odd:
        odd.sendall(b"\x16\x03\x01 hello?\r\n\r\n")
        odd.settimeout(5)
        assert odd.recv(1000).startswith(b"HTTP/1.1 400")


async def test_a_body_of_ten_megabytes_is_413(server: Server, call: tuple[WireClient, list[str]]) -> None:
    headers = Signer(server.service, server.key).headers()
    with contextlib.suppress(httpx2.WriteError):  # the server may close while we still send
        answer = httpx2.post(server.url + "/v1/rooms", content=b" " * 10_000_000, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, 1301)
    await talk(call, "big")


@pytest.mark.timeout(120)
async def test_thousands_of_idle_sockets_change_nothing_for_a_call(
    server: Server, call: tuple[WireClient, list[str]]
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < IDLE + 500:
        pytest.skip(f"this system allows {most} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        for number in range(IDLE):
            stack.enter_context(connection(server))
            if number % 1000 == 0:
                await talk(call, f"with {number}")
        await talk(call, "with all")
        assert server.rest("GET", "/v1/rooms").status_code == 200
    await talk(call, "without them")
