"""Simulcast as clients of the protocol meet it, over real sockets; the media plane is the fake one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from palaver.room.messages import LayerSeen, OpenSink, SetSinkLayer
from palaver.room.values import LayerPreference, Resolution, RoomId, SubscriptionId, TrackId
from tests.api.portal.house import Client, House, client, house, sdp
from tests.offers import with_layers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SIZES = {"q": (320, 180), "h": (640, 360), "f": (1280, 720)}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def send_layers(here: House, ann: Client) -> str:
    """Publish a camera of three layers whose sizes are known; the stream's id."""
    tracks = [{"type": "video", "mid": "0", "source": "camera"}]
    stream = (await ann.ok("publish", {"media": {"tracks": tracks}}))["id"]
    offer = with_layers(sdp({"0": ("video", "sendonly")}), {"0": list(SIZES)})
    await ann.ok("soac", {"id": stream, "signaling": {"type": "offer", "sdp": offer}})
    await ann.hear("stream")
    for rid, size in SIZES.items():
        track = TrackId(f"{stream}-0:{rid}")
        here.engine.show(RoomId(here.definition.id), stream, track, Resolution(*size))
    await ann.hear("stream", lambda data: data["status"] == "update" and size_of(data, "f") == SIZES["f"])
    return str(stream)


def size_of(update: Any, rid: str) -> tuple[int, int] | None:
    (track,) = [one for one in update["data"]["value"]["media"]["tracks"] if one["rid"] == rid]
    resolution = track.get("parameters", {}).get("resolution")
    return (resolution["width"], resolution["height"]) if resolution else None


async def receive(ben: Client, origin: str, **wishes: Any) -> Any:
    """Subscribe to a picture and negotiate; the answer to the request."""
    tracks = [{"type": "video", "mid": "0", "from": origin, **wishes}]
    answer = await ben.ok("subscribe", {"media": {"tracks": tracks}})
    await ben.offer(answer["transportId"], {"0": ("video", "recvonly")})
    await ben.hear("progress", lambda data: data.get("sessionId") == answer["id"])
    return answer["id"]


def opened(here: House) -> LayerPreference:
    (action,) = [action for _, action in here.engine.performed if isinstance(action, OpenSink)]
    return action.subscription.tracks[0].layer


async def test_everybody_sees_a_track_for_each_layer_and_then_its_size(here: House) -> None:
    async with client(here) as ann, client(here) as ben:
        await ann.login(await here.token())
        stream = await send_layers(here, ann)
        joined = await ben.login(await here.token())
        (shown,) = [one for one in joined["room"]["streams"] if one["type"] == "forward"]
        assert shown["media"]["tracks"] == [
            {
                "type": "video",
                "id": f"{stream}-0:{rid}",
                "mid": "0",
                "rid": rid,
                "source": "camera",
                "format": {"codec": "vp8"},
                "parameters": {"resolution": {"width": width, "height": height}},
                "status": "active",
            }
            for rid, (width, height) in SIZES.items()
        ]


async def test_a_track_s_id_is_a_layer(here: House) -> None:
    async with client(here) as ann, client(here) as ben:
        await ann.login(await here.token())
        await ben.login(await here.token())
        stream = await send_layers(here, ann)
        await receive(ben, f"{stream}-0:h")
        assert opened(here) == LayerPreference("h")


async def test_layers_change_by_update(here: House) -> None:
    async with client(here) as ann, client(here) as ben:
        await ann.login(await here.token())
        await ben.login(await here.token())
        stream = await send_layers(here, ann)
        subscription = await receive(ben, stream, parameters={"maxResolution": {"width": 640, "height": 480}})
        assert opened(here) == LayerPreference(max_width=640, max_height=480)
        changes: list[dict[str, Any]] = [
            {"parameters": {"resolution": {"width": 1280, "height": 720}}},
            {"from": f"{stream}-0:q"},
            {"parameters": {"maxFramerate": 7.5}},
            {"from": stream},
            {"parameters": {}},
        ]
        for video in changes:
            update = {"id": subscription, "operation": "update", "data": {"video": video}}
            assert await ben.request("subscription-control", update) == ("ok",)
        wished = [action.layer for _, action in here.engine.performed if isinstance(action, SetSinkLayer)]
        assert wished == [
            LayerPreference("f"),
            LayerPreference("q"),
            LayerPreference(max_framerate=7.5),
            LayerPreference(),
        ]
        vga = {"video": {"parameters": {"resolution": {"width": 640, "height": 480}}}}
        assert await ben.request(
            "subscription-control", {"id": subscription, "operation": "update", "data": vga}
        ) == ("error", "Target video stream does NOT satisfy:Resolution is not acceptable")


async def test_the_subscriber_hears_what_is_sent_and_nobody_else(here: House) -> None:
    async with client(here) as ann, client(here) as ben:
        await ann.login(await here.token())
        await ben.login(await here.token())
        subscription = await receive(ben, await send_layers(here, ann))
        host = here.rooms.get(RoomId(here.definition.id))
        assert host is not None
        for rid in ("q", "", None):
            host.report(LayerSeen(SubscriptionId(subscription), "0", rid))
        await ben.hear("subscription", lambda data: not data["data"]["value"]["sending"])
        heard = [one.data for one in ben.heard if one.event == "subscription"]
        values = [one["data"]["value"] for one in heard]
        assert values == [
            {"mid": "0", "sending": True, "rid": "q"},
            {"mid": "0", "sending": True},
            {"mid": "0", "sending": False},
        ]
        assert {(one["id"], one["status"], one["data"]["field"]) for one in heard} == {
            (subscription, "update", "video.layer")
        }
        await ann.ok("text", {"to": "all", "message": "end"})
        await ann.hear("text")
        assert "subscription" not in [one.event for one in ann.heard]


@pytest.mark.parametrize("protocol", ["1.0", "1.1"])
async def test_older_dialects_name_the_layer_and_hear_nothing_of_it(here: House, protocol: str) -> None:
    async with client(here) as ann, client(here) as ben:
        await ann.login(await here.token())
        stream = await send_layers(here, ann)
        joined = await ben.login(await here.token(), protocol=protocol)
        (shown,) = [one for one in joined["room"]["streams"] if one["type"] == "forward"]
        video = shown["media"]["video"]
        assert "optional" not in video
        if protocol == "1.1":
            assert [one["simulcastRid"] for one in video["original"]] == list(SIZES)
        else:
            assert video["parameters"]["resolution"] == {"width": 320, "height": 180}
        wanted = {"media": {"audio": False, "video": {"from": stream, "simulcastRid": "h"}}}
        subscription = (await ben.ok("subscribe", wanted))["id"]
        await ben.offer(subscription, {"0": ("video", "recvonly")})
        await ben.hear("session-progress")
        assert opened(here) == LayerPreference("h")
        host = here.rooms.get(RoomId(here.definition.id))
        assert host is not None
        host.report(LayerSeen(SubscriptionId(subscription), "0", "h"))
        await ann.ok("text", {"to": "all", "message": "end"})
        await ben.hear("text")
        assert "subscription" not in [one.event for one in ben.heard]


async def test_what_is_sent_is_not_told_to_those_who_are_away(here: House) -> None:
    async with client(here) as ann:
        ticket = (await ann.login(await here.token()))["reconnectionTicket"]
        subscription = await receive(ann, await send_layers(here, ann))
        await ann.sio.disconnect()
        host = here.rooms.get(RoomId(here.definition.id))
        assert host is not None
        host.report(LayerSeen(SubscriptionId(subscription), "0", "q"))
        async with client(here) as again:
            await again.ok("relogin", ticket)
            host.report(LayerSeen(SubscriptionId(subscription), "0", "h"))
            first = await again.hear("subscription")
            assert first.data["data"]["value"]["rid"] == "h"
