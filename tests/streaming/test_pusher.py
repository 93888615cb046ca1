"""What a pusher makes of what a room sends."""

from __future__ import annotations

from pathlib import Path

from tests.streaming.broadcast import SOUND, Broadcast


def test_muted_sound_is_silence(tmp_path: Path) -> None:
    broadcast = Broadcast(tmp_path, video=None, listed=20)
    broadcast.run(2)
    broadcast.pusher.set_active(SOUND, False)
    broadcast.run(3)
    broadcast.pusher.set_active(SOUND, True)
    broadcast.run(2)
    broadcast.end()
    levels = broadcast.loudness()
    assert min(levels[5:18]) > 0.2
    assert max(levels[23:47]) < 0.01
    assert min(levels[54:66]) > 0.2
