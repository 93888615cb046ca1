"""Who is told how recordings go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from palaver.recording.formats import Container


class Journal(Protocol):
    """Hears from sinks what becomes of their files. A recording may have several sinks, one after the other."""

    def began(
        self,
        recording: str,
        room: str,
        file: str,
        container: Container,
        codecs: tuple[str | None, str | None],
    ) -> None:
        """Another part: its file below the directory of recordings, and its codecs of audio and video."""
        ...

    def grew(self, recording: str, size: int, seconds: float) -> None:
        """The last part has so many bytes and is so long."""
        ...

    def marked(self, recording: str, what: Literal["paused", "resumed"], seconds: float) -> None:
        """So far into its last part, the recording was paused or goes on."""
        ...

    def finished(self, recording: str, size: int, seconds: float) -> None:
        """The last part is complete. Without bytes there was nothing to write, and there is no file."""
        ...

    def closed(self, recording: str) -> None:
        """The sink is over: nothing follows, unless the recording gets another one."""
        ...

    def failed(self, recording: str, reason: str) -> None:
        """It does not go on for now; the text says why."""
        ...
