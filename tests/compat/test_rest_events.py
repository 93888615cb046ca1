"""/v1/rooms/{room}/events and /v1/webhooks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from palaver.api.wire.events import described
from palaver.room.messages import AnalysisSeen, Leave, SendText
from palaver.room.values import ParticipantId, StreamId, SubscriptionId
from tests.compat.rest_house import ANNA, BERT, House, live

HOOK = {"url": "http://127.0.0.1:9/palaver"}


async def followed(house: House, room: str, headers: dict[str, str] | None = None) -> str:
    """All that the stream of a room's events says until the room is deleted."""
    answer = await house.call("GET", f"/v1/rooms/{room}/events", headers=headers or {})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return answer.text


async def test_events_come_in_order_until_the_room_is_deleted(house: House) -> None:
    room = await house.room()

    async def happen() -> None:
        while not house.feed.stats()["followers"]:
            await house.tick()
        host = await house.open(room, "ann", "bob")
        live(host, "s1", "ann")
        host.submit(SendText(ParticipantId("ann"), "all", "hello"))
        host.submit(Leave(ParticipantId("bob")))
        await house.call("DELETE", f"/v1/rooms/{room}")

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(followed(house, room))
        tasks.create_task(happen())
    kinds = [line.removeprefix("event: ") for line in following.result().splitlines() if line[:6] == "event:"]
    assert kinds[:6] == [
        *("room.started", "participant.joined", "participant.joined", "stream.added", "text.sent"),
        "participant.left",
    ]
    assert kinds[-2:] == ["room.ended", "room.deleted"]


async def test_who_comes_back_hears_what_it_missed(house: House) -> None:
    room = await house.room()
    await house.open(room, "ann")
    await house.call("DELETE", f"/v1/rooms/{room}")
    await house.store.rooms.create(room, ANNA.id, {"name": "again"}, created_ms=2)
    answer = await followed(house, room, {"last-event-id": "long ago"})
    assert answer.index("event: missed") < answer.index("event: participant.joined")


async def test_events_of_others_are_not_heard(house: House) -> None:
    room = await house.room(who=ANNA)
    assert (await house.refused("GET", f"/v1/rooms/{room}/events", who=BERT))[0] == 404
    assert (await house.client.get(f"/v1/rooms/{room}/events")).status_code == 401


async def test_a_webhook_is_made_listed_and_deleted(house: House) -> None:
    made = await house.ok("POST", "/v1/webhooks", HOOK)
    assert made["secret"].startswith("whsec_")
    assert "text.sent" not in made["events"]
    (listed,) = await house.ok("GET", "/v1/webhooks")
    assert "secret" not in listed
    assert await house.ok("GET", f"/v1/webhooks/{made['id']}") == listed
    assert await house.ok("GET", "/v1/webhooks", who=BERT) == []
    for method in ("GET", "DELETE"):
        assert (await house.refused(method, f"/v1/webhooks/{made['id']}", who=BERT))[0] == 404
    assert (await house.call("DELETE", f"/v1/webhooks/{made['id']}")).status_code == 200
    assert await house.ok("GET", "/v1/webhooks") == []


async def test_what_a_url_hides_is_not_shown(house: House) -> None:
    made = await house.ok("POST", "/v1/webhooks", {"url": "http://u:hunter2@127.0.0.1/?key=hunter2"})
    assert "hunter2" not in str(made)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "url"),
        ({"url": "ftp://127.0.0.1/"}, "url: expected http or https"),
        ({"url": "http://169.254.169.254/"}, "url: link-local"),
        ({**HOOK, "events": ["participant.joined", "nonsense"]}, "events[1]"),
        ({**HOOK, "events": []}, "events"),
        ({**HOOK, "secret": "short"}, "secret"),
        ({**HOOK, "secret": "whsec_AAAA"}, "secret"),
    ],
)
async def test_a_refusal_names_the_field(house: House, body: dict[str, Any], named: str) -> None:
    status, code, message = await house.refused("POST", "/v1/webhooks", body)
    assert (status, code) == (400, 1301)
    assert named in message


async def test_the_webhooks_of_a_service_are_bounded(house: House) -> None:
    for _ in range(20):
        await house.ok("POST", "/v1/webhooks", HOOK)
    assert (await house.refused("POST", "/v1/webhooks", HOOK))[:2] == (500, 1201)
    await house.ok("POST", "/v1/webhooks", HOOK, who=BERT)


async def test_a_test_says_why_it_was_not_delivered(house: House) -> None:
    made = await house.ok("POST", "/v1/webhooks", HOOK)
    status, _, message = await house.refused("POST", f"/v1/webhooks/{made['id']}/test")
    assert status == 500
    assert message.startswith("Not delivered: ")


async def test_what_analyses_see_is_told(house: House) -> None:
    room = await house.room()
    host = await house.open(room)
    seen = AnalysisSeen(SubscriptionId("a1"), StreamId("s1"), "motion", "motion", {"level": 0.5}, 1)
    assert described(seen, host) == (
        "analysis.seen",
        {
            "stream": {"id": "s1"},
            "analysis": {"id": "a1", "algorithm": "motion", "name": "motion", "data": {"level": 0.5}},
        },
    )
