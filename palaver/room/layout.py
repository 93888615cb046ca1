"""Where the inputs of a view sit: the sets of regions that a view may use, and who has which place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count, takewhile
from typing import TYPE_CHECKING, Final, TypeAlias

from palaver.room.errors import Fault, RoomError
from palaver.room.values import Placement, Region, StreamId, Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RegionSet: TypeAlias = tuple[Region, ...]
"""One layout, for as many inputs as it has regions, in the order in which they are filled."""

# OWT's lectures: regions, and how many inputs a view must have more than for it to be generated.
_LECTURES: Final = (
    (1, 0),
    (6, 0),
    (8, 6),
    (10, 8),
    (12, 10),
    (14, 12),
    (13, 14),
    (17, 14),
    (21, 17),
    (25, 21),
)


def region_sets(
    base: Template, max_input: int, custom: Iterable[Sequence[Region]] = ()
) -> tuple[RegionSet, ...]:
    """The sets of a view for up to ``max_input`` inputs, smallest first.

    An application's ``custom`` set takes the place of a generated one of its size.
    """
    sets = {len(regions): regions for regions in _generated(base, max_input)}
    sets.update((len(regions), tuple(regions)) for regions in custom if regions)
    return tuple(sets[size] for size in sorted(sets))


def _generated(base: Template, max_input: int) -> Iterator[RegionSet]:
    if base == "fluid":
        yield from (_grid(n) for n in takewhile(lambda n: (n - 1) ** 2 < max_input, count(1)))
    elif base == "lecture":
        yield from (_lecture(size) for size, fewer in _LECTURES if max_input > fewer)


def _region(number: int, left: str, top: str, size: str) -> Region:
    return Region(str(number), left, top, size, size)


def _grid(n: int) -> RegionSet:
    """``n`` by ``n`` tiles, row by row."""
    size = f"1/{n}"
    return tuple(_region(k + 1, f"{k % n}/{n}", f"{k // n}/{n}", size) for k in range(n * n))


def _lecture(size: int) -> RegionSet:
    """One large picture, and small ones in rings around its lower right corner, the inner ring first.

    A ring goes down the right side and leftwards along the bottom. Even sizes have one, odd ones two.
    """
    if size == 1:
        return _grid(1)
    rings = 1 if size % 2 == 0 else 2
    d = size // 2 if rings == 1 else (size + 3) // 4  # the small pictures are 1/d of the whole
    places: list[tuple[str, str]] = []
    for ring in range(d - rings, d):
        places += [(f"{ring}/{d}", f"{y}/{d}") for y in range(ring + 1)]
        places += [(f"{x}/{d}", f"{ring}/{d}") for x in reversed(range(ring))]
    small = (_region(number, left, top, f"1/{d}") for number, (left, top) in enumerate(places, start=2))
    return (_region(1, "0/1", "0/1", f"{d - rings}/{d}"), *small)


def fraction(text: str) -> str:
    """A part of the picture ("0.5", "1", "2/4") as clients expect it, written "num/den"."""
    if "/" in text:
        return text
    exact = Fraction(text)
    return f"{exact.numerator}/{exact.denominator}"


@dataclass(slots=True)
class Arrangement:
    """Who sits where in one view, at most ``max_input`` of them.

    Regions are filled in the order of arrival; whoever finds no place waits.
    Each method checks first and then changes: a refused one leaves everything as it was.
    """

    sets: Sequence[RegionSet]
    max_input: int
    _regions: RegionSet = ()
    _seats: list[StreamId | None] = field(default_factory=list)  # as many as regions
    _waiting: list[StreamId] = field(default_factory=list)
    _given: bool = False  # the regions were given, and stay when nobody is left

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Every region of the set in use and the input in it; empty while there is no input."""
        return tuple(map(Placement, self._regions, self._seats))

    @property
    def inputs(self) -> list[StreamId]:
        """Everybody who sits or waits, in order."""
        return [one for one in self._seats if one is not None] + self._waiting

    @property
    def given(self) -> bool:
        """Whether an application gave these very regions."""
        return self._given

    def copy(self) -> Arrangement:
        """The same, to come back to."""
        return replace(self, _seats=self._seats.copy(), _waiting=self._waiting.copy())

    def region_of(self, stream: StreamId) -> Region | None:
        """The place of ``stream``; None while it waits, or is not here."""
        return self._regions[self._seats.index(stream)] if stream in self._seats else None

    def add(self, stream: StreamId) -> None:
        """Give ``stream`` a place, or let it wait for one."""
        if stream not in self.inputs:
            self._waiting.append(stream)
            self._promote()

    def remove(self, stream: StreamId) -> None:
        """Take ``stream`` out; who comes after it moves up, and the first who waits gets a place."""
        if stream in self._waiting:
            self._waiting.remove(stream)
        elif stream in self._seats:
            seated = [one for one in self._seats if one not in (None, stream)]
            fitting = self._fitting(len(seated))
            self._seat(self._regions if fitting is None else fitting, seated)
            self._promote()

    def move(self, stream: StreamId, region: str) -> None:
        """Give ``stream`` the region of that id; whoever is there gets the place of ``stream``."""
        at = next((index for index, one in enumerate(self._regions) if one.id == region), None)
        if at is None:
            raise RoomError(Fault.REGION_NOT_FOUND, region)
        self.exchange(at, stream)

    def exchange(self, index: int, stream: StreamId) -> None:
        """The same by the region's number in the layout, from 0."""
        if index >= len(self._regions):
            raise RoomError(Fault.REGION_NOT_FOUND, str(index))
        there = self._seats[index]
        if stream in self._waiting:
            at = self._waiting.index(stream)
            self._waiting[at : at + 1] = [there] if there is not None else []
        elif stream in self._seats:
            self._seats[self._seats.index(stream)] = there
        else:
            raise RoomError(Fault.NOT_IN_VIEW, stream)
        self._seats[index] = stream

    def put_first(self, stream: StreamId) -> bool:
        """Exchange ``stream`` with whoever has the first region; false if nothing changed."""
        if stream not in self.inputs or not self._seats or self._seats[0] == stream:
            return False
        self.exchange(0, stream)
        return True

    def replace(self, placements: Sequence[Placement]) -> None:
        """Use these regions and no others from now on. Inputs that are not named take what is left, or wait."""
        inputs = self.inputs
        named = [placement.stream for placement in placements if placement.stream is not None]
        for stream in named:
            if stream not in inputs:
                raise RoomError(Fault.NOT_IN_VIEW, stream)
        self._regions = tuple(placement.region for placement in placements)
        self.sets, self._given = (self._regions,), True
        self._seats = [placement.stream for placement in placements]
        self.max_input = max(self.max_input, len(self._regions))
        self._waiting = [stream for stream in inputs if stream not in named]
        self._promote()

    def use(self, sets: Sequence[RegionSet], max_input: int) -> None:
        """Choose among these sets from now on; everybody is seated anew, in the order that was."""
        self._waiting = self.inputs
        self.sets, self.max_input, self._given = sets, max_input, False
        self._regions, self._seats = (), []
        self._promote()

    def _promote(self) -> None:
        """Seat those who wait, as long as there are places."""
        while self._waiting:
            seated = [one for one in self._seats if one is not None]
            if len(seated) >= self.max_input:
                return
            if None in self._seats:
                self._seats[self._seats.index(None)] = self._waiting.pop(0)
                continue
            larger = self._fitting(len(seated) + 1)
            if larger is None:
                return
            self._seat(larger, [*seated, self._waiting.pop(0)])

    def _fitting(self, inputs: int) -> RegionSet | None:
        """The smallest set with room for ``inputs``; for nobody there is none, unless the layout was given."""
        if inputs == 0 and not self._given:
            return ()
        return next((regions for regions in self.sets if len(regions) >= inputs), None)

    def _seat(self, regions: RegionSet, streams: Sequence[StreamId | None]) -> None:
        self._regions = regions
        self._seats = [*streams, *[None] * (len(regions) - len(streams))]
