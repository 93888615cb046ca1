"""The route table: all that the management API can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.api.rest import (
    analytics,
    events,
    ice_servers,
    invites,
    jobs,
    participants,
    recordings,
    rooms,
    services,
    sipcalls,
    streaming_ins,
    streaming_outs,
    streams,
    tokens,
    webhooks,
)

if TYPE_CHECKING:
    from palaver.api.rest.operations import Operation

OPERATIONS: Final[tuple[Operation, ...]] = (
    *rooms.OPERATIONS,
    *streams.OPERATIONS,
    *streaming_ins.OPERATIONS,
    *participants.OPERATIONS,
    *tokens.OPERATIONS,
    *invites.OPERATIONS,
    *recordings.OPERATIONS,
    *streaming_outs.OPERATIONS,
    *analytics.OPERATIONS,
    *sipcalls.OPERATIONS,
    *jobs.OPERATIONS,
    *ice_servers.OPERATIONS,
    *events.OPERATIONS,
    *webhooks.OPERATIONS,
    *services.OPERATIONS,
)
"""What is asked for most comes first."""
