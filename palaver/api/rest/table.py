"""The route table: all that the management API can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.api.rest import outputs, participants, rooms, services, streams, tokens

if TYPE_CHECKING:
    from palaver.api.rest.operations import Operation

OPERATIONS: Final[tuple[Operation, ...]] = (
    *rooms.OPERATIONS,
    *streams.OPERATIONS,
    *participants.OPERATIONS,
    *tokens.OPERATIONS,
    *outputs.OPERATIONS,
    *services.OPERATIONS,
)
"""What is asked for most comes first."""
