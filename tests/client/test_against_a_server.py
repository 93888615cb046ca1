"""Both clients against a whole server: every operation that the API has."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from palaver.client import (
    Grant,
    Participant,
    Patch,
    RequestRefused,
    Resolution,
    Role,
    Room,
    RoomOptions,
    ServerUnreachable,
    Stream,
    VideoParameters,
    View,
    ViewVideo,
)
from tests.client.conftest import Join, Kind, Publish, ask
from tests.servers import Server, free_port, start_server

pytestmark = pytest.mark.net


@pytest.fixture
async def room(api: Any) -> AsyncIterator[Room]:
    """A room of its own."""
    made = await ask(api.rooms.create(secrets.token_hex(4)))
    yield made
    with contextlib.suppress(RequestRefused):  # the test may have deleted it
        await ask(api.rooms.delete(made.id))


async def test_a_service_is_made_read_and_deleted(root: Any, kind: Kind, server: Server) -> None:
    made = await ask(root.services.create("shop " + secrets.token_hex(4), "a key"))
    assert made in (await ask(root.services.list())).items
    assert (await ask(root.services.get(made.id))).name == made.name
    async with kind.client(server.url, made.id, "a key") as shop:
        mine = await ask(shop.rooms.create("counter"))
        assert [one.id for one in await ask(shop.rooms.list())] == [mine.id]
    await ask(root.services.delete(made.id))
    with pytest.raises(RequestRefused) as refused:
        await ask(root.services.get(made.id))
    assert refused.value.status == 404


async def test_services_are_for_the_super_service_only(api: Any) -> None:
    with pytest.raises(RequestRefused) as refused:
        await ask(api.services.list())
    assert (refused.value.status, refused.value.code) == (403, 1102)


async def test_a_room_comes_back_as_it_was_made(api: Any) -> None:
    both = Grant(audio=True, video=True)
    options = RoomOptions(
        participant_limit=7,
        input_limit=3,
        roles=[Role(role="host", publish=both, subscribe=both)],
        views=[
            View(label="wall", video=ViewVideo(parameters=VideoParameters(resolution=Resolution(640, 480))))
        ],
    )
    made = await ask(api.rooms.create("standup", options))
    assert made == await ask(api.rooms.get(made.id))
    assert (made.name, made.participant_limit, made.input_limit) == ("standup", 7, 3)
    assert isinstance(made.roles, list)
    assert [one.role for one in made.roles] == ["host"]
    [view] = made.views
    assert view.label == "wall"
    assert view.video.parameters.resolution == Resolution(640, 480)
    await ask(api.rooms.delete(made.id))
    with pytest.raises(RequestRefused) as refused:
        await ask(api.rooms.get(made.id))
    assert (refused.value.status, refused.value.code) == (404, 1003)


async def test_an_update_changes_what_it_sets_and_nothing_else(api: Any, room: Room) -> None:
    changed = await ask(api.rooms.update(room.id, RoomOptions(participant_limit=2)))
    assert changed.participant_limit == 2
    changed.participant_limit = room.participant_limit
    assert changed == room
    renamed = await ask(api.rooms.update(room.id, RoomOptions(name="other")))
    assert (renamed.name, renamed.participant_limit) == ("other", 2)


async def test_rooms_come_in_pages(root: Any) -> None:
    names = [secrets.token_hex(4) for _ in range(3)]
    made = [await ask(root.rooms.create(name)) for name in names]
    every = [one.id for one in await ask(root.rooms.list())]
    assert set(every) >= {one.id for one in made}
    page = await ask(root.rooms.list(page=1, per_page=2))
    assert [one.id for one in page] == every[:2]
    for one in made:
        await ask(root.rooms.delete(one.id))


async def test_an_option_that_the_server_refuses_is_named(api: Any) -> None:
    with pytest.raises(RequestRefused) as refused:
        await ask(api.rooms.create("x", RoomOptions(participant_limit="many")))  # type: ignore[arg-type]  # on purpose
    assert refused.value.status == 400
    assert "participantLimit" in refused.value.message


async def test_a_token_lets_somebody_in_once(api: Any, room: Room, joined: Join, server: Server) -> None:
    token = await ask(api.tokens.create(room.id, "ann", "presenter"))
    assert b"tokenId" in base64.b64decode(token)
    reusable = await ask(api.tokens.create(room.id, "encoder", "presenter", reusable=True, ttl_s=60))
    assert reusable != token
    with pytest.raises(RequestRefused) as refused:
        await ask(api.tokens.create(room.id, "ann", "pope"))
    assert "role" in refused.value.message.lower()


async def test_participants_are_seen_restricted_and_dropped(api: Any, room: Room, joined: Join) -> None:
    assert len(await ask(api.participants.list(room.id))) == 0
    async with joined(room.id, "ann"):
        [ann] = await ask(api.participants.list(room.id))
        assert isinstance(ann, Participant)
        assert (ann.user, ann.role) == ("ann", "presenter")
        assert await ask(api.participants.get(room.id, ann.id)) == ann
        changes = [
            Patch("replace", "/permission/publish/video", False),
            Patch("replace", "/permission/subscribe", {"audio": False, "video": False}),
        ]
        changed = await ask(api.participants.update(room.id, ann.id, changes))
        assert changed.permission.publish == Grant(audio=True, video=False)
        assert changed.permission.subscribe == Grant(audio=False, video=False)
        await ask(api.participants.drop(room.id, ann.id))
        assert len(await ask(api.participants.list(room.id))) == 0
        with pytest.raises(RequestRefused) as refused:
            await ask(api.participants.get(room.id, ann.id))
        assert refused.value.status == 404


@pytest.mark.browser
async def test_streams_are_seen_muted_and_ended(api: Any, room: Room, publishing: Publish) -> None:
    async with publishing(room.id) as stream:
        found = {one.id: one for one in await ask(api.streams.list(room.id))}
        assert [one.type for one in found.values()] == ["mixed", "forward"]
        assert isinstance(found[stream], Stream)
        assert (await ask(api.streams.get(room.id, stream))).media["audio"]["format"]["codec"] == "opus"
        muted = await ask(
            api.streams.update(room.id, stream, [Patch("replace", "/media/audio/status", "inactive")])
        )
        assert muted.media["audio"]["status"] == "inactive"
        assert muted.media["video"]["status"] == "active"
        await ask(api.streams.delete(room.id, stream))
        with pytest.raises(RequestRefused) as refused:
            await ask(api.streams.get(room.id, stream))
        assert refused.value.status == 404


async def test_a_call_that_cannot_be_made_is_refused_with_the_reason(api: Any, room: Room) -> None:
    call = {
        "peerURI": "bob@sip.example",
        "mediaIn": {"audio": True, "video": False},
        "mediaOut": {"audio": {"from": f"{room.id}-common"}, "video": False},
    }
    assert len(await ask(api.sip_calls.list(room.id))) == 0
    with pytest.raises(RequestRefused) as refused:
        await ask(api.sip_calls.create(room.id, call))
    assert refused.value.status in (400, 500)
    assert "sip" in refused.value.message.lower(), refused.value.message
    with pytest.raises(RequestRefused) as refused:
        await ask(api.sip_calls.delete(room.id, "1"))
    assert refused.value.status == 404
    with pytest.raises(RequestRefused) as refused:
        await ask(api.sip_calls.update(room.id, "1", [Patch("replace", "/output/media/audio/from", "y")]))
    assert refused.value.status == 404


async def test_a_stream_is_analysed(api: Any, room: Room, publishing: Publish) -> None:
    found = {one.name: one for one in (await ask(api.analytics.algorithms())).algorithms}
    assert "threshold" in found["motion"].parameters["properties"]
    async with publishing(room.id) as stream:
        started = await ask(
            api.analytics.start(room.id, "loudness", audio=stream, parameters={"every_s": 0.2})
        )
        assert started.analytics == {"algorithm": "loudness", "parameters": {"every_s": 0.2}}
        async with asyncio.timeout(30):
            while not (  # noqa: ASYNC110  # what is awaited happens in another process
                seen := (await ask(api.analytics.events(room.id, started.id))).items
            ):
                await asyncio.sleep(0.05)
        assert (seen[0].id, seen[0].name) == (1, "loudness")
        assert {"mean", "peak"} == set(seen[0].data)
        assert [one.id for one in (await ask(api.analytics.list(room.id))).items] == [started.id]
        assert (await ask(api.analytics.get(room.id, started.id))).status == "running"
        later = await ask(api.analytics.events(room.id, started.id, after=seen[-1].id, per_page=1))
        assert all(one.id > seen[-1].id for one in later.items)
        await ask(api.analytics.delete(room.id, started.id))
        assert len(await ask(api.analytics.list(room.id))) == 0
        with pytest.raises(RequestRefused) as refused:
            await ask(api.analytics.start(room.id, "motion", video=stream, parameters={"threshold": 7}))
        assert refused.value.status == 400
        assert refused.value.message.startswith("parameters.threshold: ")


async def test_a_streaming_in_that_cannot_start_says_why_and_leaves_nothing(api: Any, room: Room) -> None:
    with pytest.raises(RequestRefused) as refused:
        await ask(
            api.streaming_ins.create(room.id, "rtsp://camera.invalid/x", protocol="udp", buffer_size=2048)
        )
    assert (refused.value.status, refused.value.code) == (500, 1201), refused.value.message
    assert "camera.invalid" in refused.value.message
    with pytest.raises(RequestRefused) as refused:
        await ask(api.streaming_ins.create(room.id, "test:bars"))
    assert (refused.value.status, refused.value.code) == (400, 1301), refused.value.message
    assert "streaming.allow_test" in refused.value.message
    assert len(await ask(api.jobs.list(room.id))) == 0
    for call in (api.streaming_ins.get, api.streaming_ins.delete, api.jobs.get, api.jobs.delete):
        with pytest.raises(RequestRefused) as refused:
            await ask(call(room.id, "1"))
        assert refused.value.status == 404
    with pytest.raises(RequestRefused) as refused:
        await ask(
            api.streaming_ins.update(room.id, "1", [Patch("replace", "/media/audio/status", "inactive")])
        )
    assert refused.value.status == 404


async def test_a_room_goes_live_by_the_client(api: Any, room: Room) -> None:
    view = {"from": f"{room.id}-common"}
    made = await ask(
        api.streaming_outs.create(room.id, {"protocol": "hls", "media": {"audio": view, "video": view}})
    )
    assert (made.protocol, made.status) == ("hls", "active")
    muted = await ask(
        api.streaming_outs.update(room.id, made.id, [Patch("replace", "/media/audio/status", "inactive")])
    )
    assert muted.media["audio"]["status"] == "inactive"
    assert [one.state is not None for one in await ask(api.streaming_outs.list(room.id))] == [True]
    await ask(api.streaming_outs.delete(room.id, made.id))
    assert len(await ask(api.streaming_outs.list(room.id))) == 0


async def test_a_wrong_key_is_refused(kind: Kind, server: Server) -> None:
    async with kind.client(server.url, server.service, "another") as stranger:
        with pytest.raises(RequestRefused) as refused:
            await ask(stranger.rooms.list())
    assert (refused.value.status, refused.value.code) == (401, 1101)


async def test_a_server_that_is_gone_is_unreachable(kind: Kind, server: Server) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with kind.client(url, server.service, server.key) as client:
        with pytest.raises(ServerUnreachable, match=url):
            await ask(client.rooms.list())


async def test_a_server_that_says_nothing_is_given_up(kind: Kind, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with kind.client(url, server.service, server.key, timeout_s=0.2) as client:
            with pytest.raises(ServerUnreachable):
                await ask(client.rooms.list())


class _SomethingElse(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name that http.server looks for
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!doctype html>It works!")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as http.server has it
        pass


@pytest.fixture
def something_else() -> Iterator[str]:
    """The URL of a web server that is no Palaver."""
    with HTTPServer(("127.0.0.1", 0), _SomethingElse) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


async def test_an_answer_of_something_else_is_not_taken_for_rooms(
    kind: Kind, server: Server, something_else: str
) -> None:
    async with kind.client(something_else, server.service, server.key) as client:
        with pytest.raises(ServerUnreachable, match="not a Palaver answer"):
            await ask(client.rooms.list())


async def test_a_certificate_must_be_trusted(kind: Kind, tmp_path: Path) -> None:
    with start_server(tmp_path, "--host", "0.0.0.0", scheme="https") as server:
        account = (server.url, server.service, server.key)
        async with kind.client(*account) as careful:
            with pytest.raises(ServerUnreachable, match="certificate"):
                await ask(careful.rooms.list())
        trusted = ssl.create_default_context(cafile=server.data_dir / "self-signed.crt")
        async with kind.client(*account, verify=trusted) as client:
            assert len(await ask(client.rooms.list())) == 0
