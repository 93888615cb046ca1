"""What the management API needs to show recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palaver.api.recording_files import RecordingFiles
    from palaver.jobs.archive import Archive
    from palaver.jobs.recording_index import RecordingIndex


@dataclass(frozen=True, slots=True)
class Recorded:
    """The index of those that go on, the archive of those that ended, their files, and the machine's address."""

    index: RecordingIndex
    archive: Archive
    files: RecordingFiles
    host: str
