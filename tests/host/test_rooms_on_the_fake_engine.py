"""Rooms on the engine that ships with the package: a publication and a subscription from offer to end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from palaver.host import Rooms
from palaver.media.fake import FakeEngine
from palaver.media.ports import NegotiationError, TransportNotFound
from palaver.room.messages import (
    Event,
    Join,
    SessionFailed,
    SessionReady,
    StreamAdded,
    StreamRemoved,
    TransportFailed,
    TransportUp,
    Unpublish,
)
from palaver.room.values import KINDS
from tests.host.recorder import settle
from tests.host.virtual import in_virtual_time, now
from tests.room.scenes import ANN, ANNS, BEN, BENS, CAM, CONFIG, SUB, publish, subscribe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from palaver.host import RoomHost
    from palaver.media.ports import Engine

CODECS = {"audio": (111, "opus/48000/2"), "video": (96, "VP8/90000")}


def offer(direction: str, first_mid: int) -> str:
    """What a browser would say: audio and video, one payload each."""
    mids = [str(mid) for mid, _ in enumerate(KINDS, first_mid)]
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {' '.join(mids)}"]
    for kind, mid in zip(KINDS, mids, strict=True):
        payload, codec = CODECS[kind]
        lines += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {payload}",
            "c=IN IP4 0.0.0.0",
            "a=ice-ufrag:abcd",
            "a=ice-pwd:abcdefghijklmnopqrstuvwx",
            "a=fingerprint:sha-256 " + ":".join(["00"] * 32),
            "a=setup:actpass",
            f"a=mid:{mid}",
            f"a={direction}",
            "a=rtcp-mux",
            f"a=rtpmap:{payload} {codec}",
        ]
    return "\r\n".join([*lines, ""])


@asynccontextmanager
async def ann_and_ben() -> AsyncIterator[tuple[RoomHost, FakeEngine, list[Event]]]:
    """Both have joined; what is told after that."""
    fake = FakeEngine()
    engine: Engine = fake
    rooms = Rooms(engine, clock=now)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(rooms.run())
        host = rooms.open(CONFIG)
        for member in (ANN, BEN):
            host.submit(Join(member, "somebody", "presenter"))
        told: list[Event] = []
        host.listen(told.append)
        yield host, fake, told
        run.cancel()


async def call(host: RoomHost) -> None:
    """Ann publishes and Ben receives her."""
    host.submit(publish(ANN))
    await host.negotiate(ANN, ANNS, offer("sendonly", 0))
    await settle()
    host.submit(subscribe(BEN))
    await host.negotiate(BEN, BENS, offer("recvonly", 10))
    await settle()


@in_virtual_time
async def test_a_call_from_offer_to_ready_and_to_its_end() -> None:
    async with ann_and_ben() as (host, _, told):
        await call(host)
        live = host.room.streams[CAM]
        assert told == [
            TransportUp(ANN, ANNS),
            SessionReady(ANN, ANNS, CAM),
            StreamAdded(live),
            TransportUp(BEN, BENS),
            SessionReady(BEN, BENS, SUB),
        ]
        assert [track.id for track in live.tracks] == ["anns-0", "anns-1"]
        del told[:]
        host.submit(Unpublish(ANN, CAM))
        assert told == [SessionFailed(BEN, BENS, SUB, "Source stream loss"), StreamRemoved(CAM)]
        await settle()


@in_virtual_time
async def test_a_lost_transport_reaches_those_who_watched() -> None:
    async with ann_and_ben() as (host, engine, told):
        await call(host)
        del told[:]
        engine.lose(CONFIG.id, ANNS, "ice timeout")
        await settle()
        assert told == [
            TransportFailed(ANN, ANNS, "ice timeout"),
            SessionFailed(BEN, BENS, SUB, "Source stream loss"),
            StreamRemoved(CAM),
        ]


@in_virtual_time
async def test_a_codec_that_the_room_does_not_take_costs_its_own_section_only() -> None:
    async with ann_and_ben() as (host, _, told):
        host.submit(publish(ANN))
        await host.negotiate(ANN, ANNS, offer("sendonly", 0).replace("VP8", "AV1"))
        await settle()
        assert not [event for event in told if isinstance(event, SessionFailed)]
        assert [track.kind for track in host.room.streams[CAM].tracks] == ["audio"]


@in_virtual_time
async def test_a_publication_without_any_codec_that_the_room_takes_fails() -> None:
    async with ann_and_ben() as (host, _, told):
        host.submit(publish(ANN))
        with suppress(NegotiationError):
            await host.negotiate(
                ANN, ANNS, offer("sendonly", 0).replace("VP8", "AV1").replace("opus", "speex")
            )
        await settle()
        failures = [event for event in told if isinstance(event, SessionFailed)]
        assert [replace(failure, reason="") for failure in failures] == [SessionFailed(ANN, ANNS, CAM, "")]
        assert CAM not in host.room.streams


@in_virtual_time
async def test_an_offer_for_the_transport_of_another_is_refused() -> None:
    async with ann_and_ben() as (host, _, _told):
        host.submit(publish(ANN))
        with pytest.raises(TransportNotFound):
            await host.negotiate(BEN, ANNS, offer("sendonly", 0))
