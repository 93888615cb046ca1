"""Nothing secret is ever written down, and a refusal does not say why by what it contains."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from palaver.client.operations import signature
from palaver.client.signing import Signer
from tests.offers import offer
from tests.servers import COMMAND, Server, start_server
from tests.wire_client import USER_AGENT, WireClient


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALAVER_LOG_LEVEL", "debug")
        patch.setenv("PALAVER_HTTP_CORS_ORIGINS", "https://app.example")
        with start_server(tmp_path_factory.mktemp("palaver")) as running:
            yield running


def keys(server: Server) -> list[str]:
    """The keys of both services."""
    command = [str(COMMAND), "keys", "--json", "--data-dir", str(server.data_dir)]
    shown = subprocess.run(command, check=True, capture_output=True, timeout=30)
    return [account["key"] for account in json.loads(shown.stdout).values()]


async def test_no_secret_is_ever_in_the_log(server: Server) -> None:
    room = server.room(
        "whispers", sip={"sipServer": "sip.example", "username": "u", "password": "the sip password"}
    )
    token, used = server.token(room, "ann"), server.token(room, "bob")
    secrets = keys(server)
    secrets += list(json.loads((server.data_dir / "secrets.json").read_text()).values())
    secrets += [token, used, "the sip password"]
    header = Signer(server.service, server.key).headers()["authorization"]
    secrets.append(header.rsplit("=", 1)[0][-40:])
    for _ in range(2):  # the second is a replay
        httpx2.get(server.url + "/v1/rooms", headers={"authorization": header})
    client, late = WireClient(server.url), WireClient(server.url)
    await client.open()
    joined = await client.login(token)
    secrets.append(joined["reconnectionTicket"])
    made = await client.request(
        "publish",
        {
            "media": {"tracks": [{"type": "video", "mid": "0", "source": "camera"}]},
            "transport": {"type": "webrtc"},
        },
    )
    sdp = offer(("video", "0", "sendonly"))
    secrets.append("a=ice-pwd:0123456789abcdefghijklmn")
    await client.request("soac", {"id": made["transportId"], "signaling": {"type": "offer", "sdp": sdp}})
    secrets.append(await client.request("refreshReconnectionTicket"))
    await client.request("text", {"to": "all", "message": "a confidential remark"})
    secrets.append("a confidential remark")
    await late.open()
    for bad in (token, token[:-4] + "AAAA", "nonsense"):
        with pytest.raises(RuntimeError):
            await late.request("login", {"token": bad, "userAgent": {"sdk": {}}, "protocol": "1.2"})
        await late.close()
        late = WireClient(server.url)
        await late.open()
    with pytest.raises(RuntimeError):
        await late.request("login", {"token": token, "userAgent": USER_AGENT, "protocol": "1.2"})
    await client.close()
    await late.close()
    log = server.log()
    assert len(log) > 500
    assert [secret for secret in secrets if secret in log] == []


def refusals(server: Server) -> dict[str, httpx2.Response]:
    """A 401 for every cause."""
    used = Signer(server.service, server.key).headers()
    httpx2.get(server.url + "/v1/rooms", headers=used)
    good = used["authorization"]
    headers = {
        "no header": {},
        "another scheme": {"authorization": "Basic dTpw"},
        "unknown service": Signer("5f0000000000000000000000", server.key).headers(),
        "malformed service": Signer("x", server.key).headers(),
        "wrong key": Signer(server.service, "wrong").headers(),
        "stale": {"authorization": signature(server.service, server.key, 1_000_000, "n")},
        "replayed": used,
        "forged": {"authorization": good.replace("mauth_cnonce=", "mauth_cnonce=0")},
        "another method": {"authorization": good.replace("HMAC_SHA256", "HMAC_MD5")},
    }
    return {cause: httpx2.get(server.url + "/v1/rooms", headers=h) for cause, h in headers.items()}


def test_every_refused_signature_gets_the_same_answer(server: Server) -> None:
    answers = refusals(server)
    assert {answer.status_code for answer in answers.values()} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {'MAuth realm="palaver"'}
    assert len({answer.text for answer in answers.values()}) == 1
    assert answers["stale"].json()["error"]["code"] == 1101


def test_pages_of_other_origins_are_not_let_in(server: Server) -> None:
    def allowed(origin: str, path: str) -> str | None:
        answer = httpx2.get(server.url + path, headers={"origin": origin})
        return answer.headers.get("access-control-allow-origin")

    for path in ("/v1/rooms", "/socket.io/?EIO=4&transport=polling"):
        assert allowed("https://app.example", path) == "https://app.example"
        assert allowed("https://evil.example", path) is None
    refused = httpx2.get(
        server.url + "/socket.io/?EIO=4&transport=polling", headers={"origin": "https://evil.example"}
    )
    assert refused.status_code == 400
    foreign = {"origin": "https://evil.example"}
    joined = httpx2.post(server.url + "/demo/join", json={"room": "x", "user": "y"}, headers=foreign)
    assert joined.status_code == 403


def test_the_page_has_a_strict_policy_and_its_cookie_is_not_for_scripts(server: Server) -> None:
    page = httpx2.get(server.url + "/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    joined = httpx2.post(server.url + "/demo/join", json={"room": "cookies", "user": "ann"})
    cookie = joined.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert Path(server.data_dir / "secrets.json").stat().st_mode & 0o077 == 0
