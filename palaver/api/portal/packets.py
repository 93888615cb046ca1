"""Socket.IO packets as they travel here: JSON only, no attachments, nothing that JavaScript cannot read."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import msgspec
import socketio.packet

_RESERVED = frozenset({"*", "connect", "disconnect", "connect_error", "__disconnect_final"})
_ENGINE_PACKET = re.compile(r"[0-6]|b")


def loads(text: str) -> Any:
    """Decode JSON. Raises ValueError for anything wrong, nesting too deep included."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise ValueError(str(problem)) from None


def dumps(data: Any, **_: Any) -> str:
    """Encode JSON, compactly whatever formatting is asked for."""
    return msgspec.json.encode(data).decode()


def event(name: str, data: Any) -> str:
    """The packet that tells ``name`` in the default namespace."""
    return "2" + dumps([name] if data is None else [name, data])


def well_formed(frame: str | bytes | None) -> bool:
    """Whether a websocket frame can be an Engine.IO packet of this protocol, which has no binary ones."""
    return isinstance(frame, str) and _ENGINE_PACKET.match(frame) is not None


class TextPacket(socketio.packet.Packet):  # type: ignore[misc]  # the library has no types
    """A Socket.IO packet without attachments: an announced number of them would be collected in memory."""

    uses_binary_events = False
    json = SimpleNamespace(loads=loads, dumps=dumps)

    def decode(self, encoded_packet: str | bytes) -> int:
        """Parse one packet. Raises ValueError for binary ones and for events that are not a client's to send."""
        if not isinstance(encoded_packet, str) or encoded_packet[:1] in ("5", "6"):
            raise ValueError("binary packets are not part of the protocol")
        attachments = int(super().decode(encoded_packet))
        if self.packet_type == socketio.packet.EVENT and not _named(self.data):
            raise ValueError("an event needs a name, and not one that the library calls handlers by")
        return attachments


def _named(data: Any) -> bool:
    name = data[0] if isinstance(data, list) and data else None
    return isinstance(name, str) and name not in _RESERVED
