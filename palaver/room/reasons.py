"""Why a session ended, in the words that OWT's clients know."""

from __future__ import annotations

from typing import Final

SOURCE_LOSS: Final = "Source stream loss"
TERMINATED: Final = "Participant terminate"
ROOM_CLOSED: Final = "Room is closed"
TIMED_OUT: Final = "Negotiation timed out"
