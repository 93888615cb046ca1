"""Requests as data: what is sent, and how answers are read."""

from __future__ import annotations

import msgspec
import pytest

from palaver.client import Patch, RequestRefused, Room, RoomOptions, ServerUnreachable
from palaver.client.operations import (
    RECORDINGS,
    RoomOperations,
    StreamOperations,
    TokenOperations,
    read,
    signature,
)


def test_members_that_are_not_set_are_not_sent() -> None:
    operation = RoomOperations().create("standup", RoomOptions(participant_limit=5))
    assert operation.content is not None
    assert msgspec.json.decode(operation.content) == {"name": "standup", "options": {"participantLimit": 5}}


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    assert StreamOperations().get("a/b", "../c").path == "/v1.1/rooms/a%2Fb/streams/..%2Fc"


def test_the_signature_is_the_base64_of_the_hexadecimal_digest() -> None:
    header = signature("53c74879209ee7f96e5cbc9c", "key", 1406079112038, "87428")
    assert header.startswith("MAuth realm=palaver,")
    given = header.rsplit("mauth_signature=", 1)[1]
    assert given == "MGJkZDRkZDRhYjUzMWQxNjljMGNhNWJkNWVkNzdiNWU5MWJlMjhhY2IxZGM0ZWNjMDVmMTA0Mzk1ODZmNjQ3Mg=="


def test_a_refusal_carries_status_code_and_message() -> None:
    body = b'{"error": {"code": 1003, "message": "Room not found"}}'
    with pytest.raises(RequestRefused) as refused:
        read(RoomOperations().get("x"), 404, body)
    assert (refused.value.status, refused.value.code, refused.value.message) == (404, 1003, "Room not found")


def test_a_refusal_by_something_else_still_says_what_it_said() -> None:
    with pytest.raises(RequestRefused, match="Bad gateway"):
        read(RoomOperations().get("x"), 502, b"Bad gateway")


def test_an_answer_that_is_no_room_is_not_mistaken_for_one() -> None:
    with pytest.raises(ServerUnreachable, match="not a Palaver answer"):
        read(RoomOperations().get("x"), 200, b"<html>")


def test_a_list_knows_how_many_there_are_on_all_pages() -> None:
    page = read(RoomOperations().list(1, 1), 200, b'[{"_id": "a", "name": "b", "future": 1}]', "7")
    assert ([room.id for room in page], page.total, len(page)) == (["a"], 7, 1)
    assert isinstance(page.items[0], Room)


def test_a_reusable_token_asks_for_its_life_time() -> None:
    operation = TokenOperations().create("r", "encoder", "presenter", reusable=True, ttl_s=60)
    assert operation.body == {"user": "encoder", "role": "presenter", "reusable": True, "ttlSeconds": 60}


def test_a_patch_is_sent_as_the_guide_writes_it() -> None:
    operation = RECORDINGS.update("r", "1", [Patch("replace", "/media/audio/from", "x")])
    assert operation.content is not None
    assert msgspec.json.decode(operation.content) == [
        {"op": "replace", "path": "/media/audio/from", "value": "x"}
    ]
