"""What authors of algorithms rely on: parameters, what they ask for, and handlers of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from msgspec import Meta

from palaver.analytics import Analyzer, Frame, Observation, event
from palaver.analytics.found import UnknownAlgorithm, find, search
from palaver.analytics.plugin import AudioWanted, BadAnalyzer, BadParameters, VideoWanted
from palaver.analytics.running import Running


class Shown(Analyzer, fps=5, size=(64, 36), pixels="bgr"):
    """An algorithm with all kinds of parameters."""

    mode: Literal["slow", "fast"] = "slow"
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    names: list[str] = ["a"]  # noqa: RUF012  # as authors write it
    kinds: ClassVar[int] = 3
    last: np.ndarray | None = None
    _own: int = 1

    def video(self, frame: Frame) -> None:
        """Nothing."""


def test_annotations_are_parameters_and_the_algorithms_own_are_not() -> None:
    assert set(Shown.parameters()) == {"mode", "share", "names"}
    made = Shown.made({"mode": "fast", "share": 1, "names": ["b"]})
    assert isinstance(made, Shown)
    assert (made.mode, made.share, made.names) == ("fast", 1.0, ["b"])
    one, other = Shown.made({}), Shown.made({})
    assert isinstance(one, Shown)
    assert isinstance(other, Shown)
    one.names.append("c")
    assert other.names == ["a"], "two analyses share a parameter"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"mode": "quick"}, "mode: invalid enum value 'quick'"),
        ({"share": 2}, "share: expected `float` <= 1.0"),
        ({"names": [1]}, "names[0]: expected `str`, got `int`"),
        ({"last": 1}, "object contains unknown field `last`"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(BadParameters) as refused:
        Shown.made(parameters)
    assert str(refused.value) == said


def test_what_is_asked_for_is_inherited_and_has_bounds() -> None:
    class Finer(Shown, fps=10):
        def audio(self, frame: Frame) -> None:
            """Nothing."""

    assert Finer.name == "finer"
    assert Finer.wants_video == VideoWanted(10, (64, 36), "bgr")
    assert Finer.wants_audio == AudioWanted(16_000, 1)
    for asked in ({"fps": 500}, {"size": (3, 3)}, {"pixels": "rgb"}, {"name": "No Name"}):
        with pytest.raises(BadAnalyzer):
            type("Wrong", (Shown,), {}, **asked)
    with pytest.raises(BadAnalyzer):
        type("Wrong", (Finer,), {}, rate=44_100)


def test_a_type_that_json_does_not_hold_is_refused() -> None:
    class Odd(Analyzer):
        where: complex = 1j

        def video(self, frame: Frame) -> None:
            """Nothing."""

    with pytest.raises(BadAnalyzer, match="Odd"):
        Odd.shape()


def test_an_event_holds_plain_data_within_bounds() -> None:
    seen = event("seen", at=np.float32(0.5), box=np.arange(4), bad=float("nan"), deep={"a": (np.int8(1),)})
    assert seen == Observation("seen", {"at": 0.5, "box": [0, 1, 2, 3], "bad": None, "deep": {"a": [1]}})
    with pytest.raises(ValueError, match="16384 are allowed"):
        event("seen", text="x" * 20_000)
    with pytest.raises(ValueError, match="name"):
        event("no name")
    with pytest.raises(ValueError, match="failure"):
        event("failure")


# ── handlers ────────────────────────────────────────────────────────────────────────────────────────


def yields(frame: Frame) -> Iterator[Observation | Frame]:
    yield event("one", time=frame.time)
    yield frame


async def yields_later(frame: Frame) -> AsyncIterator[Observation | Frame]:
    yield event("one", time=frame.time)
    yield frame


async def returns_later(frame: Frame) -> list[Observation | Frame]:
    return list(yields(frame))


@pytest.mark.parametrize("handler", [yields, yields_later, returns_later, lambda one: list(yields(one))])
def test_a_handler_may_be_any_kind_of_function(handler: Any) -> None:
    frame = Frame(np.zeros((2, 2), np.uint8), time=1.5)
    with Running() as running:
        for _ in range(2):
            assert list(running.results(handler, frame)) == [event("one", time=1.5), frame]
        assert list(running.results(lambda one: None, frame)) == []
        assert list(running.results(lambda one: event("x"), frame)) == [event("x")]


def test_a_handler_that_yields_something_else_is_told_what_it_should() -> None:
    with Running() as running, pytest.raises(TypeError, match="yields event"):
        list(running.results(lambda one: [1], Frame(np.zeros((2, 2), np.uint8))))


# ── where they come from ────────────────────────────────────────────────────────────────────────────

PLUGIN = """
from __future__ import annotations
from typing import TYPE_CHECKING
from palaver.analytics import Analyzer, Frame, event
if TYPE_CHECKING:
    import nothing_at_all

class Own(Analyzer, fps=2):
    "An own one."
    most: int = 3
    _held: nothing_at_all.Thing | None = None

    def video(self, frame: Frame): ...

class Motion(Analyzer, fps=2):
    "In place of the built-in one."
    def video(self, frame: Frame): ...
"""


def test_plugins_are_found_in_folders_and_a_broken_one_hides_none(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(PLUGIN)
    (tmp_path / "broken.py").write_text("import palaver.nothing")
    (tmp_path / "test_own.py").write_text("raise AssertionError('tests are no plugins')")
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("from .part import Inner as Inner")
    (tmp_path / "package/part.py").write_text(PLUGIN.replace("Own", "Inner").replace("Motion", "Other"))
    found, broken = search([str(tmp_path)])
    assert {"own", "inner", "unchanged"} <= set(found)
    assert "other" not in found, "what a package does not name is its own"
    assert found["own"].origin == str(tmp_path / "own.py")
    assert found["own"].doc == "An own one."
    assert list(found["own"].kind.parameters()) == ["most"]
    assert found["motion"].doc == "In place of the built-in one."
    assert [one.origin for one in broken] == [str(tmp_path / "broken.py")]
    assert "No module named 'palaver.nothing'" in broken[0].error
    with pytest.raises(UnknownAlgorithm, match=r"nowhere.*\n.*broken\.py"):
        find("nowhere", [str(tmp_path)])
