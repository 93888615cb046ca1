"""Recordings in which nothing is written."""

from __future__ import annotations

import asyncio

from palaver.jobs.recording import Recording, Recordings
from palaver.jobs.recording_index import RecordingIndex
from palaver.media.endpoints import Endpoint, EndpointKind, RoomMedia
from palaver.recording.formats import CONTAINERS, suitable
from palaver.room.endpoints import FileSink
from palaver.room.messages import Action, OpenSink, OpenSource


class FreeRecordings(Recordings):
    """Recordings for which there is always space."""

    async def check(self, request: Recording) -> None:
        """Nothing is written."""


class SilentSink:
    """Tells the index of one part, whose name is that of the sink."""

    def __init__(self, action: OpenSink, media: RoomMedia, index: RecordingIndex) -> None:
        self._action, self._media, self._index = action, media, index

    async def run(self) -> None:
        """See Endpoint."""
        tracks = {track.kind: track for track in self._action.subscription.tracks}
        codecs = {kind: track.formats[0].codec for kind, track in tracks.items()}
        sink, index, recording = self._action.sink, self._index, str(self._action.subscription.id)
        assert isinstance(sink, FileSink)
        audio, video = codecs.get("audio"), codecs.get("video")
        container = sink.container if sink.container in CONTAINERS else suitable(audio, video)
        file = f"{sink.path}.{container}"
        index.began(recording, self._media.room, file, container, (audio, video))
        index.grew(recording, 1000, 2.5)
        self._media.ready()
        try:
            await asyncio.Event().wait()
        finally:
            index.finished(recording, 2000, 5.0)
            index.closed(recording)

    def change(self, action: Action) -> None:
        """Nothing is written."""


def silent_files(index: RecordingIndex) -> EndpointKind:
    """The kind of sink that records so."""

    def opened(action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
        assert isinstance(action, OpenSink)
        return SilentSink(action, media, index)

    return EndpointKind(opened)
