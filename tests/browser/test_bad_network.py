"""Two browsers over a network that loses and delays: what the one who watches sees and hears.

The limits here hold on a machine with two busy cores; bench/bad_network.py has the figures.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest
from playwright.async_api import Page

from tests.browser.call import Call, Span
from tests.net.relay import Conditions, Relay, relay
from tests.servers import Server

pytestmark = pytest.mark.timeout(180)
Bare = Callable[[], Awaitable[Page]]
LOSSY = Conditions(loss=0.05, delay_s=0.025, jitter_s=0.005)


@pytest.fixture
def network() -> Iterator[Relay]:
    with relay() as running:
        yield running


async def watched(call: Call, frames: int) -> Span:
    before = await call.inbound()
    await call.sees(frames)
    return Span.between(before, await call.inbound())


@pytest.mark.parametrize("relayed", ["ann", "bob"])
async def test_five_percent_of_loss_are_repaired(
    bare: Bare, server: Server, network: Relay, relayed: str
) -> None:
    call = await Call.begin(server, bare, network, relayed)
    network.set(LOSSY, LOSSY)
    seen = await watched(call, 250)
    assert network.up.lost + network.down.lost > 50
    assert seen.frozen < 0.1
    if relayed == "bob":
        repaired, missed = seen.video["retransmittedPacketsReceived"], seen.video["packetsLost"]
        assert repaired > 10
        assert repaired > missed * 0.8
