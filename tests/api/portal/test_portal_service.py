"""In service: publishing, subscribing, texts and controls, over real sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from palaver.room.values import RoomId
from tests.api.portal.house import House, client, house, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


DELAY_S = 1.0
"""Between two notifications: so long that they do not come at once to a client that was not looking."""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def test_publishing_goes_in_the_order_of_the_protocol(tmp_path: Path) -> None:
    async with house(tmp_path, stream_delay_s=DELAY_S) as here, client(here) as ann:
        await ann.login(await here.token())
        answer = await ann.publish()
        assert answer["id"] == answer["transportId"]
        assert len(answer["id"]) == 32
        added = await ann.hear("stream")
        transport = answer["transportId"]
        assert [(heard.event, heard.data["id"], heard.data["status"]) for heard in ann.heard] == [
            ("progress", transport, "soac"),
            ("progress", transport, "ready"),
            ("progress", transport, "ready"),
            ("stream", answer["id"], "add"),
        ]
        soac, up, ready = (heard.data for heard in ann.heard[:3])
        assert soac["data"]["type"] == "answer"
        assert soac["data"]["sdp"].startswith("v=0")
        assert "sessionId" not in up
        assert ready["sessionId"] == answer["id"]
        assert added.at - ann.heard[2].at >= 0.010, "a client needs some time between the two"
        (track,) = added.data["data"]["media"]["tracks"]
        assert (track["type"], track["source"], track["id"]) == ("audio", "mic", f"{transport}-0")


async def test_an_answer_comes_after_the_acknowledgement_of_its_offer(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        answer = await ann.ok(
            "publish", {"media": {"tracks": [{"type": "audio", "mid": "0", "source": "mic"}]}}
        )
        order: list[str] = []
        ann.sio.on("progress", lambda data: order.append(data["status"]))
        from tests.api.portal.house import sdp

        offer = {"type": "offer", "sdp": sdp({"0": ("audio", "sendonly")})}
        await ann.sio.emit(
            "soac", {"id": answer["transportId"], "signaling": offer}, callback=lambda *_: order.append("ack")
        )
        await ann.hear("stream")
        assert order[:2] == ["ack", "soac"]


async def test_later_sessions_share_the_transport_and_it_is_ready_once(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        first = await ann.publish("0")
        await ann.hear("stream")
        second = await ann.publish("1", transport=first["transportId"])
        assert second["transportId"] == first["transportId"]
        assert second["id"] != first["id"]
        await ann.hear("stream", lambda data: data["id"] == second["id"])
        ready = [
            heard.data for heard in ann.heard if heard.event == "progress" and heard.data["status"] == "ready"
        ]
        assert [data.get("sessionId") for data in ready] == [None, first["id"], second["id"]]


async def test_a_newcomer_sees_live_streams_and_can_subscribe(here: House) -> None:
    async with client(here) as ann, client(here) as bob:
        await ann.login(await here.token())
        stream = (await ann.publish())["id"]
        await ann.hear("stream")
        joined = await bob.login(await here.token())
        (info,) = [one for one in joined["room"]["streams"] if one["type"] == "forward"]
        assert info["id"] == stream
        subscription = await bob.subscribe(stream)
        ready = await bob.hear("progress", lambda data: "sessionId" in data)
        assert ready.data == {
            "id": subscription["transportId"], "sessionId": subscription["id"], "status": "ready",
        }  # fmt: skip


async def test_a_stream_that_ends_is_an_error_to_its_subscriber_and_removed_for_all(here: House) -> None:
    async with client(here) as ann, client(here) as bob:
        await ann.login(await here.token())
        await bob.login(await here.token())
        stream = (await ann.publish())["id"]
        await bob.hear("stream")
        subscription = await bob.subscribe(stream)
        await bob.hear("progress", lambda data: "sessionId" in data)
        assert await ann.request("unpublish", {"id": stream}) == ("ok",)
        failed = await bob.hear("progress", lambda data: data["status"] == "error")
        assert failed.data["sessionId"] == subscription["id"]
        assert failed.data["data"] == "Source stream loss"
        for one in (ann, bob):
            await one.hear("stream", lambda data: data == {"id": stream, "status": "remove"})
        assert await bob.request("unsubscribe", {"id": subscription["id"]}) == (
            "error",
            "Subscription does NOT exist",
        )


async def test_texts_reach_everybody_or_one(here: House) -> None:
    async with client(here) as ann, client(here) as bob, client(here) as eve:
        ids = [(await one.login(await here.token()))["id"] for one in (ann, bob, eve)]
        await ann.ok("text", {"to": "all", "message": "hello"})
        for one in (ann, bob, eve):
            assert (await one.hear("text")).data == {"from": ids[0], "to": "all", "message": "hello"}
        await ann.ok("text", {"to": ids[1], "message": "psst"})
        private = await bob.hear("text", lambda data: data["to"] == "me")
        assert private.data == {"from": ids[0], "to": "me", "message": "psst"}
        await ann.ok("text", {"to": "all", "message": "end"})
        await eve.hear("text", lambda data: data["message"] == "end")
        assert "psst" not in [heard.data["message"] for heard in eve.heard if heard.event == "text"]


async def test_muting_is_told_to_all(here: House) -> None:
    async with client(here) as ann, client(here) as bob:
        await ann.login(await here.token())
        await bob.login(await here.token())
        stream = (await ann.publish())["id"]
        await bob.hear("stream")
        control = {"id": stream, "operation": "pause", "data": "audio"}
        assert await ann.request("stream-control", control) == ("ok", "ok")
        for one in (ann, bob):
            update = await one.hear("stream", lambda data: data["status"] == "update")
            assert update.data == {
                "id": stream, "status": "update", "data": {"field": "audio.status", "value": "inactive"},
            }  # fmt: skip


async def test_only_the_owner_controls_what_it_has(here: House) -> None:
    async with client(here) as ann, client(here) as bob:
        await ann.login(await here.token())
        await bob.login(await here.token())
        stream = (await ann.publish())["id"]
        await bob.hear("stream")
        subscription = (await bob.subscribe(stream))["id"]
        denied = ("error", "unauthorized")
        assert await bob.request("unpublish", {"id": stream}) == denied
        pause = {"operation": "pause", "data": "audio"}
        assert await bob.request("stream-control", {"id": stream, **pause}) == denied
        assert await ann.request("unsubscribe", {"id": subscription}) == denied
        assert await ann.request("subscription-control", {"id": subscription, **pause}) == denied
        assert await bob.request("subscription-control", {"id": subscription, **pause}) == ("ok",)


async def test_an_unchanged_subscription_update_is_fine_and_another_is_refused(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        stream = (await ann.publish())["id"]
        await ann.hear("stream")
        subscription = (await ann.subscribe(stream))["id"]
        update = {"id": subscription, "operation": "update"}
        same = {**update, "data": {"audio": {"from": stream}}}
        assert await ann.request("subscription-control", same) == ("ok",)
        other = {**update, "data": {"audio": {"from": "elsewhere"}}}
        refusal = "Target audio stream does NOT satisfy:Requested audio stream"
        assert await ann.request("subscription-control", other) == ("error", refusal)
        missing = {**update, "data": {"video": {"from": stream}}}
        assert await ann.request("subscription-control", missing) == ("error", "Update subscription failed")


async def test_a_role_without_permission_is_unauthorized(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token(role="audio_only_presenter"))
        video = {"media": {"tracks": [{"type": "video", "mid": "0", "source": "camera"}]}}
        assert await ann.request("publish", video) == ("error", "unauthorized")


@pytest.mark.parametrize("kind", ["audio", "video"])
async def test_a_kind_that_the_room_takes_no_format_of_is_forbidden(tmp_path: Path, kind: str) -> None:
    other = {"audio": "video", "video": "audio"}[kind]
    takes = {"audio": [{"codec": "opus", "sampleRate": 48000, "channelNum": 2}], "video": [{"codec": "vp8"}]}
    async with house(tmp_path, {"mediaIn": {kind: [], other: takes[other]}}) as here, client(here) as ann:
        await ann.login(await here.token())
        track = {"type": kind, "mid": "0", "source": {"audio": "mic", "video": "camera"}[kind]}
        answer = await ann.request("publish", {"media": {"tracks": [track]}})
        assert answer == ("error", f"{kind.capitalize()} is forbiden")


async def test_an_unknown_stream_cannot_be_subscribed_to(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        wanted = {"media": {"tracks": [{"type": "audio", "mid": "0", "from": "nothing"}]}}
        assert await ann.request("subscribe", wanted) == (
            "error",
            "Target audio stream does NOT satisfy:Requested audio stream",
        )


@pytest.mark.parametrize(("limit", "status"), [(0, "error"), (-1, "ok")])
async def test_the_input_limit_holds(tmp_path: Path, limit: int, status: str) -> None:
    async with house(tmp_path, {"inputLimit": limit}) as here, client(here) as ann:
        await ann.login(await here.token())
        audio = {"media": {"tracks": [{"type": "audio", "mid": "0", "source": "mic"}]}}
        answer = await ann.request("publish", audio)
        assert answer[0] == status
        if status == "error":
            assert answer[1] == "Too many inputs"


async def test_an_offer_after_a_refused_publish_is_answered_and_harms_nothing(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        assert (await ann.request("publish", {"media": None}))[0] == "error"
        offer = {"type": "offer", "sdp": "v=0"}
        assert await ann.request("soac", {"signaling": offer}) == ("error", "Invalid soac id")
        await ann.publish()
        await ann.hear("stream")


async def test_signalling_for_nobody_names_the_transport(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        candidate = {
            "type": "candidate",
            "candidate": {"candidate": "a=candidate:1 1 udp 1 127.0.0.1 9 typ host"},
        }
        for signaling in (candidate, {"type": "offer", "sdp": "v=0\r\n"}):
            answer = await ann.request("soac", {"id": "nobody", "signaling": signaling})
            assert answer == ("error", "Transport nobody does NOT exist")


async def test_the_transport_of_somebody_else_cannot_be_used(here: House) -> None:
    async with client(here) as ann, client(here) as eve:
        await ann.login(await here.token())
        await eve.login(await here.token())
        transport = (await ann.publish())["transportId"]
        tracks = [{"type": "audio", "mid": "9", "source": "mic"}]
        stolen = {"media": {"tracks": tracks}, "transport": {"type": "webrtc", "id": transport}}
        assert await eve.request("publish", stolen) == ("error", "unauthorized")
        offer = {"id": transport, "signaling": {"type": "offer", "sdp": "v=0\r\n"}}
        assert await eve.request("soac", offer) == ("error", f"Transport {transport} does NOT exist")


async def test_a_refused_offer_is_an_error_with_a_reason(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        audio = {"media": {"tracks": [{"type": "audio", "mid": "0", "source": "mic"}]}}
        transport = (await ann.ok("publish", audio))["transportId"]
        status, reason = await ann.request(
            "soac", {"id": transport, "signaling": {"type": "offer", "sdp": "nonsense"}}
        )
        assert status == "error"
        assert reason
        assert not [heard for heard in ann.heard if heard.event == "progress"]


@pytest.mark.parametrize("protocol", ["1.0", "1.1"])
async def test_older_clients_publish_and_hear_in_their_own_words(here: House, protocol: str) -> None:
    async with client(here) as old, client(here) as new:
        await new.login(await here.token())
        await old.login(await here.token(), sdk="Android", protocol=protocol)
        answer = await old.ok("publish", {"media": {"audio": {"source": "mic"}, "video": False}})
        await old.offer(answer["transportId"], {"0": ("audio", "sendonly")})
        ready = await old.hear("session-progress")
        assert ready.data == {"id": answer["id"], "status": "ready"}
        assert "audio" in (await old.hear("stream")).data["data"]["media"]
        assert "tracks" in (await new.hear("stream")).data["data"]["media"]


async def test_a_new_ticket_can_be_had_any_time(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        assert isinstance(await ann.ok("refreshReconnectionTicket"), str)


async def test_a_client_that_cannot_resume_gets_no_ticket(here: House) -> None:
    async with client(here) as ann:
        joined = await ann.login(await here.token(), sdk="Other")
        assert "reconnectionTicket" not in joined
        assert await ann.request("refreshReconnectionTicket") == ("error", "Reconnection is not enabled.")


async def test_stats_count_what_is_there(here: House) -> None:
    async with client(here) as ann, client(here):
        await ann.login(await here.token())
        await ann.request("nonsense")
        stats = here.portal.stats()
        assert (stats["portal_connections"], stats["portal_sessions"]) == (2, 1)
        assert (stats["portal_requests"], stats["portal_requests_refused"]) == (2, 1)
        assert stats["portal_requests_failed"] == 0
        assert here.rooms.get(RoomId(here.definition.id)) is not None


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_client_that_has_gone_leaves_no_task_behind(here: House, transport: str) -> None:
    async with client(here):
        pass
    before = len(asyncio.all_tasks())
    for _ in range(5):
        async with client(here, transport) as one:
            await one.login(await here.token())
            await one.ok("logout")
    await until(lambda: len(asyncio.all_tasks()) <= before)


@pytest.mark.parametrize("candidate", ["", "a=", "candidate:", "a=candidate:", "a=end-of-candidates", " "])
async def test_the_end_of_candidates_is_acknowledged(here: House, candidate: str) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        published = await ann.publish()
        said = {"type": "candidate", "candidate": {"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0}}
        assert await ann.request("soac", {"id": published["transportId"], "signaling": said}) == ("ok",)
