"""Offers made from the grammar of RFC 8866, not from one browser: every one is answered."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from palaver.media.webrtc.sdp import parse
from palaver.room.endpoints import PublishedTrack, WebRtcSource
from palaver.room.messages import CloseTransports, OpenSource
from palaver.room.values import AudioFormat, ParticipantId, StreamId, TransportId, VideoFormat
from tests.contract.engines import ROOM, Bench, working
from tests.offers import FINGERPRINT

pytestmark = pytest.mark.net
OFFERS_PER_SEED: Final = 40
TOKEN: Final = "abcXYZ019-_.!#$%&'*+^`{|}~"  # characters of a token (RFC 8866, section 9)
UTF8: Final = "aé漢 \t:/=;"
ANN: Final = ParticipantId("ann")


class Grammar:
    """Writes offers; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # repeatable, not secret

    def some(self, lines: list[str], most: int = 3) -> list[str]:
        return [self.random.choice(lines) for _ in range(self.random.randint(0, most))]

    def maybe(self, *lines: str) -> list[str]:
        return list(lines) if self.random.random() < 0.5 else []  # half of them

    def text(self) -> str:
        return "".join(self.random.choice(UTF8) for _ in range(self.random.randint(1, 12)))

    def token(self) -> str:
        return "".join(self.random.choice(TOKEN) for _ in range(self.random.randint(1, 15)))

    def bandwidths(self) -> list[str]:
        return self.some(["b=AS:500", "b=TIAS:500000", "b=CT:1000", "b=X-ours:1", "b=RS:0", "b=RR:600"])

    def connection(self) -> list[str]:
        return [
            self.random.choice(
                ["c=IN IP4 0.0.0.0", "c=IN IP6 ::", "c=IN IP4 host.example", "c=IN IP4 192.0.2.1"]
            )
        ]

    def attributes(self) -> list[str]:
        known = [
            "a=rtcp-rsize",
            "a=tool:x y",
            "a=lang:de",
            "a=charset:UTF-8",
            "a=cat:a.b",
            "a=recv-extra",
            "a=sdplang:en",
        ]
        return self.some(
            [*known, f"a=x-{self.random.randint(0, 99)}:{self.text()}", f"a=y{self.random.randint(0, 99)}"], 4
        )

    def offer(self) -> tuple[str, list[tuple[str, str]]]:
        """The text, and (kind, mid) of its sections."""
        mids = list(dict.fromkeys(self.token() for _ in range(self.random.randint(1, 3))))
        kinds = [self.random.choice(["audio", "video"]) for _ in mids]
        transport = [
            "a=ice-ufrag:abcd",
            "a=ice-pwd:0123456789abcdefghijklmn",
            f"a=fingerprint:{self.random.choice(['sha-256', 'SHA-256'])} {FINGERPRINT}",
            "a=setup:actpass",
        ]
        above = self.random.random() < 0.5  # half of them
        groups = [f"a=group:BUNDLE {' '.join(self.random.sample(mids, len(mids)))}"]
        groups += self.maybe(f"a=group:LS {' '.join(mids)}") + self.maybe("a=group:FID")
        attributes = (
            self.random.sample(groups, len(groups)) + self.attributes() + (transport if above else [])
        )
        self.random.shuffle(attributes)
        session = [
            "v=0",
            f"o=- {self.random.randint(1, 2**63 - 1)} {self.random.randint(0, 99)} IN IP4 127.0.0.1",
        ]
        session += [f"s={self.text()}", *self.maybe(f"i={self.text()}"), *self.maybe("u=http://x.example/")]
        session += self.some(["e=a@x.example", "e=a@x.example (A)"]) + self.some(["p=+44 1234"])
        session += (self.connection() if self.random.random() < 0.5 else []) + self.bandwidths()
        session += [
            *self.random.choice([["t=0 0"], ["t=2873397496 2873404696", "r=7d 1h 0 25h"], ["t=0 0", "t=1 2"]])
        ]
        session += self.maybe("z=2882844526 -1h 2898848070 0") + self.maybe("k=prompt") + attributes
        for kind, mid in zip(kinds, mids, strict=True):
            session += self.section(kind, mid, [] if above else transport)
        return "\r\n".join(session) + "\r\n", list(zip(kinds, mids, strict=True))

    def section(self, kind: str, mid: str, transport: list[str]) -> list[str]:
        number, name = (111, "opus/48000/2") if kind == "audio" else (96, "VP8/90000")
        lines = [
            *self.maybe(f"i={self.text()}"),
            *self.connection(),
            *self.bandwidths(),
            *self.maybe("k=clear:x"),
        ]
        attributes = [
            *transport,
            f"a=mid:{mid}",
            "a=sendonly",
            "a=rtcp-mux",
            f"a=rtpmap:{number} {name}",
            *self.maybe(f"a=fmtp:{number} x=1; y=2 ;z"),
            *self.maybe(f"a=rtcp-fb:{number} nack", "a=rtcp-fb:* ccm tmmbr"),
            *self.maybe(
                "a=candidate:1 1 udp 1 host.local 9 typ host", "a=candidate:x 1 ssltcp 1 ::1 9 typ relay z 1"
            ),
            *self.maybe(f"a=extmap:{self.random.randint(1, 14)} urn:ietf:params:rtp-hdrext:sdes:mid"),
            *self.maybe(f"a=extmap:{self.random.randint(15, 4096)}/sendonly urn:x {self.text()}"),
            *self.maybe("a=msid:- x", "a=ssrc:1 cname:é", "a=ssrc:2", "a=ssrc-group:FEC 1 2"),
            *self.attributes(),
        ]
        self.random.shuffle(attributes)
        lines += attributes
        if self.random.random() < 0.3:  # what RFC 8866 does not allow and clients do
            self.random.shuffle(lines)
        port = self.random.choice(["9", "5004", "9/1"])
        return [
            f"m={kind} {port} UDP/TLS/RTP/SAVPF {number}{self.random.choice(['', ' 13', ' 126'])}",
            *lines,
        ]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    async with working("local") as bench:
        yield bench


@pytest.mark.parametrize("seed", range(5))
async def test_every_offer_of_the_grammar_is_answered(bench: Bench, seed: int) -> None:
    grammar = Grammar(seed)
    for n in range(OFFERS_PER_SEED):
        offer, sections = grammar.offer()
        transport, stream = TransportId(f"t{n}"), StreamId(f"s{n}")
        tracks = tuple(
            PublishedTrack(
                "audio" if kind == "audio" else "video", mid, "mic" if kind == "audio" else "camera"
            )
            for kind, mid in sections
        )
        source = WebRtcSource(transport, tracks)
        formats = (AudioFormat("opus", 48000, 2),), (VideoFormat("vp8"),)
        await bench.engine.perform(ROOM, OpenSource(stream, ANN, source, *formats))
        answer = parse(await bench.engine.negotiate(ROOM, ANN, transport, offer))
        assert [(s.kind, s.mid, s.refused, s.direction) for s in answer.sections] == [
            (kind, mid, False, "recvonly") for kind, mid in sections
        ], offer
        again = parse(await bench.engine.negotiate(ROOM, ANN, transport, offer))
        assert [s.mid for s in again.sections] == [mid for _, mid in sections]
    await bench.engine.perform(ROOM, CloseTransports(ANN))
