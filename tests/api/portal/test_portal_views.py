"""Views as clients of the protocol meet them, over real sockets; the media plane is the fake one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from palaver.room.messages import OpenSink, SetSinkOrigin
from palaver.room.values import RoomId, VideoFormat
from tests.api.portal.house import Client, House, client, house, sdp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WHOLE = {"left": "0/1", "top": "0/1", "width": "1/1", "height": "1/1"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


def view(here: House) -> str:
    return f"{here.definition.id}-common"


async def send_camera(ann: Client, transport: str | None = None, mid: str = "0") -> str:
    """Publish a picture; the stream's id."""
    given = {"type": "webrtc"} | ({"id": transport} if transport else {})
    tracks = [{"type": "video", "mid": mid, "source": "camera"}]
    answer = await ann.ok("publish", {"media": {"tracks": tracks}, "transport": given})
    await ann.offer(answer["transportId"], {mid: ("video", "sendonly")})
    await ann.hear("stream", lambda data: data["status"] == "add" and data["data"]["id"] == answer["id"])
    return str(answer["id"])


def control(stream: str, operation: str, data: Any) -> dict[str, Any]:
    return {"id": stream, "operation": operation, "data": data}


def shows(*streams: str | None) -> Any:
    """Whether a notification is of a layout that shows these, in order."""

    def matches(data: Any) -> bool:
        change = data["data"] if data["status"] == "update" else {}
        if change.get("field") != "video.layout":
            return False
        return [one.get("stream") for one in change["value"]] == list(streams)

    return matches


async def test_a_stream_is_mixed_shown_elsewhere_and_taken_out(here: House) -> None:
    async with client(here) as ann, client(here) as ben:
        await ann.login(await here.token())
        await ben.login(await here.token())
        anns, bens = await send_camera(ann), await send_camera(ben)
        assert await ann.request("stream-control", control(anns, "mix", "common")) == ("ok", "ok")
        told = await ben.hear("stream", shows(anns))
        assert told.data == {
            "id": view(here),
            "status": "update",
            "data": {
                "field": "video.layout",
                "value": [{"stream": anns, "region": {"id": "1", "shape": "rectangle", "area": WHOLE}}],
            },
        }
        await ben.ok("stream-control", control(bens, "mix", "common"))
        await ann.hear("stream", shows(anns, bens, None, None))
        assert await ann.ok("stream-control", control(anns, "get-region", "common")) == {"region": "1"}
        await ann.ok("stream-control", control(anns, "set-region", {"view": "common", "region": "2"}))
        await ben.hear("stream", shows(bens, anns, None, None))
        assert await ann.ok("stream-control", control(anns, "get-region", "common")) == {"region": "2"}
        joined = await here_again(here)
        (mixed,) = [one for one in joined["room"]["streams"] if one["type"] == "mixed"]
        assert [one.get("stream") for one in mixed["info"]["layout"]] == [bens, anns, None, None]
        await ann.ok("stream-control", control(anns, "unmix", "common"))
        await ben.hear("stream", shows(bens))


async def here_again(here: House) -> Any:
    """What a newcomer is told."""
    async with client(here) as eve:
        return await eve.login(await here.token("Eve"))


@pytest.mark.parametrize(
    ("operation", "data", "text"),
    [
        ("mix", "other", "View does NOT exist: other"),
        ("unmix", "other", "View does NOT exist: other"),
        ("get-region", "other", "View does NOT exist: other"),
        ("get-region", "common", "Stream is NOT in the view"),
        ("set-region", {"view": "common", "region": "1"}, "Stream is NOT in the view"),
        ("set-region", {"view": "common"}, "request.data Object missing required field `region`"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason(
    here: House, operation: str, data: Any, text: str
) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        stream = await send_camera(ann)
        assert await ann.request("stream-control", control(stream, operation, data)) == ("error", text)


async def test_a_region_that_is_not_there_is_named(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        stream = await send_camera(ann)
        await ann.ok("stream-control", control(stream, "mix", "common"))
        move = control(stream, "set-region", {"view": "common", "region": "7"})
        assert await ann.request("stream-control", move) == ("error", "Region does NOT exist: 7")


@pytest.mark.parametrize("operation", ["mix", "unmix", "get-region"])
async def test_another_s_stream_is_not_controlled(here: House, operation: str) -> None:
    async with client(here) as ann, client(here) as ben:
        await ann.login(await here.token())
        await ben.login(await here.token())
        stream = await send_camera(ann)
        refused = await ben.request("stream-control", control(stream, operation, "common"))
        assert refused == ("error", "unauthorized")
        refused = await ben.request("stream-control", control("nothing", operation, "common"))
        assert refused == ("error", "Stream does NOT exist")


async def test_who_speaks_is_told(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        stream = await send_camera(ann)
        await ann.ok("stream-control", control(stream, "mix", "common"))
        here.engine.speak(RoomId(here.definition.id), view(here), stream)
        told = await ann.hear("stream", lambda data: data["data"].get("field") == "activeInput")
        assert told.data == {
            "id": view(here),
            "status": "update",
            "data": {"field": "activeInput", "value": stream},
        }


async def test_a_view_is_subscribed_to_in_another_form_and_that_is_changed(here: House) -> None:
    async with client(here) as ben:
        await ben.login(await here.token())
        wishes = {
            "format": {"codec": "h264", "profile": "CB"},
            "parameters": {"resolution": {"width": 320, "height": 240}, "framerate": 12, "bitrate": "x0.6"},
        }
        tracks = [{"type": "video", "mid": "0", "from": view(here), **wishes}]
        answer = await ben.ok("subscribe", {"media": {"tracks": tracks}})
        offer = sdp({"0": ("video", "recvonly")}).replace("VP8/90000", "H264/90000")
        offer += "a=fmtp:111 packetization-mode=1;profile-level-id=42e01f\r\n"
        await ben.ok("soac", {"id": answer["id"], "signaling": {"type": "offer", "sdp": offer}})
        await ben.hear("progress", lambda data: data.get("sessionId") == answer["id"])
        (opened,) = [action for _, action in here.engine.performed if isinstance(action, OpenSink)]
        (track,) = opened.subscription.tracks
        assert (track.stream, track.formats, track.transcoded) == (
            view(here),
            (VideoFormat("h264", "CB"),),
            True,
        )

        smaller = {"video": {"parameters": {"resolution": {"width": 160, "height": 120}}}}
        update = {"id": answer["id"], "operation": "update", "data": smaller}
        assert await ben.request("subscription-control", update) == ("ok",)
        (redirected,) = [action for _, action in here.engine.performed if isinstance(action, SetSinkOrigin)]
        parameters = redirected.track.parameters
        assert parameters is not None
        assert parameters.resolution is not None
        assert (parameters.resolution.width, parameters.framerate, parameters.bitrate) == (160, 12, "x0.6")

        odd = {"video": {"parameters": {"resolution": {"width": 123, "height": 45}}}}
        refused = await ben.request(
            "subscription-control", {"id": answer["id"], "operation": "update", "data": odd}
        )
        assert refused == ("error", "Target video stream does NOT satisfy:Resolution is not acceptable")


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"format": {"codec": "theora"}}, "Target video stream does NOT satisfy:Format is not acceptable"),
        ({"format": {"codec": "h265"}}, "Target video stream does NOT satisfy:Format is not acceptable"),
        (
            {"parameters": {"framerate": 13}},
            "Target video stream does NOT satisfy:Framerate is not acceptable",
        ),
        (
            {"parameters": {"bitrate": "x7"}},
            "Target video stream does NOT satisfy:Bitrate is not acceptable",
        ),
        (
            {"parameters": {"keyFrameInterval": 77}},
            "Target video stream does NOT satisfy:KeyFrameInterval is not acceptable",
        ),
    ],
)
async def test_an_impossible_wish_is_refused_with_the_reason(
    here: House, wishes: dict[str, Any], reason: str
) -> None:
    async with client(here) as ben:
        await ben.login(await here.token())
        tracks = [{"type": "video", "mid": "0", "from": view(here), **wishes}]
        assert await ben.request("subscribe", {"media": {"tracks": tracks}}) == ("error", reason)
