"""Phones on a whole server: baresip behind Kamailio, with tones that are found again where they should be heard."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palaver.client import AsyncPalaver
from tests.servers import Server, start_server
from tests.sip.baresip import Phone, phone
from tests.sip.registrar import Registrar, registrar

pytestmark = [pytest.mark.net, pytest.mark.timeout(240)]
PASSWORDS = {"room1": "secret1", "room2": "secret2", "alice": "alicepw", "bob": "bobpw"}
HZ = {"alice": 440, "bob": 1000}
DEADLINE_S = 40.0
HEARD_S = 3
"""Of what a phone heard, the latest two seconds are looked at."""


@dataclass
class Lab:
    """A server whose rooms have accounts at a registrar, which phones use as well."""

    server: Server
    kamailio: Registrar
    folder: Path

    def account(self, user: str, password: str = "") -> dict[str, str]:
        server = self.kamailio.address
        return {"sipServer": server, "username": user, "password": password or PASSWORDS[user]}

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = await asyncio.to_thread(self.server.rest, method, path, body, timeout_s=60)
        return answer.json() if answer.text.startswith(("{", "[")) else answer.text

    @contextlib.asynccontextmanager
    async def room(self, user: str, **options: Any) -> AsyncIterator[str]:
        """A room with this account, registered; no call is left of it afterwards."""
        room = self.server.room(user, sip=self.account(user), **options)
        await self.until(room, lambda sip: sip.get("status") == "registered")
        yield room
        await self.ask("DELETE", f"/v1/rooms/{room}")
        await self.quiet()

    async def until(self, room: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                sip: dict[str, Any] = (await self.ask("GET", f"/v1/rooms/{room}"))["sip"]
                if fits(sip):
                    return sip
                await asyncio.sleep(0.1)

    async def calls(self, room: str, count: int) -> list[dict[str, Any]]:
        """The calls of a room, once there are so many and their streams are there."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found: list[dict[str, Any]] = await self.ask("GET", f"/v1/rooms/{room}/sipcalls")
                if len(found) == count and all(one["input"] for one in found):
                    return found
                await asyncio.sleep(0.1)

    async def quiet(self) -> None:
        """No call is left, nor a dialog."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if not (self.server.metric("sip_calls") or self.server.metric("sip_dialogs")):
                    return
                await asyncio.sleep(0.1)

    @contextlib.asynccontextmanager
    async def phone(
        self, user: str, codecs: str = "PCMU/8000/1", answers: str = "auto"
    ) -> AsyncIterator[Phone]:
        folder = self.folder / f"{user}-{len(list(self.folder.iterdir()))}"
        address, password = self.kamailio.address, PASSWORDS[user]
        async with phone(
            folder, user, password, address, hertz=HZ[user], codecs=codecs, answers=answers
        ) as one:
            yield one

    async def dial(self, room: str, peer: str, source: str = "") -> Any:
        body = {
            "peerURI": peer,
            "mediaIn": {"audio": True, "video": False},
            "mediaOut": {"audio": {"from": source or f"{room}-common"}, "video": False},
        }
        return await self.ask("POST", f"/v1/rooms/{room}/sipcalls", body)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("sip")
    (folder / "palaver.toml").write_text("[sip]\nport = 0\nring_s = 3\n")
    with (
        registrar(folder / "kamailio") as kamailio,
        start_server(folder, "--config", str(folder / "palaver.toml")) as server,
    ):
        phones = folder / "phones"
        phones.mkdir()
        yield Lab(server, kamailio, phones)


async def heard(one: Phone, *hertz: int) -> list[float]:
    """How much of the latest that a phone heard is at each of these frequencies, once it has heard enough."""
    async with asyncio.timeout(DEADLINE_S * 2):
        while True:
            shares = _shares(one.heard(), hertz)
            if shares is not None:
                return shares
            await asyncio.sleep(0.2)


def _shares(files: list[Path], hertz: tuple[int, ...]) -> list[float] | None:
    """The file is still being written: its header does not tell how long it is."""
    data = files[-1].read_bytes() if files else b""
    if len(data) < 44:
        return None
    channels, rate = struct.unpack_from("<HI", data, 22)
    if len(data) < rate * channels * 2 * HEARD_S:
        return None
    sound = np.frombuffer(data[44 : len(data) // 4 * 4], np.int16)[::channels].astype(float)
    sound = sound[-rate * 2 :]
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    if power.sum() < 1e9:
        return None  # silence: the mix has not begun
    at = np.fft.rfftfreq(len(sound), 1 / rate)
    return [float(power[np.abs(at - one) < 25].sum() / power.sum()) for one in hertz]


async def test_the_state_of_an_account_is_shown_and_follows_what_is_stored(lab: Lab) -> None:
    async with lab.room("room2") as room:
        path = f"/v1/rooms/{room}"
        await lab.ask("PUT", path, {"sip": lab.account("room2", "wrong")})
        failed = await lab.until(room, lambda sip: sip.get("status") == "failed")
        assert failed["reason"] == "401 Unauthorized"
        refused = await lab.dial(room, "sip:alice@sip.test")
        assert "not registered: 401" in refused["error"]["message"]
        await lab.ask("PUT", path, {"sip": lab.account("room2")})
        await lab.until(room, lambda sip: sip.get("status") == "registered")
        nothing = {"sipServer": "", "username": "", "password": ""}
        assert (await lab.ask("PUT", path, {"sip": nothing}))["sip"] == nothing
        refused = await lab.dial(room, "sip:alice@sip.test")
        assert refused["error"] == {"code": 1201, "message": "the room has no SIP account"}


async def test_phones_that_do_not_come_are_told_of_in_words(lab: Lab) -> None:
    async with lab.room("room2") as room, lab.phone("bob", answers="manual") as bob:
        for peer, words in (
            ("sip:nobody@sip.test", "there is no such number (404 Not Found)"),
            ("sip:nowhere@sip.test", "no answer (408 Request Timeout)"),
            ("sip:bob@sip.test", "no answer"),
            ("sip:a b", "peerURI: this is no address of SIP"),
        ):
            refused = await lab.dial(room, peer)
            assert refused["error"]["code"] == 1201
            assert refused["error"]["message"].endswith(words), refused
        await bob.event("CALL_CLOSED")  # it rings no more
        assert await lab.ask("GET", f"/v1/rooms/{room}/participants") == []


async def test_what_a_room_refuses_is_told_to_the_caller(lab: Lab) -> None:
    async with lab.phone("alice") as alice:
        async with lab.room("room2", roles=[]):
            await alice.order("dial", "sip:room2@sip.test")
            assert (await alice.event("CALL_CLOSED"))["param"].startswith("403")
        async with lab.room("room2", participantLimit=1) as room, lab.phone("bob") as bob:
            await alice.order("dial", "sip:room2@sip.test")
            await alice.event("CALL_ESTABLISHED")
            await bob.order("dial", "sip:room2@sip.test")
            assert (await bob.event("CALL_CLOSED"))["param"].startswith("486")
            (call,) = await lab.calls(room, 1)
            await lab.ask("DELETE", f"/v1/rooms/{room}/participants/{call['id']}")
            await alice.event("CALL_CLOSED")


async def test_hold_mutes_and_digits_are_told(lab: Lab) -> None:
    async with lab.room("room2") as room, lab.phone("alice") as alice:
        told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        following = asyncio.get_running_loop().create_task(_follow(lab, room, told))
        try:
            await alice.order("dial", "sip:room2@sip.test")
            await alice.event("CALL_ESTABLISHED")
            await lab.calls(room, 1)
            await alice.order("hold")
            assert (await _told(told, "stream.muted"))["status"] == "inactive"
            await alice.order("resume")
            assert (await _told(told, "stream.muted"))["status"] == "active"
            pressed = asyncio.get_running_loop().create_task(_told(told, "phone.digit"))
            while not pressed.done():  # who presses before the first sound has come may not be heard
                await alice.order("sndcode", "5")
                await asyncio.wait([pressed], timeout=2)
            assert (await pressed)["digit"] == "5"
        finally:
            following.cancel()
        await alice.order("hangup")
        await lab.calls(room, 0)


async def _follow(lab: Lab, room: str, told: asyncio.Queue[tuple[str, Any]]) -> None:
    async with AsyncPalaver(lab.server.url, lab.server.service, lab.server.key) as api:
        async for event in api.events(room):
            told.put_nowait((event.type, event.data))


async def _told(told: asyncio.Queue[tuple[str, Any]], kind: str) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found, data = await told.get()
            if found == kind:
                return data


@pytest.mark.parametrize("codecs", ["PCMU/8000/1", "opus/48000/2"])
async def test_a_phone_that_calls_and_one_that_is_called_hear_each_other(lab: Lab, codecs: str) -> None:
    async with (
        lab.room("room1") as room,
        lab.phone("alice", codecs) as alice,
        lab.phone("bob", "PCMA/8000/1") as bob,
    ):
        await alice.order("dial", "sip:room1@sip.test")
        await alice.event("CALL_ESTABLISHED")
        made = await lab.dial(room, "sip:bob@sip.test")
        assert made["type"] == "dial-out"
        assert made["input"]["info"]["type"] == "sip"
        for one, other, own in ((alice, 1000, 440), (bob, 440, 1000)):
            shares = await heard(one, other, own)
            assert shares[0] > 0.7, shares
            assert shares[1] < 0.05, shares
        kinds = {call["type"]: call for call in await lab.calls(room, 2)}
        assert set(kinds) == {"dial-in", "dial-out"}
        people = await lab.ask("GET", f"/v1/rooms/{room}/participants")
        assert [one["role"] for one in people] == ["sip", "sip"]
        await lab.ask("DELETE", f"/v1/rooms/{room}/sipcalls/{made['id']}")
        await bob.event("CALL_CLOSED")
        await alice.order("hangup")
        await lab.calls(room, 0)
