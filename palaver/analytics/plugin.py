"""What the author of an algorithm uses: ``Analyzer`` to derive from, ``Frame`` and ``event``."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, TypeGuard

import msgspec

from palaver.analytics.names import FAILURE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

Pixels: TypeAlias = Literal["gray", "bgr", "yuv"]
PIXELS: Final = ("gray", "bgr", "yuv")
MAX_EVENT: Final = 16 * 1024
"""Bytes that the data of one event may have as JSON."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,47}")
_EVENT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_MOST_FPS: Final = 120
_LEAST_SIDE, _MOST_SIDE = 16, 4096
_RATES: Final = (8_000, 16_000, 24_000, 32_000, 48_000)


class BadAnalyzer(Exception):
    """A class that cannot be used as an algorithm; the text says why."""


class BadParameters(ValueError):
    """Parameters that do not fit an algorithm; the text names the parameter."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture or a block of sound; one that is yielded becomes a picture of the analysed stream.

    ``array`` is read-only where it comes from a stream. Of pictures it is uint8: (height, width) for "gray" and, of
    "yuv", for the luma; (height, width, 3) for "bgr". Of sound it is float32 (samples, channels).
    """

    array: NDArray[Any]
    time: float = 0.0
    """Seconds since the first frame that the analyzer was given."""
    skipped: int = 0
    """Frames since the one before that this analyzer should have got, had it been fast enough."""
    rate: int = 0
    """Samples per second, of sound."""
    planes: tuple[NDArray[np.uint8], ...] = ()
    """All three planes, of "yuv"."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Something that was seen or heard; see ``event``."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)


def event(name: str, /, **data: Any) -> Observation:
    """Something to tell: ``data`` is what JSON holds; NumPy's numbers and arrays count as such.

    Rectangles are told as ``box=[left, top, width, height]`` or ``boxes=[…]`` in parts of the picture, from 0 to 1, so
    that whoever shows them need not know at which size they were found. Raises ValueError.
    """
    if not _EVENT_NAME.fullmatch(name):
        raise ValueError(f"an event's name is letters, digits, '_', '.' and '-', 64 at most: not {name!r}")
    if name == FAILURE:
        raise ValueError(f"the event {name!r} tells that an algorithm failed, which the server does")
    plain = {key: _plain(value) for key, value in data.items()}
    if (size := len(msgspec.json.encode(plain))) > MAX_EVENT:
        raise ValueError(f"the event {name!r} has {size} bytes of data: {MAX_EVENT} are allowed")
    return Observation(name, plain)


def _plain(value: Any) -> Any:
    if (numpy := sys.modules.get("numpy")) and isinstance(value, numpy.generic | numpy.ndarray):
        value = value.tolist()  # the node reads this module too, and has no use for NumPy
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class VideoWanted:
    """Which pictures an algorithm gets; a size of None: as they come."""

    fps: float
    size: tuple[int, int] | None
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class AudioWanted:
    """Which sound an algorithm gets."""

    rate: int
    channels: int


class Analyzer:
    """An algorithm. A class derived from it has ``video``, ``audio`` or both, and says what it wants to be given:

    ``fps``, ``size`` (width, height) and ``pixels`` ("gray", "bgr", "yuv") of pictures; ``rate`` and ``channels`` of
    sound. ``name`` is what requests call it; without, it is the class's name in lower case.

    Annotated attributes are its parameters: they are checked when an analysis is started, and set before ``start``.
    One whose name begins with "_", a ``ClassVar``, or one that is None by default is the algorithm's own.

    ``video`` and ``audio`` take a ``Frame``. They are plain or async functions; what they yield or return as a list is
    told (``event``) or shown (a ``Frame``). One instance serves one stream. While a handler works, pictures that come
    are skipped, all but the newest.
    """

    name: ClassVar[str] = ""
    wants_video: ClassVar[VideoWanted | None] = None
    wants_audio: ClassVar[AudioWanted | None] = None

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        fps: float | None = None,
        size: tuple[int, int] | None = None,
        pixels: Pixels | None = None,
        rate: int | None = None,
        channels: int | None = None,
        **more: Any,
    ) -> None:
        super().__init_subclass__(**more)
        cls.name = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
        if not _NAME.fullmatch(cls.name):
            raise BadAnalyzer(
                f"{cls.__name__}: {cls.name!r} is no name: lower case, digits and '-', 48 at most"
            )
        inherited_video, inherited_audio = cls.wants_video, cls.wants_audio
        cls.wants_video = cls.wants_audio = None
        if callable(getattr(cls, "video", None)):
            known = inherited_video or VideoWanted(10, None, "bgr")
            cls.wants_video = _checked_video(
                cls, VideoWanted(fps or known.fps, size or known.size, pixels or known.pixels)
            )
        if callable(getattr(cls, "audio", None)):
            heard = inherited_audio or AudioWanted(16_000, 1)
            cls.wants_audio = _checked_audio(cls, AudioWanted(rate or heard.rate, channels or heard.channels))

    def start(self) -> None:
        """Called once before the first frame, when the parameters are set: the place to load a model."""

    # ── parameters ──────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def parameters(cls) -> dict[str, tuple[Any, Any]]:
        """The type and the default of each parameter, by name; ``msgspec.NODEFAULT`` for one that is required."""
        found: dict[str, tuple[Any, Any]] = {}
        for owner in reversed(cls.__mro__):
            for name, said in vars(owner).get("__annotations__", {}).items():
                default = getattr(cls, name, msgspec.NODEFAULT)
                if name.startswith("_") or default is None or "ClassVar" in str(said):
                    continue
                found[name] = (_type_of(owner, name, said), default)
        return found

    @classmethod
    def shape(cls) -> type[msgspec.Struct]:
        """The parameters as a type that msgspec checks. Raises BadAnalyzer for one that cannot be in JSON."""
        fields: list[Any] = []
        for name, (kind, default) in cls.parameters().items():
            made = (
                msgspec.field(default_factory=default.copy) if isinstance(default, list | dict) else default
            )
            fields.append((name, kind) if default is msgspec.NODEFAULT else (name, kind, made))
        try:
            shape = msgspec.defstruct(cls.__name__, fields, forbid_unknown_fields=True, kw_only=True)
            msgspec.json.schema(shape)
        except (TypeError, ValueError) as error:
            raise BadAnalyzer(f"{cls.__name__}: {error}") from None
        return shape

    @classmethod
    def made(cls, parameters: Mapping[str, Any]) -> Analyzer:
        """An instance with these parameters, not yet started. Raises BadParameters, BadAnalyzer."""
        try:
            checked = msgspec.convert(dict(parameters), cls.shape())
        except msgspec.ValidationError as error:
            raise BadParameters(_named(str(error))) from None
        one = cls()
        for name in cls.parameters():
            setattr(one, name, getattr(checked, name))
        return one


def _type_of(owner: type, name: str, said: Any) -> Any:
    """What an annotation means. Others of its class may name what is imported for type checkers only."""
    if not isinstance(said, str):
        return said
    try:
        return eval(said, vars(sys.modules[owner.__module__]), dict(vars(owner)))
    except Exception as error:
        raise BadAnalyzer(f"{owner.__name__}.{name}: its type {said!r} is unknown: {error}") from None


def _named(problem: str) -> str:
    """msgspec's words, with the parameter first as in all other errors."""
    said, at, where = problem.partition(" - at `$.")
    if at:
        return f"{where.rstrip('`')}: {said[:1].lower()}{said[1:]}"
    return f"{said[:1].lower()}{said[1:]}"


def _checked_video(cls: type[Analyzer], wanted: VideoWanted) -> VideoWanted:
    if wanted.pixels not in PIXELS:
        raise BadAnalyzer(f"{cls.__name__}: pixels: expected {', '.join(PIXELS)}")
    if not 0 < wanted.fps <= _MOST_FPS:
        raise BadAnalyzer(f"{cls.__name__}: fps: expected more than 0 and at most {_MOST_FPS}")
    if wanted.size is not None and not all(
        _LEAST_SIDE <= side <= _MOST_SIDE and side % 2 == 0 for side in wanted.size
    ):
        raise BadAnalyzer(f"{cls.__name__}: size: expected even numbers from {_LEAST_SIDE} to {_MOST_SIDE}")
    return wanted


def _checked_audio(cls: type[Analyzer], wanted: AudioWanted) -> AudioWanted:
    if wanted.rate not in _RATES or wanted.channels not in (1, 2):
        raise BadAnalyzer(
            f"{cls.__name__}: expected a rate of {', '.join(map(str, _RATES))}; 1 or 2 channels"
        )
    return wanted


def is_algorithm(found: object) -> TypeGuard[type[Analyzer]]:
    """Whether ``found`` is a class that can be used: it sees or hears something."""
    if not (isinstance(found, type) and issubclass(found, Analyzer)):
        return False
    return found.wants_video is not None or found.wants_audio is not None
