"""Session descriptions as a browser would write them, for clients of tests that have no browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from palaver.media.webrtc.sdp import parse

FINGERPRINT = ":".join(["AB"] * 32)
AUDIO = """m=audio 9 UDP/TLS/RTP/SAVPF 111 0
c=IN IP4 0.0.0.0
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000"""
VIDEO = """m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtcp-fb:96 transport-cc
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96"""


def with_layers(sdp: str, layers: Mapping[str, Sequence[str]]) -> str:
    """The offer with the sections of these mids sending simulcast."""
    description = parse(sdp)
    for section in description.sections:
        if rids := layers.get(section.mid):
            section.lines += [*(f"a=rid:{rid} send" for rid in rids), "a=simulcast:send " + ";".join(rids)]
    return str(description)


def offer(*sections: tuple[str, str, str]) -> str:
    """An offer with (kind, mid, direction) sections."""
    mids = " ".join(mid for _, mid, _ in sections)
    lines = [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {mids}",
        "a=msid-semantic: WMS",
    ]
    for kind, mid, direction in sections:
        lines += (AUDIO if kind == "audio" else VIDEO).splitlines()
        lines += [
            "a=ice-ufrag:abcd",
            "a=ice-pwd:0123456789abcdefghijklmn",
            f"a=fingerprint:sha-256 {FINGERPRINT}",
            "a=setup:actpass",
            f"a=mid:{mid}",
            f"a={direction}",
            "a=rtcp-mux",
        ]
    return "\r\n".join(lines) + "\r\n"
