"""How it stands with the targets of streaming-outs: written by the sinks, read by the management API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["connecting", "connected", "retrying", "failed"]


@dataclass(frozen=True, slots=True)
class TargetState:
    """How it stands with one target; ``error`` is the last one, for people, without secrets."""

    state: State
    error: str = ""


class TargetStates:
    """By the id of the subscription and the target's number."""

    def __init__(self) -> None:
        self._states: dict[str, dict[int, TargetState]] = {}
        self.interruptions = 0
        """How often a target was lost."""

    def set(self, output: str, target: int, state: State, error: str) -> None:
        """It stands so from now on; an error stays to be seen until the target works again."""
        before = self._states.setdefault(output, {}).get(target)
        if state == "retrying" and before is not None and before.state == "connected":
            self.interruptions += 1
        self._states[output][target] = TargetState(state, error)

    def of(self, output: str) -> tuple[TargetState, ...]:
        """Those of one streaming-out, in order; none while it does not run."""
        return tuple(state for _, state in sorted(self._states.get(output, {}).items()))

    def forget(self, output: str) -> None:
        """It has ended."""
        self._states.pop(output, None)

    def stats(self) -> dict[str, float]:
        """Gauges and counters by their metric names."""
        states = [one.state for targets in self._states.values() for one in targets.values()]
        return {
            "targets": len(states),
            "targets_connected": states.count("connected"),
            "target_interruptions_total": self.interruptions,
        }
