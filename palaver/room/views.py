"""The mixed streams of a room's views."""

from __future__ import annotations

from palaver.room.values import RoomConfig, Stream, StreamId, StreamState, Track, View


def mixed_streams(config: RoomConfig) -> dict[StreamId, Stream]:
    """One live stream per view, in order, by id (``<room>-<label>``); of equal labels the first wins."""
    streams: dict[StreamId, Stream] = {}
    for view in config.views:
        stream_id = StreamId(f"{config.id}-{view.label}")
        streams.setdefault(
            stream_id,
            Stream(stream_id, origin="mixed", state=StreamState.LIVE, tracks=_tracks(view), label=view.label),
        )
    return streams


def _tracks(view: View) -> tuple[Track, ...]:
    audio = Track("audio", view.audio_format)
    if view.video_format is None:
        return (audio,)
    return audio, Track("video", view.video_format, parameters=view.video_parameters)
