"""Who is let in: MAuth as OWT's clients write it, and what they cannot do with it."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from palaver.api.auth.mauth import sign, signature
from palaver.api.rest.settings import RestSettings
from tests.compat.rest_house import ANNA, BERT, NOW, House, make_house, refusal
from tests.tokens import admitted

TIMESTAMP = int(NOW * 1000)


async def ask(house: House, authorization: str | bytes | None, path: str = "/v1/rooms") -> httpx.Response:
    headers: dict[str, Any] = {} if authorization is None else {"authorization": authorization}
    return await house.client.get(path, headers=headers)


def header(nonce: str = "n", **changes: str) -> dict[str, str]:
    """The parameters of a good header, with changes."""
    parameters = {
        "realm": "http://x",
        "mauth_signature_method": "HMAC_SHA256",
        "mauth_serviceid": ANNA.id,
        "mauth_cnonce": nonce,
        "mauth_timestamp": str(TIMESTAMP),
        "mauth_signature": signature(ANNA.key, f"{TIMESTAMP},{nonce}"),
    }
    return parameters | {f"mauth_{name}": value for name, value in changes.items()}


def written(parameters: dict[str, str], comma: str = ",", quote: str = "") -> str:
    return "MAuth " + comma.join(f"{name}={quote}{value}{quote}" for name, value in parameters.items())


def test_the_signature_is_owts() -> None:
    """base64 of 64 hexadecimal digits; computed by hand from RFC 4231's second test case."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert signature("Jefe", "what do ya want for nothing?") == base64.b64encode(expected.encode()).decode()


@pytest.mark.parametrize(("comma", "quote"), [(",", ""), (", ", ""), (",", '"'), (" ,  ", '"')])
async def test_blanks_after_commas_and_quotes_are_accepted(house: House, comma: str, quote: str) -> None:
    assert (await ask(house, written(header(), comma, quote))).status_code == 200


async def test_the_order_is_free_and_the_scheme_is_not_case_sensitive(house: House) -> None:
    backwards = dict(reversed(header().items()))
    assert (await ask(house, written(backwards).replace("MAuth", "mauth"))).status_code == 200


async def test_the_guides_own_example_header_has_the_right_form(house: House) -> None:
    """As the guide prints it: blanks, a realm that is a URL, username and role in front."""
    user = "test"
    text = f"{TIMESTAMP},87428,{user},role"
    given = (
        "MAuth realm=http://webrtc.intel.com, mauth_signature_method=HMAC_SHA256, mauth_username=test, "
        f"mauth_role=role, mauth_serviceid={ANNA.id}, mauth_cnonce=87428, mauth_timestamp={TIMESTAMP}, "
        f"mauth_signature={signature(ANNA.key, text)}"
    )
    assert (await ask(house, given)).status_code == 200


BAD = {
    "no header": None,
    "another scheme": "Basic eDp5",
    "nothing in it": "MAuth ",
    "garbage": "MAuth ,,,===",
    "unknown service": written(header(serviceid="f" * 24)),
    "malformed service": written(header(serviceid="nonsense")),
    "wrong key": written(header(signature=signature("another key", f"{TIMESTAMP},n"))),
    "another's key": written(header(signature=signature(BERT.key, f"{TIMESTAMP},n"))),
    "another method": written(header(signature_method="HMAC_SHA1")),
    "no nonce": written(header(cnonce="")),
    "another nonce": written(header(cnonce="m")),
    "no time": written(header(timestamp="")),
    "time is no number": written(header(timestamp="soon", signature=signature(ANNA.key, "soon,n"))),
    "signature is not ASCII": written(header(signature="ü")).encode("latin-1"),
    "signature of something else": written(header(username="dXNlcg==", role="presenter")),
    "a parameter twice": written(header()) + ",mauth_cnonce=n",
    "very long": written(header()) + "," * 10_000,
}


@pytest.mark.parametrize("cause", BAD)
async def test_every_cause_gets_the_same_401(house: House, cause: str) -> None:
    answer = await ask(house, BAD[cause])
    assert refusal(answer) == (401, 1101, "Authentication failed")
    assert answer.headers["www-authenticate"] == 'MAuth realm="palaver"'
    assert answer.content == (await ask(house, None)).content


async def test_all_protected_paths_need_a_signature(house: House) -> None:
    for path in (
        "/v1/rooms",
        "/v1.1/rooms",
        "/services",
        "/v1/rooms/x/streams",
        "/v1.1/stream-engine/tokens",
    ):
        assert (await ask(house, None, path)).status_code == 401


@pytest.mark.parametrize(("age_s", "status"), [(0, 200), (299, 200), (-59, 200), (301, 401), (-61, 401)])
async def test_a_signature_is_fresh_for_five_minutes_and_hardly_ahead(
    house: House, age_s: int, status: int
) -> None:
    given = sign(ANNA.id, ANNA.key, timestamp_ms=TIMESTAMP - age_s * 1000)
    assert (await ask(house, given)).status_code == status


async def test_a_signature_is_accepted_once(house: House) -> None:
    given = written(header())
    assert (await ask(house, given)).status_code == 200
    assert (await ask(house, given)).status_code == 401
    assert (await ask(house, written(header("another")))).status_code == 200


async def test_a_nonce_belongs_to_its_service_and_time(house: House) -> None:
    for who in (ANNA, BERT):
        for timestamp in (TIMESTAMP, TIMESTAMP + 1):
            assert (
                await ask(house, sign(who.id, who.key, nonce="same", timestamp_ms=timestamp))
            ).status_code == 200


async def test_a_failed_attempt_does_not_use_the_nonce_up(house: House) -> None:
    assert (await ask(house, written(header(signature="x")))).status_code == 401
    assert (await ask(house, written(header()))).status_code == 200


async def test_a_window_of_zero_serves_scripts_that_sign_once() -> None:
    async with make_house(settings=RestSettings(replay_window_s=0)) as house:
        given = sign(ANNA.id, ANNA.key, timestamp_ms=1)
        assert [(await ask(house, given)).status_code for _ in range(3)] == [200, 200, 200]


async def test_a_signature_over_a_user_cannot_be_taken_for_one_over_a_longer_nonce(house: House) -> None:
    """``time,nonce,user,role`` is also ``time,"nonce,user,role"``: that would lift the restriction to that user."""
    text = f"{TIMESTAMP},n,dXNlcg==,viewer"
    forged = header(cnonce='"n,dXNlcg==,viewer"', signature=signature(ANNA.key, text))
    assert (await ask(house, written(forged))).status_code == 401


async def test_authentication_comes_before_the_body_is_read(house: House) -> None:
    touched = False

    async def body() -> Any:
        nonlocal touched
        touched = True
        yield b"{"

    answer = await house.client.post(
        "/v1/rooms", content=body(), headers={"content-type": "application/json"}
    )
    assert refusal(answer)[:2] == (401, 1101)
    assert not touched


@pytest.mark.parametrize(
    ("name", "seen"),
    [("dXNlcg==", "user"), ("SsO8cmdlbg==", "Jürgen"), ("test", "test"), ("a b", "a b"), ("AAAA", "AAAA")],
)
async def test_the_signed_user_is_base64_or_taken_as_it_is(house: House, name: str, seen: str) -> None:
    room = await house.room()
    signed = header(username=name, role="viewer")
    signed["mauth_signature"] = signature(ANNA.key, f"{TIMESTAMP},n,{name},viewer")
    answer = await house.client.post(
        f"/v1/rooms/{room}/tokens",
        json={"user": "somebody else", "role": "presenter"},
        headers={"authorization": written(signed)},
    )
    token = await admitted(house.desk, answer.text)
    assert (token.user, token.role) == (seen, "viewer")


async def test_a_signed_user_and_role_need_no_body(house: House) -> None:
    room = await house.room()
    headers = {"authorization": house.signature(ANNA, "ann", "presenter")}
    answer = await house.client.post(f"/v1/rooms/{room}/tokens", headers=headers)
    assert (await admitted(house.desk, answer.text)).user == "ann"
