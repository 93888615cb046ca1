"""What one connection, and one source of many, may cost: bytes before they are parsed, and time in every state."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.servers import Server, start_server
from tests.wire_client import WireClient

PATIENCE_S = 25
"""How long a test waits for what takes the server two or three seconds."""
PER_SOURCE = 40
ROOMS = 10
HEADER, EARLY = 8192, 16384
MANY = 800_000
"""Bytes that cannot all arrive in one piece."""
HOST = b"Host: x\r\n"
COMPLETE = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "HTTP_HEADER_TIMEOUT_S": 2,
            "HTTP_BODY_TIMEOUT_S": 1,
            "HTTP_WRITE_TIMEOUT_S": 2,
            "HTTP_KEEP_ALIVE_S": 3,
            "HTTP_MAX_HEADER_BYTES": HEADER,
            "HTTP_MAX_CONNECTIONS_PER_SOURCE": PER_SOURCE,
            "PAGE_MAX_ROOMS": ROOMS,
            "PORTAL_PING_INTERVAL_S": 1,
            "PORTAL_PING_TIMEOUT_S": 2,
            "PORTAL_MAX_EARLY_BYTES": EARLY,
            "PORTAL_MAX_EARLY_SESSIONS_PER_SOURCE": PER_SOURCE // 2,
        }.items():
            patch.setenv(f"PALAVER_{name}", str(value))
        with start_server(tmp_path_factory.mktemp("palaver")) as running:
            yield running


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALAVER_HTTP_HEADER_TIMEOUT_S", "2")
        patch.setenv("PALAVER_HTTP_BODY_TIMEOUT_S", "1")
        directory = tmp_path_factory.mktemp("palaver")
        with start_server(directory, "--host", "0.0.0.0", scheme="https") as running:
            yield running


def connection(server: Server, source: str = "127.0.0.1") -> socket.socket:
    port = int(server.url.rsplit(":", 1)[1])
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S, (source, 0))


def rest_of(one: socket.socket) -> bytes:
    """Everything until the connection ends, which must be soon."""
    one.settimeout(PATIENCE_S)
    heard = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while some := one.recv(65536):
            heard += some
    return heard


def grows(server: Server, metric: str, before: float) -> None:
    end = time.monotonic() + PATIENCE_S
    while server.metric(metric) <= before:
        assert time.monotonic() < end, f"{metric} stays at {before}"


@pytest.mark.parametrize(
    ("parts", "metric"),
    [
        ([b"GET / HTTP/1.1\r\n" + HOST + b"X: ", b"y" * HEADER * 4], "headers_oversized"),
        ([b"GET /", b"y" * HEADER * 4], "headers_oversized"),
        ([b"GET / HTTP/1.1\r\n", b"a: b\r\n" * HEADER], "headers_oversized"),
        ([CHUNKED + b"0\r\nX-Trailer: y\r\n\r\n"], "malformed"),
        ([CHUNKED + b"0\r\nX-Trailer: ", b"y" * MANY], "bodies_oversized"),
        ([CHUNKED + b"1;", b"y" * MANY], "bodies_oversized"),
    ],
    ids=["header", "url", "headers", "trailer", "endless trailer", "chunk extension"],
)
def test_what_surrounds_a_request_is_bounded_while_it_arrives(
    server: Server, parts: list[bytes], metric: str
) -> None:
    before = server.metric(f"http_{metric}_total")
    with connection(server) as one:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                for at in range(0, len(part), 1000):  # as a slow network would deliver it
                    one.sendall(part[at : at + 1000])
        assert rest_of(one)[:10] in (b"", b"HTTP/1.1 4")  # an answer is lost where the connection is reset
    assert server.metric(f"http_{metric}_total") == before + 1


def test_a_body_that_is_too_long_on_the_wire_ends(server: Server) -> None:
    before = server.metric("http_bodies_oversized_total")
    with connection(server) as one:
        one.sendall(b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: 900000000\r\n\r\n")
        with pytest.raises(ConnectionError):
            one.sendall(b"y" * 20_000_000)
    assert server.metric("http_bodies_oversized_total") > before


def unfinished(path: bytes) -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n"


HELD = {
    "a body of a join": (unfinished(b"/demo/join"), b""),
    "a body of a join, dripping": (unfinished(b"/demo/join"), b"y"),
    "a body of the portal": (unfinished(b"/socket.io/?EIO=4&transport=polling&sid=x"), b""),
    "a body that was answered": (unfinished(b"/nowhere"), b""),
    "a body that was answered, dripping": (unfinished(b"/nowhere"), b"y"),
    "a header": (b"GET / HTTP/1.1\r\n", b""),
    "a header, dripping": (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
    "nothing": (b"", b""),
    "blank lines": (b"", b"\r\n"),
    "nothing after a request": (COMPLETE, b""),
    "blank lines after a request": (COMPLETE, b"\r\n"),
    "a method after a request": (COMPLETE, b"G"),
}


def all_end(held: dict[str, socket.socket]) -> None:
    """Drip into each, as HELD says, until the server has closed it."""
    end = time.monotonic() + PATIENCE_S
    while held:
        assert time.monotonic() < end, f"still open: {list(held)}"
        for name, one in list(held.items()):
            one.settimeout(0.02)
            try:
                one.sendall(HELD[name][1])
                if not one.recv(65536):
                    del held[name]
            except TimeoutError:
                continue
            except OSError:
                del held[name]


def test_nothing_holds_a_connection(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        held = {name: stack.enter_context(connection(server)) for name in HELD}
        for name, one in held.items():
            one.sendall(HELD[name][0])
        all_end(held)


def test_nothing_holds_a_connection_over_tls(tls_server: Server) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(connection(tls_server))
        held: dict[str, socket.socket] = {}
        for name in (
            "a body of a join",
            "a body that was answered, dripping",
            "a header, dripping",
            "nothing",
        ):
            held[name] = stack.enter_context(context.wrap_socket(connection(tls_server)))
            held[name].sendall(HELD[name][0])
        all_end(held)
        assert rest_of(silent) == b""
    answer = httpx2.get(tls_server.url + "/metrics", verify=False, timeout=10).text
    failed = next(
        line for line in answer.splitlines() if line.startswith("palaver_http_handshakes_failed_total ")
    )
    assert float(failed.split()[1]) == 1


@pytest.mark.parametrize("count", [1, 400], ids=["one answer", "many answers"])
def test_a_client_that_never_reads_is_cut_off(server: Server, count: int) -> None:
    before = server.metric("http_readers_timed_out_total")
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.settimeout(PATIENCE_S)
        deaf.connect(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
        deaf.sendall((b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * count)
        if count > 1:
            grows(server, "http_readers_timed_out_total", before)
        else:  # what the kernel takes is not waited for
            end = time.monotonic() + PATIENCE_S
            while server.metric("http_connections") > 1:
                assert time.monotonic() < end


def test_a_websocket_that_pings_and_never_reads_costs_no_memory(server: Server) -> None:
    before, memory = server.metric("http_readers_timed_out_total"), server.metric("process_resident_bytes")
    upgrade = (
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    peak, ping = memory, b"\x89\xfd\0\0\0\0" + b"p" * 125
    with connection(server) as deaf:
        deaf.sendall(upgrade)
        assert deaf.recv(12) == b"HTTP/1.1 101"
        deaf.settimeout(1)
        with contextlib.suppress(ConnectionError):
            while server.metric("http_readers_timed_out_total") == before:
                with contextlib.suppress(TimeoutError):
                    deaf.sendall(ping * 8000)
                peak = max(peak, server.metric("process_resident_bytes"))
    grows(server, "http_readers_timed_out_total", before)
    assert peak - memory < 5 << 20


def test_one_source_leaves_room_for_others(server: Server) -> None:
    refused = server.metric("http_source_refused_total")
    with contextlib.ExitStack() as stack:
        for _ in range(PER_SOURCE):
            stack.enter_context(connection(server, "127.0.0.2"))
        extra = stack.enter_context(connection(server, "127.0.0.2"))
        assert rest_of(extra) == b""
        assert httpx2.get(server.url + "/healthz", timeout=10).status_code == 200
    assert server.metric("http_source_refused_total") > refused
    for _ in range(3):  # closed ones are given back
        with connection(server, "127.0.0.2") as again:
            again.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
            assert again.recv(100).startswith(b"HTTP/1.1 200")


def test_sessions_without_a_login_are_bounded_per_source_and_given_back(server: Server) -> None:
    hello = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"

    def begin(source: str) -> bytes:
        with connection(server, source) as one:
            one.sendall(hello)
            return rest_of(one)[:12]

    heard = [begin("127.0.0.3") for _ in range(PER_SOURCE // 2 + 1)]
    assert heard[0] == b"HTTP/1.1 200"
    assert heard[-1] == b"HTTP/1.1 503"
    assert begin("127.0.0.4") == b"HTTP/1.1 200"
    end = time.monotonic() + PATIENCE_S
    while server.metric("portal_sessions_early") > 0:  # nobody polls them
        assert time.monotonic() < end


def test_behind_a_proxy_the_source_is_who_it_names(server: Server) -> None:
    def begin(address: str) -> int:
        url = server.url + "/socket.io/?EIO=4&transport=polling"
        return httpx2.get(url, headers={"x-forwarded-for": address}, timeout=10).status_code

    heard = [begin(f"2001:db8::{number}") for number in range(PER_SOURCE // 2 + 1)]
    assert (heard[0], heard[-1]) == (200, 503)
    assert begin("2001:db8:1::1") == 200


async def test_messages_are_small_before_the_login_and_large_after_it(server: Server) -> None:
    room = server.room("frames")
    before = server.metric("http_frames_oversized_total")
    url = server.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    async with asyncio.timeout(PATIENCE_S), connect(url, compression=None) as early:
        await early.recv()
        with contextlib.suppress(ConnectionClosed):
            await early.send(["4", *["x" * EARLY] * 200])  # a message in fragments, each of them small
        with pytest.raises(ConnectionClosed):
            await early.recv()
    assert server.metric("http_frames_oversized_total") == before + 1
    member = WireClient(server.url)
    await member.open()
    await member.login(server.token(room, "somebody"))
    with pytest.raises(RuntimeError, match="text: "):
        await member.request("text", {"to": "all", "message": "x" * EARLY * 4})
    await member.close()


def test_a_body_before_the_login_is_small(server: Server) -> None:
    with httpx2.Client(base_url=server.url, timeout=10) as http:
        opened = http.get("/socket.io/?EIO=4&transport=polling").text
        sid = opened.split('"sid":"')[1].split('"')[0]
        answer = http.post(f"/socket.io/?EIO=4&transport=polling&sid={sid}", content="4" + "x" * EARLY)
    assert answer.status_code == 413


def test_a_name_that_is_not_ours_cannot_join_people(server: Server) -> None:
    wanted = {"room": "a room", "user": "ann"}
    refused = httpx2.post(
        server.url + "/demo/join", json=wanted, headers={"host": "evil.example"}, timeout=10
    )
    assert refused.status_code == 403
    assert "page.names" in refused.json()["error"]["message"]
    assert httpx2.post(server.url + "/demo/join", json=wanted, timeout=10).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"GET /socket.io/ HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=["garbage", "a bad URL", "another protocol", "half an upgrade"],
)
def test_strangers_do_not_fill_the_log(server: Server, sent: bytes) -> None:
    before = server.log()
    with connection(server) as one:
        one.sendall(sent)
        assert rest_of(one).startswith(b"HTTP/1.1 ")
    assert server.log() == before


def test_people_at_the_page_make_so_many_rooms(server: Server) -> None:
    def join(room: str) -> int:
        wanted = {"room": room, "user": "ann"}
        return httpx2.post(server.url + "/demo/join", json=wanted, timeout=10).status_code

    assert join("the first") == 200
    answers = [join(f"room {number}") for number in range(ROOMS)]
    assert answers[-1] == 429
    assert join("the first") == 200
