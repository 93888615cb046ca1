"""/v1/ice-servers: STUN and TURN servers for a client that the application configures itself, beyond OWT."""

from __future__ import annotations

import secrets
from typing import Final

from palaver.api.http.answers import Answer, json
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire.portal import IceServerInfo


async def list_ice_servers(call: Call) -> Answer:
    """The configured servers, with fresh credentials: for the ``iceServers`` of a client's RTCPeerConnection.

    The answer to a portal login has them, too.
    """
    return json([one.info() for one in call.api.settings.ice_servers(secrets.token_hex(8))])


OPERATIONS: Final = (Operation("GET", "/ice-servers", list_ice_servers, gives=list[IceServerInfo]),)
