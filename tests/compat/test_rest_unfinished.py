"""What takes media out of rooms: requests that are invalid, or name what there is not, are explained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compat.rest_house import House

SOUND = {"audio": {"from": "s"}, "video": False}
PICTURE = {"audio": False, "video": {"from": "s", "parameters": {"bitrate": "x0.2", "framerate": "30"}}}
CALL = {"peerURI": "sip:a@b", "mediaIn": {"audio": True, "video": False}, "mediaOut": SOUND}
CAMERA = {"connection": {"url": "rtsp://camera/x"}, "media": {"audio": "auto", "video": True}}
RTMP = {"url": "rtmp://cdn/live", "media": SOUND}


def media(kind: str, **options: Any) -> dict[str, Any]:
    return {"media": {**{"audio": False, "video": False}, kind: {"from": "s", **options}}}


INVALID: list[tuple[str, Any, str]] = [
    ("recordings", None, "body: "),
    ("recordings", {}, "media: required"),
    ("recordings", {"media": {"audio": {"from": "s"}}}, "media.video: required"),
    ("recordings", {"media": {"audio": False, "video": False}}, "media.audio: "),
    ("recordings", {"media": {"audio": True, "video": False}}, "media.audio: "),
    ("recordings", {"media": {"audio": {}, "video": False}}, "media.audio.from: required"),
    ("recordings", media("audio", format={"codec": "g722"}), "media.audio.format.codec: "),
    ("recordings", media("audio", format={"codec": "mp3"}), "media.audio.format.codec: "),
    ("recordings", media("video", format={"codec": "vp8", "profile": "X"}), "media.video.format.profile: "),
    ("recordings", media("video", parameters={"bitrate": "fast"}), "media.video.parameters.bitrate: "),
    (
        "recordings",
        media("video", parameters={"resolution": {"width": 1}}),
        "media.video.parameters.resolution.height: ",
    ),
    ("recordings", {"media": SOUND, "container": "avi"}, "container: "),
    (
        "recordings",
        {"container": "mp4", **media("audio", format={"codec": "opus"})},
        "media.audio.format.codec: ",
    ),
    (
        "recordings",
        {"container": "mp4", **media("video", format={"codec": "vp8"})},
        "media.video.format.codec: ",
    ),
    ("streaming-outs", {"media": SOUND}, "url: required"),
    ("streaming-outs", {"url": "rtmp://x/y"}, "media: required"),
    ("streaming-outs", {"url": "http://x/y", "media": SOUND}, "protocol: required"),
    ("streaming-outs", {"url": "file:///etc/passwd", "media": SOUND}, "url: "),
    ("streaming-outs", {"url": "gopher://x", "protocol": "hls", "media": SOUND}, "url: "),
    ("streaming-outs", {"url": "http://x/y", "protocol": "rtmp", "media": SOUND}, "url: not for rtmp"),
    ("streaming-outs", {"url": "http://169.254.169.254/x.mpd", "media": SOUND}, "url: link-local"),
    ("streaming-outs", {"url": "http://[fe80::1%25eth0]/x.mpd", "media": SOUND}, "url: link-local"),
    ("streaming-outs", {"url": "http://[fd00:ec2::254]/x.mpd", "media": SOUND}, "url: link-local"),
    ("streaming-outs", {"url": "rtmp://x:99999/y", "media": SOUND}, "url: not a URL"),
    ("streaming-outs", {"url": "rtmp:///y", "media": SOUND}, "url: has no host"),
    ("streaming-outs", {**RTMP, "protocol": "webrtc"}, "protocol: "),
    ("streaming-outs", {**RTMP, "parameters": {"method": "GET"}}, "parameters.method: "),
    ("analytics", {"media": PICTURE}, "algorithm: required"),
    ("analytics", {"algorithm": "x", "media": {"video": False}}, "media.video: "),
    ("sipcalls", {}, "peerURI: required"),
    ("sipcalls", {**CALL, "mediaIn": {"audio": False, "video": False}}, "mediaIn.audio: "),
    ("sipcalls", {**CALL, "mediaIn": {"audio": True, "video": True}}, "mediaIn.video: "),
    ("sipcalls", {**CALL, "mediaOut": {"audio": False, "video": False}}, "mediaOut.audio: "),
    ("streaming-ins", {"connection": {}, "media": CAMERA["media"]}, "connection.url: required"),
    ("streaming-ins", {**CAMERA, "media": {"audio": "auto"}}, "media.video: required"),
    ("streaming-ins", {**CAMERA, "media": {"audio": "maybe", "video": True}}, "media.audio: "),
    ("streaming-ins", {**CAMERA, "type": "streaming"}, "body: object contains unknown field type"),
    ("streaming-ins", {**CAMERA, "connection": {"url": "rtsp://x", "extra": 1}}, "connection: "),
    (
        "streaming-ins",
        {**CAMERA, "connection": {"url": "rtsp://x", "transportProtocol": "quic"}},
        "connection.transp",
    ),
    (
        "streaming-ins",
        {**CAMERA, "connection": {"url": "rtsp://x", "bufferSize": 0}},
        "connection.bufferSize: ",
    ),
    ("streaming-ins", {**CAMERA, "attributes": "x"}, "attributes: "),
    (
        "streaming-ins",
        {**CAMERA, "connection": {"url": "test:card"}},
        "connection.url: the test source is test:bars",
    ),
    ("streaming-ins", {**CAMERA, "connection": {"url": "rtsp://127.0.0.1/x"}}, "connection.url: loopback"),
    ("streaming-ins", {**CAMERA, "connection": {"url": "http://[fe80::1]/x"}}, "connection.url: link-local"),
    (
        "streaming-ins",
        {**CAMERA, "connection": {"url": "file:///etc/passwd"}},
        "connection.url: expected http",
    ),
]


async def test_a_call_of_a_server_without_sip_is_refused_and_says_so(house: House) -> None:
    room = await house.room()
    for version in ("/v1", "/v1.1"):
        status, code, message = await house.refused("POST", f"{version}/rooms/{room}/sipcalls", CALL)
        assert (status, code, message) == (500, 1201, "SIP is switched off on this server")


@pytest.mark.parametrize(("resource", "body", "message"), INVALID, ids=lambda value: str(value)[:60])
async def test_an_invalid_request_is_explained(house: House, resource: str, body: Any, message: str) -> None:
    room = await house.room()
    status, code, said = await house.refused("POST", f"/v1/rooms/{room}/{resource}", body)
    assert (status, code) == (400, 1301)
    assert said.startswith(message)


SINKS = ("recordings", "streaming-outs", "analytics", "sipcalls")


@pytest.mark.parametrize("resource", SINKS)
async def test_one_that_does_not_exist_is_not_found(house: House, resource: str) -> None:
    room = await house.room()
    path = f"/v1/rooms/{room}/{resource}/421375826512345678"
    for method in ("GET", "DELETE"):
        assert await house.refused(method, path) == (404, 1001, "Resource not found")


def change(resource: str, path: str, value: Any) -> list[dict[str, Any]]:
    prefix = "/output" if resource == "sipcalls" else ""
    return [{"op": "replace", "path": prefix + path, "value": value}]


CHANGES: list[tuple[str, Any]] = [
    ("/media/audio/from", "s"),
    ("/media/video/status", "inactive"),
    ("/media/video/parameters/resolution", {"width": 320, "height": 240}),
    ("/media/video/parameters/framerate", 24),
    ("/media/video/parameters/bitrate", "x0.4"),
    ("/media/video/parameters/keyFrameInterval", 5),
]
NO_CHANGES: list[tuple[str, Any]] = [
    ("/media/audio/from", ""),
    ("/media/video/status", "paused"),
    ("/media/video/parameters/resolution", "vga"),
    ("/media/video/parameters/framerate", 25),
    ("/media/video/parameters/bitrate", "x0.5"),
    ("/media/video/parameters/keyFrameInterval", 3),
    ("/media/video/parameters/keyFrameInterval\n", 5),
    ("/media/text/from", "s"),
    ("/media/audio/parameters/bitrate", "x0.4"),
]


@pytest.mark.parametrize("resource", ["recordings", "streaming-outs", "sipcalls"])
async def test_a_change_is_checked_before_it_is_looked_for(house: House, resource: str) -> None:
    room = await house.room()
    path = f"/v1/rooms/{room}/{resource}/x"
    for good in CHANGES:
        assert await house.refused("PATCH", path, change(resource, *good)) == (
            404,
            1001,
            "Resource not found",
        )
    for bad in NO_CHANGES:
        assert (await house.refused("PATCH", path, change(resource, *bad)))[:2] == (400, 1301), bad


PATCHED = ("streams", "streaming-ins", "recordings", "streaming-outs", "sipcalls", "participants")


@pytest.mark.parametrize("resource", PATCHED)
async def test_a_path_that_nothing_has_is_explained_in_words(house: House, resource: str) -> None:
    """Not by the regular expression that it does not match."""
    room = await house.room()
    body = [{"op": "replace", "path": "/media/text/nothing", "value": "x"}]
    status, code, said = await house.refused("PATCH", f"/v1/rooms/{room}/{resource}/x", body)
    assert (status, code) == (400, 1301)
    assert said.startswith("[0].path: expected /")
    assert not set("^$?*\\[(|") & set(said.removeprefix("[0].path"))
