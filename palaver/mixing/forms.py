"""How many forms are asked for, and by whom: each one encoded costs a part of a core."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from palaver.media.encoders import TooManyForms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from palaver.media.encoders import FormLimits
    from palaver.mixing.tracks import EncodedForm
    from palaver.room.values import ParticipantId, RoomId, StreamId

    Held = Counter[tuple[StreamId, EncodedForm]]


class Forms:
    """Counts what participants hold, within the limits. A mix without one's own voice is no form of its own."""

    def __init__(self, limits: FormLimits) -> None:
        self._limits = limits
        self._held: dict[tuple[RoomId, ParticipantId], Held] = {}
        self._refused = 0

    def __len__(self) -> int:
        return len(self._held)

    def take(
        self,
        room: RoomId,
        stream: StreamId,
        form: EncodedForm,
        there: Collection[EncodedForm],
        who: ParticipantId | None,
    ) -> Callable[[], None]:
        """``who`` asks for a form of what has those that are ``there``; call the result when it ends.

        Raises TooManyForms.
        """
        form = form.for_anybody
        if form not in there and len(there) >= self._limits.of_one:
            raise self._too_many(form, f"{stream} is encoded in {len(there)} forms already")
        if who is None:
            return lambda: None
        held: Held = self._held.get((room, who), Counter())
        if (stream, form) not in held and len(held) >= self._limits.of_participant:
            raise self._too_many(form, f"{who} receives {len(held)} forms already")
        self._held[room, who] = held
        held[stream, form] += 1
        return partial(self._give_back, (room, who), (stream, form))

    def _give_back(self, who: tuple[RoomId, ParticipantId], what: tuple[StreamId, EncodedForm]) -> None:
        held = self._held[who]
        held[what] -= 1
        if not held[what]:
            del held[what]
        if not held:
            del self._held[who]

    def _too_many(self, form: EncodedForm, words: str) -> TooManyForms:
        self._refused += 1
        field = "format" if form.kind == "audio" else "parameters"
        return TooManyForms(f"{form.kind}.{field}: {words}, and may not be in another")

    def stats(self) -> dict[str, float]:
        """Counters by their metric names."""
        return {"forms_refused_total": self._refused}
