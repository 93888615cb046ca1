"""Behind a proxy that ends TLS: what the server hands out leads back through the proxy."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from palaver.client import Palaver
from tests.net.proxies import proxy
from tests.net.whip_peer import publishing
from tests.servers import Server, start_server


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALAVER_HTTP_BASE_PATH", "/rtc")
        with start_server(tmp_path_factory.mktemp("palaver")) as running:
            yield running


@pytest.mark.parametrize("strips", [True, False], ids=["taken-off", "left"])
@pytest.mark.parametrize("kind", ["nginx", "caddy"])
async def test_rest_tokens_and_whip_work_through_a_proxy_below_a_path(
    behind: Server, tmp_path: Path, kind: str, strips: bool
) -> None:
    upstream = urlsplit(behind.url).port
    assert upstream is not None
    with proxy(kind, tmp_path, upstream, "/rtc", strips=strips) as url:
        with Palaver(url, behind.service, behind.key, verify=False) as api:
            room = api.rooms.create(f"{kind} {strips}").id
            token = api.tokens.create(room, "ann", "presenter")
        inside = json.loads(base64.b64decode(token))
        assert inside["host"] == urlsplit(url).netloc
        assert (inside["secure"], inside["path"]) == (True, "/rtc")
        assert "/rtc/openapi.json" in httpx2.get(f"{url}/docs", verify=False).text
        assert httpx2.get(url, verify=False, follow_redirects=True).url == f"{url}/"
        async with publishing(url, f"/whip/{room}/cam", token) as session:
            assert session.startswith(f"{url}/whip/{room}/sessions/")
            await asyncio.to_thread(_is_there, behind, f"/v1/rooms/{room}/streams/cam")
        assert behind.rest("GET", f"/v1/rooms/{room}/participants").json() == []


def _is_there(server: Server, path: str) -> None:
    deadline = time.monotonic() + 30
    while server.rest("GET", path).status_code != 200:
        assert time.monotonic() < deadline, f"{path} is not there within 30 s"
        time.sleep(0.05)


def test_strangers_cannot_pretend_to_be_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALAVER_HTTP_TRUSTED_PROXIES", "192.0.2.1")
    with start_server(tmp_path) as server:
        answer = httpx2.post(
            f"{server.url}/demo/join",
            json={"room": "x", "user": "y"},
            headers={"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"},
        )
        inside = json.loads(base64.b64decode(answer.json()["token"]))
        assert (inside["host"], inside["secure"]) == (urlsplit(server.url).netloc, False)


def test_joining_by_name_is_for_this_machine_also_behind_a_proxy(server: Server) -> None:
    elsewhere = {"x-forwarded-for": "192.0.2.9"}
    asked = {"room": "x", "user": "y"}
    assert httpx2.get(f"{server.url}/demo/config", headers=elsewhere).json()["demo"] is False
    assert httpx2.post(f"{server.url}/demo/join", json=asked, headers=elsewhere).status_code == 403
    assert httpx2.post(f"{server.url}/demo/join", json=asked).status_code == 200


def test_a_proxy_that_is_no_address_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALAVER_HTTP_TRUSTED_PROXIES", "proxy.example")
    with (
        pytest.raises(AssertionError, match=r"http\.trusted_proxies: 'proxy\.example'"),
        start_server(tmp_path),
    ):
        pass
