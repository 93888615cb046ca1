"""Handlers of what concerns views: which streams are in them, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palaver.room.messages import Mix, Outcome, SetLayout, SetRegion, SetTemplate, ShowInRegion, Unmix
    from palaver.room.state import RoomState


@dataclass(slots=True)
class ViewCommands:
    """Finds what a command names, if its sender may change it, and lets the views change."""

    _state: RoomState

    def mix(self, command: Mix) -> list[Outcome]:
        """Put a stream into a view."""
        register = self._state.register
        stream = register.live_stream(command.by, command.stream)
        return self._state.views.mix(stream, command.view, register.name_of(stream))

    def unmix(self, command: Unmix) -> list[Outcome]:
        """Take a stream out of a view."""
        stream = self._state.register.live_stream(command.by, command.stream)
        return self._state.views.unmix(stream, command.view)

    def set_region(self, command: SetRegion) -> list[Outcome]:
        """Show a stream in a region."""
        stream = self._state.register.live_stream(command.by, command.stream)
        return self._state.views.set_region(stream, command.view, command.region)

    def show_in_region(self, command: ShowInRegion) -> list[Outcome]:
        """Show a stream in the region of that number."""
        view = self._state.register.mixed_stream(command.view)
        return self._state.views.show_in_region(view, command.index, command.stream)

    def set_layout(self, command: SetLayout) -> list[Outcome]:
        """Use other regions."""
        view = self._state.register.mixed_stream(command.view)
        return self._state.views.set_layout(view, command.placements)

    def set_template(self, command: SetTemplate) -> list[Outcome]:
        """Use another template."""
        view = self._state.register.mixed_stream(command.view)
        return self._state.views.set_template(view, command.base, speaker_first=command.speaker_first)
