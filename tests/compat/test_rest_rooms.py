"""/v1/rooms: what can be defined, what is filled in, what is refused, and what an update means."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from palaver.room.messages import ParticipantDropped
from palaver.room.values import RoomId
from palaver.store.work import Every
from tests.compat.rest_house import ANNA, BERT, SUPER, House

AUDIO_IN = [
    {"codec": "opus", "sampleRate": 48000, "channelNum": 2},
    {"codec": "isac", "sampleRate": 16000},
    {"codec": "isac", "sampleRate": 32000},
    {"codec": "g722", "sampleRate": 16000, "channelNum": 1},
    {"codec": "pcma"},
    {"codec": "pcmu"},
    {"codec": "aac"},
    {"codec": "ac3"},
    {"codec": "nellymoser"},
    {"codec": "ilbc"},
]
AAC = {"codec": "aac", "sampleRate": 48000, "channelNum": 2}


def grant(kinds: str) -> dict[str, bool]:
    return {"audio": "a" in kinds, "video": "v" in kinds}


def role(name: str, publish: str, subscribe: str) -> dict[str, Any]:
    return {"role": name, "publish": grant(publish), "subscribe": grant(subscribe)}


DEFAULTS: dict[str, Any] = {
    "inputLimit": -1,
    "participantLimit": -1,
    "selectActiveAudio": False,
    "enableBandwidthAdaptation": False,
    "roles": [
        role("presenter", "av", "av"),
        role("viewer", "", "av"),
        role("audio_only_presenter", "a", "a"),
        role("video_only_viewer", "", "v"),
        role("sip", "av", "av"),
    ],
    "views": [
        {
            "label": "common",
            "audio": {"format": {"codec": "opus", "sampleRate": 48000, "channelNum": 2}, "vad": True},
            "video": {
                "format": {"codec": "vp8"},
                "parameters": {
                    "resolution": {"width": 640, "height": 480},
                    "framerate": 24,
                    "keyFrameInterval": 100,
                },
                "maxInput": 16,
                "motionFactor": 0.8,
                "bgColor": {"r": 0, "g": 0, "b": 0},
                "keepActiveInputPrimary": False,
                "layout": {"fitPolicy": "letterbox", "templates": {"base": "fluid", "custom": []}},
            },
        }
    ],
    "mediaIn": {"audio": AUDIO_IN, "video": [{"codec": "h264"}, {"codec": "vp8"}, {"codec": "vp9"}]},
    "mediaOut": {
        "audio": [AAC if one == {"codec": "aac"} else one for one in AUDIO_IN],
        "video": {
            "format": [
                {"codec": "vp8"},
                {"codec": "h264", "profile": "CB"},
                {"codec": "h264", "profile": "B"},
                {"codec": "vp9"},
            ],
            "parameters": {
                "resolution": [
                    "x3/4", "x2/3", "x1/2", "x1/3", "x1/4", "hd1080p", "hd720p", "svga", "vga", "qvga", "cif",
                ],
                "framerate": [6, 12, 15, 24, 30, 48, 60],
                "bitrate": ["x0.8", "x0.6", "x0.4", "x0.2"],
                "keyFrameInterval": [100, 30, 5, 2, 1],
            },
        },
    },
    "transcoding": {
        "audio": True,
        "video": {
            "format": True,
            "parameters": {"resolution": True, "framerate": True, "bitrate": True, "keyFrameInterval": True},
        },
    },
    "notifying": {"participantActivities": True, "streamChange": True},
    "__v": 0,
}  # fmt: skip


async def created(house: House, **options: Any) -> Any:
    return await house.ok("POST", "/v1/rooms", {"name": "r", "options": options})


async def not_created(house: House, **options: Any) -> str:
    """The message with which these options are refused; the same on creation and on update."""
    status, code, message = await house.refused("POST", "/v1/rooms", {"name": "r", "options": options})
    assert (status, code) == (400, 1301)
    room = await house.room()
    before = await house.ok("GET", f"/v1/rooms/{room}")
    for method in ("PUT", "PATCH"):
        assert await house.refused(method, f"/v1/rooms/{room}", options) == (400, 1301, message)
    assert await house.ok("GET", f"/v1/rooms/{room}") == before
    return message


# ── creation ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_room_of_only_a_name_has_owts_defaults(house: House) -> None:
    room = await house.ok("POST", "/v1/rooms", {"name": "r1"})
    room_id = room["_id"]
    assert len(room_id) == 24
    int(room_id, 16)
    assert room == {"name": "r1", **DEFAULTS, "_id": room_id, "id": room_id}


async def test_get_list_and_update_show_the_same_room_with_both_ids(house: House) -> None:
    room = await house.ok("POST", "/v1/rooms", {"name": "r1"})
    assert await house.ok("GET", f"/v1/rooms/{room['_id']}") == room
    assert await house.ok("GET", "/v1/rooms") == [room]
    assert await house.ok("PUT", f"/v1/rooms/{room['_id']}", {}) == room


@pytest.mark.parametrize("name", ["", 5, None, ["x"], {}])
async def test_a_name_is_a_non_empty_string(house: House, name: Any) -> None:
    status, code, message = await house.refused("POST", "/v1/rooms", {"name": name})
    assert (status, code) == (400, 1301)
    assert message.startswith("name: ")


async def test_names_need_not_be_unique_and_may_be_anything(house: House) -> None:
    for name in ("same", "same", "Ä\u0000\u2028😀"):
        assert (await house.ok("POST", "/v1/rooms", {"name": name}))["name"] == name
    assert len(await house.ok("GET", "/v1/rooms")) == 3


@pytest.mark.parametrize("options", [None, {}, [], ["x"], 0, False, ""])
async def test_options_may_be_nothing(house: House, options: Any) -> None:
    room = await house.ok("POST", "/v1/rooms", {"name": "r", "options": options})
    assert room["views"] == DEFAULTS["views"]


@pytest.mark.parametrize("options", [5, "x", True])
async def test_options_are_an_object(house: House, options: Any) -> None:
    answer = await house.refused("POST", "/v1/rooms", {"name": "r", "options": options})
    assert answer == (400, 1301, "options: expected object")


async def test_unknown_keys_are_dropped_everywhere(house: House) -> None:
    room = await created(house, unknown=1, views=[{"label": "v", "name": "x", "video": {"unknown": 1}}])
    assert "unknown" not in room
    assert room["views"] == [{**DEFAULTS["views"][0], "label": "v"}]


async def test_null_means_absent_at_any_depth(house: House) -> None:
    room = await created(
        house, roles=None, views=[{"label": None, "audio": {"format": None}, "video": {"maxInput": None}}]
    )
    assert room["roles"] == DEFAULTS["roles"]
    assert room["views"] == DEFAULTS["views"]


async def test_numeric_strings_count_as_numbers(house: House) -> None:
    view = {"video": {"maxInput": "5", "motionFactor": "0.5", "bgColor": {"r": "255"}}}
    room = await created(house, participantLimit="7", views=[view])
    assert room["participantLimit"] == 7
    video = room["views"][0]["video"]
    assert (video["maxInput"], video["motionFactor"]) == (5, 0.5)
    assert video["bgColor"] == {"r": 255, "g": 0, "b": 0}


async def test_numbers_count_as_text_where_people_write_them(house: House) -> None:
    sip = {"sipServer": "sip.example", "username": 1001, "password": 4711}
    room = await created(house, views=[{"label": 7}], sip=sip)
    assert room["views"][0]["label"] == "7"
    assert room["sip"] == {"sipServer": "sip.example", "username": "1001", "password": "4711"}


async def test_given_roles_replace_the_defaults_as_they_are(house: House) -> None:
    roles = [role("speaker", "a", "av"), {"role": "mute"}]
    assert (await created(house, roles=roles))["roles"] == roles
    assert (await created(house, roles=[]))["roles"] == []


async def test_a_role_may_say_false_for_neither_and_shows_objects(house: House) -> None:
    room = await created(house, roles=[{"role": "watcher", "publish": False, "subscribe": True}])
    assert room["roles"] == [role("watcher", "", "av")]


async def test_no_views_are_kept_as_none(house: House) -> None:
    assert (await created(house, views=[]))["views"] == []


async def test_views_are_completed_member_by_member(house: House) -> None:
    view = {
        "label": "big",
        "video": {"parameters": {"resolution": {"width": 1280, "height": 720}, "bitrate": 900}},
    }
    shown = (await created(house, views=[view]))["views"][0]
    assert shown["audio"] == DEFAULTS["views"][0]["audio"]
    assert shown["video"]["parameters"] == {
        "resolution": {"width": 1280, "height": 720},
        "framerate": 24,
        "bitrate": 900,
        "keyFrameInterval": 100,
    }


async def test_a_view_may_have_no_video_and_labels_may_repeat(house: House) -> None:
    views = (await created(house, views=[{"video": False}, {"video": False}]))["views"]
    assert [(view["label"], view["video"]) for view in views] == [("common", False)] * 2


async def test_a_given_part_of_media_is_stored_as_given(house: House) -> None:
    opus, odd = AUDIO_IN[0], {"codec": "odd", "sampleRate": 1}
    room = await created(
        house, mediaOut={"audio": [odd, opus]}, mediaIn={"video": [{"codec": "av1"}]}, views=[]
    )
    nothing: dict[str, list[Any]] = {"resolution": [], "framerate": [], "bitrate": [], "keyFrameInterval": []}
    assert room["mediaOut"] == {"audio": [odd, opus], "video": {"format": [], "parameters": nothing}}
    assert room["mediaIn"] == {"audio": [], "video": [{"codec": "av1"}]}


async def test_media_parameters_are_not_held_against_any_list(house: House) -> None:
    parameters = {
        "resolution": ["odd"],
        "framerate": [7, 29.97],
        "bitrate": [500, "x3"],
        "keyFrameInterval": [9],
    }
    given = {"audio": [AUDIO_IN[0]], "video": {"format": [{"codec": "vp8"}], "parameters": parameters}}
    assert (await created(house, mediaOut=given))["mediaOut"] == given


async def test_switches_are_completed_member_by_member(house: House) -> None:
    room = await created(
        house,
        transcoding={"video": {"parameters": {"bitrate": False}}},
        notifying={"streamChange": False},
    )
    assert room["transcoding"]["audio"] is True
    assert room["transcoding"]["video"]["parameters"] == {
        "resolution": True,
        "framerate": True,
        "bitrate": False,
        "keyFrameInterval": True,
    }
    assert room["notifying"] == {"participantActivities": True, "streamChange": False}


async def test_av1_and_h265_are_accepted_where_a_room_lists_them(house: House) -> None:
    out = {"audio": [AUDIO_IN[0]], "video": {"format": [{"codec": "av1"}, {"codec": "h265"}]}}
    for codec in ("av1", "h265"):
        view = {"video": {"format": {"codec": codec}}}
        room = await created(house, mediaOut=out, views=[view])
        assert room["views"][0]["video"]["format"] == {"codec": codec}
        assert "MediaOut conflicts with View Setting" in await not_created(house, views=[view])


NO_SIP = {"sipServer": "", "username": "", "password": ""}


async def test_an_empty_sip_account_is_kept_as_it_is(house: House) -> None:
    room = await created(house, sip=NO_SIP)
    assert room["sip"] == NO_SIP
    path = f"/v1/rooms/{room['_id']}"
    account = {"sipServer": "s", "username": "u", "password": "p"}
    assert (await house.ok("PUT", path, {"sip": account}))["sip"] == account
    assert (await house.ok("PUT", path, {"sip": NO_SIP}))["sip"] == NO_SIP
    assert (await house.ok("GET", path))["sip"] == NO_SIP


async def test_empty_names_of_roles_and_codecs_are_kept_as_they_are(house: House) -> None:
    roles = [{"role": "", "publish": {"audio": True, "video": False}}]
    media_in = {"audio": [{"codec": ""}], "video": [{"codec": "", "profile": ""}]}
    room = await created(house, roles=roles, mediaIn=media_in)
    assert (room["roles"], room["mediaIn"]) == (roles, media_in)
    await house.open(room["_id"])


async def test_the_sip_password_comes_back_in_clear_from_every_answer_but_not_from_the_store(
    house: House,
) -> None:
    sip = {"sipServer": "sip.example", "username": "ann", "password": "p\u00e4ss"}
    room = await created(house, sip=sip)
    path = f"/v1/rooms/{room['_id']}"
    answers = [
        room,
        await house.ok("GET", path),
        *await house.ok("GET", "/v1/rooms"),
        await house.ok("PUT", path, {}),
    ]
    assert [answer["sip"] for answer in answers] == [sip] * 4
    (row,) = await house.store._database.read(Every(text("SELECT document FROM rooms")))
    stored = row.document
    assert "sip.example" in stored
    assert "p\u00e4ss" not in stored


def region(**area: Any) -> dict[str, Any]:
    given = {"left": "0", "top": 0, "width": "1/2", "height": 0.5} | area
    return {"id": "1", "shape": "rectangle", "area": given}


def custom(*regions: Any) -> list[Any]:
    return [{"video": {"layout": {"templates": {"custom": [{"region": list(regions)}]}}}}]


async def test_areas_are_fractions_and_come_back_as_strings(house: House) -> None:
    room = await created(house, views=custom(region(), {**region(left="0.25"), "id": 2}))
    regions = room["views"][0]["video"]["layout"]["templates"]["custom"][0]["region"]
    assert regions[0]["area"] == {"left": "0", "top": "0", "width": "1/2", "height": "0.5"}
    assert (regions[1]["id"], regions[1]["area"]["left"]) == ("2", "0.25")


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"views": [{"video": {"maxInput": 257}}]}, "views[0].video.maxInput: expected ≤ 256"),
    ({"views": [{"video": {"maxInput": 0}}]}, "views[0].video.maxInput: expected ≥ 1"),
    ({"views": [{}, {"video": {"maxInput": "many"}}]}, "views[1].video.maxInput: expected integer, got string"),
    ({"views": [{"video": {"bgColor": {"g": 256}}}]}, "views[0].video.bgColor.g: expected ≤ 255"),
    ({"views": [{"video": {"bgColor": {"b": -1}}}]}, "views[0].video.bgColor.b: expected ≥ 0"),
    ({"views": [{"video": {"motionFactor": "nan"}}]}, "views[0].video.motionFactor: expected > 0.0"),
    ({"views": [{"video": {"layout": {"fitPolicy": "stretch"}}}]}, "views[0].video.layout.fitPolicy: "),
    ({"views": [{"video": {"layout": {"templates": {"base": "x"}}}}]}, "views[0].video.layout.templates.base: "),
    ({"views": [{"audio": False}]}, "views[0].audio: expected object, got bool"),
    ({"views": [{"video": {"parameters": {"resolution": {"width": 64}}}}]},
     "views[0].video.parameters.resolution.height: required"),
    ({"views": [{"label": ""}]}, "views[0].label: "),
    ({"views": "common"}, "views: expected array, got str"),
    ({"views": custom({"area": region()["area"]})}, "views[0].video.layout.templates.custom[0].region[0].id: required"),
    ({"views": custom({**region(), "shape": "circle"})}, "views[0].video.layout.templates.custom[0].region[0].shape: "),
    ({"views": custom(region(left="a"))},
     "views[0].video.layout.templates.custom[0].region[0].area.left: 'a' is not a valid fraction"),
    ({"views": custom(region(width="3/2"))}, "views[0].video.layout.templates.custom[0].region[0].area.width: "),
    ({"views": custom(region(width="1/0"))}, "views[0].video.layout.templates.custom[0].region[0].area.width: "),
    ({"views": custom(region(top=-0.5))}, "views[0].video.layout.templates.custom[0].region[0].area.top: "),
    ({"roles": "presenter"}, "roles: expected array, got str"),
    ({"roles": ["presenter"]}, "roles[0]: expected object, got str"),
    ({"roles": [{"publish": {}}]}, "roles[0].role: required"),
    ({"participantLimit": 2**53}, "participantLimit: expected ≤ 9007199254740991"),
    ({"participantLimit": 1e300}, "participantLimit: "),
    ({"inputLimit": 10**400}, "inputLimit: "),
    ({"transcoding": {"audio": "maybe"}}, "transcoding.audio: expected boolean, got string"),
    ({"mediaIn": {"audio": [{}]}}, "mediaIn.audio[0].codec: required"),
    ({"mediaOut": {"video": {"parameters": {"framerate": ["fast"]}}}}, "mediaOut.video.parameters.framerate[0]: "),
    ({"mediaOut": {}}, "views[0].audio.format: MediaOut conflicts with View Setting"),
    ({"sip": {"sipServer": "x"}}, "sip.username: required"),
    ({"views": [{"video": {"format": {"codec": "h264"}}}]},
     "views[0].video.format: MediaOut conflicts with View Setting: h264 is not in mediaOut"),
    ({"views": [{"audio": {"format": {"codec": "opus"}}}]}, "views[0].audio.format: MediaOut conflicts with View"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), INVALID, ids=[message for _, message in INVALID])
async def test_what_is_wrong_is_said_with_its_place_on_creation_and_update(
    house: House, options: dict[str, Any], message: str
) -> None:
    assert (await not_created(house, **options)).startswith(message)


# ── listing ─────────────────────────────────────────────────────────────────────────────────────────


async def names(house: House, query: str = "") -> list[str]:
    return [room["name"] for room in await house.ok("GET", f"/v1/rooms{query}")]


async def test_rooms_are_listed_by_creation(house: House) -> None:
    for name in "cab":
        await house.room(name)
        house.clock.now += 1
    for name in "zy":
        await house.room(name)
    assert await names(house) == ["c", "a", "b", "z", "y"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", "abcde"),
        ("?page=2", "abcde"),
        ("?per_page=0", "abcde"),
        ("?per_page=-2", "abcde"),
        ("?per_page=x&page=2", "abcde"),
        ("?per_page=2", "ab"),
        ("?per_page=2&page=2", "cd"),
        ("?per_page=2&page=3", "e"),
        ("?per_page=2&page=4", ""),
        ("?per_page=2&page=0", "ab"),
        ("?per_page=2&page=-1", "ab"),
        ("?per_page=2&page=x", "ab"),
        ("?per_page=2&page=", "ab"),
        ("?page=1&per_page=50", "abcde"),
        ("?per_page=99999999999999999999&page=1", "abcde"),
        ("?per_page=9999999999&page=99999999999999999999", ""),
        ("?per_page=" + "9" * 5000, "abcde"),
        ("?per_page=%F0%9F%92%A9", "abcde"),
        ("?per_page=\u0662", "abcde"),
    ],
)
async def test_pages(house: House, query: str, shown: str) -> None:
    for name in "abcde":
        await house.room(name)
    assert "".join(await names(house, query)) == shown


async def test_a_page_says_how_many_there_are_and_where_its_neighbours_are(house: House) -> None:
    for name in "abcde":
        await house.room(name)
    await house.room("not counted", who=BERT)
    answer = await house.call("GET", "/v1/rooms?per_page=2&page=2")
    assert answer.headers["x-total-count"] == "5"
    links = {relation: link["url"] for relation, link in answer.links.items()}
    assert links == {
        "first": "/v1/rooms?page=1&per_page=2",
        "last": "/v1/rooms?page=3&per_page=2",
        "prev": "/v1/rooms?page=1&per_page=2",
        "next": "/v1/rooms?page=3&per_page=2",
    }
    last = await house.call("GET", links["last"])
    assert "next" not in last.links
    assert (await house.call("GET", "/v1/rooms")).headers["x-total-count"] == "5"


# ── ownership ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_service_sees_its_own_rooms_only_and_so_does_the_super_service(house: House) -> None:
    room = await house.room("anna's")
    for who in (BERT, SUPER):
        assert await house.ok("GET", "/v1/rooms", who=who) == []
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            for version in ("/v1", "/v1.1"):
                answer = await house.refused(method, f"{version}/rooms/{room}", {}, who=who)
                assert answer == (404, 1003, "Room not found")
    assert await names(house) == ["anna's"]


@pytest.mark.parametrize("room", ["0" * 24, "x", "A" * 24, "%00" * 24, "..", "a" * 10_000, "ü"])
async def test_an_unknown_or_malformed_id_is_not_found(house: House, room: str) -> None:
    for below in ("", "/streams", "/participants/x", "/analytics"):
        status, code, _ = await house.refused("GET", f"/v1/rooms/{room}{below}")
        assert (status, code) in {(404, 1003), (404, 1001)}
    assert (await house.refused("GET", f"/v1.1/rooms/{'0' * 24}/streams"))[1] == 1003


BELOW = (
    ("POST", "tokens"),
    ("PATCH", "participants/p"),
    ("PATCH", "streams/s"),
    ("DELETE", "streams/s"),
    ("POST", "streaming-ins"),
    ("PATCH", "streaming-ins/s"),
    ("POST", "recordings"),
    ("PATCH", "recordings/r"),
    ("POST", "streaming-outs"),
    ("POST", "analytics"),
    ("POST", "sipcalls"),
    ("PATCH", "sipcalls/s"),
)


@pytest.mark.parametrize(("method", "below"), BELOW)
async def test_the_room_comes_before_the_body_and_the_body_before_what_is_in_the_room(
    house: House, method: str, below: str
) -> None:
    room = await house.room()
    for version in ("/v1", "/v1.1"):
        assert (
            await house.client.request(method, f"{version}/rooms/{room}/{below}", json=5)
        ).status_code == 401
        foreign = await house.refused(method, f"{version}/rooms/{room}/{below}", 5, who=BERT)
        assert foreign == (404, 1003, "Room not found")
        own = await house.refused(method, f"{version}/rooms/{room}/{below}", 5)
        assert own[:2] == ((404, 1004) if method == "DELETE" else (400, 1301))


# ── updates ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_an_update_replaces_what_is_given_and_keeps_the_rest(house: House, method: str) -> None:
    room = await house.room("before", participantLimit=5)
    after = await house.ok(method, f"/v1/rooms/{room}", {"name": "after", "inputLimit": 3, "roles": []})
    assert (after["name"], after["participantLimit"], after["inputLimit"]) == ("after", 5, 3)
    assert after["roles"] == []
    assert after["views"] == DEFAULTS["views"]
    assert await house.ok("GET", f"/v1/rooms/{room}") == after


async def test_an_update_without_a_body_is_a_bad_request_and_an_empty_one_changes_nothing(
    house: House,
) -> None:
    room = await house.room()
    before = await house.ok("GET", f"/v1/rooms/{room}")
    for method in ("PUT", "PATCH"):
        assert (await house.refused(method, f"/v1/rooms/{room}"))[:2] == (400, 1301)
        assert await house.ok(method, f"/v1/rooms/{room}", {}) == before
        assert await house.ok(method, f"/v1/rooms/{room}", {"name": None}) == before


async def test_what_was_got_may_be_put_back(house: House) -> None:
    room = await house.room("r", views=[{"label": "a", "video": False}, {"label": "b"}], participantLimit=9)
    got = await house.ok("GET", f"/v1/rooms/{room}")
    assert await house.ok("PUT", f"/v1/rooms/{room}", got) == got


async def test_another_rooms_id_is_refused(house: House) -> None:
    room = await house.room()
    answer = await house.refused("PUT", f"/v1/rooms/{room}", {"_id": "0" * 24})
    assert answer == (400, 1301, "_id: not the id of this room")
    answer = await house.refused("PUT", f"/v1/rooms/{room}", {"_id": 5})
    assert answer == (400, 1301, "_id: expected string, got integer")


async def test_an_empty_name_is_refused(house: House) -> None:
    room = await house.room()
    assert (await house.refused("PUT", f"/v1/rooms/{room}", {"name": ""}))[:2] == (400, 1301)


async def test_a_room_with_an_audio_only_view_can_be_updated_without_repeating_it(house: House) -> None:
    room = await house.room("r", views=[{"label": "radio", "video": False}])
    after = await house.ok("PUT", f"/v1/rooms/{room}", {"name": "new"})
    assert after["views"][0]["video"] is False


async def test_media_that_the_views_need_cannot_be_taken_away(house: House) -> None:
    room = await house.room()
    out = {"audio": [AUDIO_IN[0]], "video": {"format": [{"codec": "vp9"}]}}
    _, _, message = await house.refused("PUT", f"/v1/rooms/{room}", {"mediaOut": out})
    assert message.startswith("views[0].video.format: MediaOut conflicts with View Setting")
    both = await house.ok("PUT", f"/v1/rooms/{room}", {"mediaOut": out, "views": []})
    assert both["views"] == []


async def test_a_running_room_keeps_its_definition(house: House) -> None:
    room = await house.room("before")
    host = await house.open(room, "ann")
    await house.ok("PUT", f"/v1/rooms/{room}", {"name": "after", "views": []})
    assert host.room.config.name == "before"
    assert len(await house.ok("GET", f"/v1/rooms/{room}/streams")) == 1


# ── deletion ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_deleted_room_is_gone_with_its_tokens(house: House) -> None:
    room = await house.room()
    await house.call("POST", f"/v1/rooms/{room}/tokens", {"user": "u", "role": "viewer"})
    answer = await house.call("DELETE", f"/v1/rooms/{room}")
    assert (answer.status_code, answer.text) == (200, "Room deleted")
    assert await house.refused("DELETE", f"/v1/rooms/{room}") == (404, 1003, "Room not found")
    assert await house.refused("GET", f"/v1/rooms/{room}") == (404, 1003, "Room not found")
    assert await house.store.tokens.purge(10**15) == 0


async def test_deleting_a_running_room_drops_everybody(house: House) -> None:
    room = await house.room()
    host = await house.open(room, "ann", "ben")
    told: list[Any] = []
    host.listen(told.append)
    await house.call("DELETE", f"/v1/rooms/{room}")
    assert [event.participant for event in told if isinstance(event, ParticipantDropped)] == ["ann", "ben"]
    assert house.rooms.get(RoomId(room)) is None


async def test_concurrent_updates_of_one_room_all_count(house: House) -> None:
    room = await house.room()
    changes: list[dict[str, Any]] = [{"participantLimit": 5}, {"inputLimit": 6}, {"name": "n"}, {"roles": []}]
    await asyncio.gather(*(house.ok("PATCH", f"/v1/rooms/{room}", change) for change in changes))
    after = await house.ok("GET", f"/v1/rooms/{room}")
    assert (after["participantLimit"], after["inputLimit"], after["name"], after["roles"]) == (5, 6, "n", [])


async def test_the_service_of_a_signature_owns_what_it_creates(house: House) -> None:
    room = await house.room(who=BERT)
    assert (await house.ok("GET", f"/v1/rooms/{room}", who=BERT))["_id"] == room
    assert (await house.refused("GET", f"/v1/rooms/{room}", who=ANNA))[1] == 1003


async def test_a_room_that_records_itself_is_kept_as_it_was_asked_for(house: House) -> None:
    room = await created(house, views=[{"label": 7}], recording={"auto": True, "view": 7})
    assert room["recording"] == {"auto": True, "container": "auto", "view": "7"}
    assert "recording" not in await created(house)
    path = f"/v1/rooms/{room['_id']}"
    off = {"recording": {"auto": False, "container": "mp4"}}
    assert (await house.ok("PATCH", path, off))["recording"] == off["recording"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"recording": {"container": "avi"}}, "recording.container"),
        ({"recording": {"auto": "maybe"}}, "recording.auto"),
        ({"recording": {"view": "other"}}, "recording.view: the room has no view 'other'"),
        ({"recording": {}, "views": []}, "recording.auto: the room has no view to record"),
    ],
)
async def test_a_room_that_cannot_record_itself_so_is_refused(
    house: House, options: dict[str, Any], said: str
) -> None:
    status, code, message = await house.refused("POST", "/v1/rooms", {"name": "r", "options": options})
    assert (status, code) == (400, 1301)
    assert said in message


async def test_the_view_that_a_room_records_cannot_be_taken_away(house: House) -> None:
    room = await created(house, recording={})
    body = {"views": [{"label": "other"}]}
    assert (await house.ok("PATCH", f"/v1/rooms/{room['_id']}", body))["views"][0]["label"] == "other"
    await house.ok("PATCH", f"/v1/rooms/{room['_id']}", {"recording": {"view": "other"}})
    _, code, message = await house.refused("PATCH", f"/v1/rooms/{room['_id']}", {"views": [{"label": "a"}]})
    assert (code, "recording.view" in message) == (1301, True)
