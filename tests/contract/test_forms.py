"""In how many forms a view is encoded, for whom, and from when on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from palaver.media.encoders import FormLimits
from palaver.media.pipelines.frames import Codec
from palaver.room.endpoints import FileSink, WebRtcSink
from palaver.room.messages import CloseSink, OpenSink, SinkLost
from palaver.room.values import (
    ParticipantId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    TransportId,
    VideoParameters,
)
from tests.contract.engines import ROOM, counter, until
from tests.contract.guests import Caller
from tests.contract.server_house import VIEW, House, Listener, open_house, picture
from tests.offers import offer

pytestmark = [pytest.mark.net, pytest.mark.timeout(180)]

MANY = 100
CLOCK_RATE = 90_000


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as here:
        yield here


def form(number: int) -> SubscribedTrack:
    """The view in a form that has no other number."""
    return picture(stream=VIEW, transcoded=True, parameters=VideoParameters(bitrate=1000.0 + number))


def losses(house: House) -> list[str]:
    return [one.reason for one in house.bench.reports if isinstance(one, SinkLost)]


@dataclass
class Fluent:
    """Whether thirty pictures in a row were made in twice the time that they last, at most."""

    listener: Listener
    seen: int = 0

    def __call__(self) -> bool:
        times = [one.pts for one in self.listener.got(Codec.VP8)][self.seen :]
        if len(times) < 30:
            return False
        self.seen += 15
        return times[29] - times[0] < 2 * 30 * CLOCK_RATE / 15


async def test_a_hundred_forms_are_refused_beyond_the_limit_and_the_view_goes_on(house: House) -> None:
    await house.bars()
    await house.view()
    watching = await house.listen(picture(stream=VIEW, transcoded=True))
    await until(lambda: watching.got(Codec.VP8))
    for number in range(MANY):
        subscription = Subscription(SubscriptionId(f"more{number}"), None, None, (form(number),))
        await house.bench.engine.perform(ROOM, OpenSink(subscription, FileSink("a.mkv", "mkv")))
    await until(lambda: len(losses(house)) == MANY - 15)
    assert all(reason.startswith("video.parameters: room-common") for reason in losses(house))
    assert counter(house.bench, "forms") == counter(house.bench, "forms_encoded") == 16
    assert counter(house.bench, "forms_refused_total") == MANY - 15
    before = len(watching.got(Codec.VP8))
    await until(Fluent(watching, before))
    for number in range(MANY):
        await house.bench.engine.perform(ROOM, CloseSink(SubscriptionId(f"more{number}")))
    await until(lambda: counter(house.bench, "forms") == 1)
    await house.listen(form(MANY), name="another")


async def negotiate(house: House, owner: str, count: int) -> None:
    """Somebody asks for so many forms and gets an answer, but does not connect."""
    at = TransportId(owner)
    for number in range(count):
        track = replace(form(number), mid=str(number))
        subscription = Subscription(SubscriptionId(f"{owner}{number}"), ParticipantId(owner), at, (track,))
        await house.bench.engine.perform(ROOM, OpenSink(subscription, WebRtcSink(at)))
    sections = [("video", str(number), "recvonly") for number in range(count)]
    await house.bench.engine.negotiate(ROOM, ParticipantId(owner), at, offer(*sections))


async def test_one_participant_leaves_forms_for_others() -> None:
    async with open_house(FormLimits(of_one=3, of_participant=2)) as house:
        await house.bars()
        await house.view()
        await negotiate(house, "ann", 3)
        lost = await house.bench.heard("SinkLost", "ann2")
        assert isinstance(lost, SinkLost)
        assert lost.reason.startswith("video.parameters: ann receives 2 forms")
        await negotiate(house, "ben", 2)
        assert len(losses(house)) == 1, "the same forms cost nothing more"
        await house.bench.engine.perform(ROOM, CloseSink(SubscriptionId("ann1")))
        await negotiate(house, "eve", 2)
        assert counter(house.bench, "forms") == 2
        await house.bench.engine.close_room(ROOM)
        await until(lambda: house.bench.held() == 0)


async def test_encoding_begins_with_a_client_that_is_connected_and_ends_with_it(house: House) -> None:
    await house.bars()
    await house.view()
    await negotiate(house, "ann", 3)
    assert counter(house.bench, "forms") == 3
    assert counter(house.bench, "forms_encoded") == counter(house.bench, "pipelines") == 0
    ben = house.bench.guest("ben")
    assert isinstance(ben, Caller)
    await house.bench.open_sink("sub", "ben", VIEW, ben.add("video", "recvonly"), transcoded=True)
    await ben.negotiate()
    await house.bench.heard("SinkReady", "sub")
    assert counter(house.bench, "forms_encoded") == 1
    await ben.received("0").recv()
    await ben.vanish()
    await until(lambda: counter(house.bench, "forms_encoded") == 0)
    await until(lambda: counter(house.bench, "pipelines") == 0)
