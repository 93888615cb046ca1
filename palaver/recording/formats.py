"""Which codecs a container holds, and which container is chosen. Pure: the node and the edge ask it too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Container = Literal["mkv", "mp4", "ts", "m4a", "ogg", "mka"]
CONTAINERS: Final[tuple[Container, ...]] = ("mkv", "mp4", "ts", "m4a", "ogg", "mka")

AUDIO_CODECS: Final = ("pcmu", "pcma", "opus", "aac")
VIDEO_CODECS: Final = ("h264", "h265", "vp8", "vp9", "av1")


@dataclass(frozen=True, slots=True)
class _Holds:
    audio: tuple[str, ...]
    video: tuple[str, ...]


_HOLDS: Final[Mapping[Container, _Holds]] = {
    "mkv": _Holds(AUDIO_CODECS, VIDEO_CODECS),
    "mp4": _Holds(("aac",), ("h264", "h265", "av1")),
    "ts": _Holds(("opus", "aac"), ("h264", "h265")),
    "m4a": _Holds(("aac",), ()),
    "ogg": _Holds(("opus",), ()),
    "mka": _Holds(AUDIO_CODECS, ()),
}


def suitable(audio: str | None, video: str | None) -> Container:
    """The container that ``auto`` means, by the rules of OWT's guide."""
    if audio == "aac" and video in {None, "h264", "h265"}:
        return "mp4"
    return "mkv"


def stored(container: Container, kind: Literal["audio", "video"], coming: str | None) -> str | None:
    """The codec to store a track in that comes in ``coming``: None, as it comes, if ``container`` holds that.

    Where the container holds no such kind, it is the usual one, which ``refusal`` has words for.
    """
    held, usual = getattr(_HOLDS[container], kind), _USUAL[kind]
    if coming in held:
        return None
    return next((codec for codec in usual if codec in held), usual[0])


_USUAL: Final = {"audio": ("opus", "aac"), "video": ("h264",)}


def refusal(
    container: Container, audio: str | None, video: str | None
) -> tuple[Literal["audio", "video"], str] | None:
    """The kind that ``container`` does not hold and why; None if it holds both. None for a codec: no such track."""
    holds = _HOLDS[container]
    if audio is not None and audio not in holds.audio:
        return "audio", _why(container, "audio", holds.audio, audio)
    if video is not None and video not in holds.video:
        return "video", _why(container, "video", holds.video, video)
    return None


def _why(container: Container, kind: str, held: tuple[str, ...], codec: str) -> str:
    if not held:
        return f"{container} holds no {kind}"
    listed = " and ".join([", ".join(held[:-1]), held[-1]] if len(held) > 1 else held)
    return f"{container} holds {listed} only, not {codec}"
