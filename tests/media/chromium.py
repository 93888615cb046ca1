"""Offers that Debian's Chromium 156 made, with its addresses replaced by documentation ones (RFC 5737)."""

from __future__ import annotations

from pathlib import Path

OFFERS = Path(__file__).parent / "offers"
NAMES = ("camera", "receiver", "sendrecv", "simulcast", "stopped", "recycled")


def chromium(name: str) -> str:
    """One of NAMES: a camera sent; audio and video received; both, and data; simulcast of three layers;
    after the audio transceiver of "camera" was stopped; and after its section was used again."""
    return (OFFERS / f"chromium-{name}.sdp").read_bytes().decode()
