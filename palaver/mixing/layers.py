"""A view's layout as its mixer is told it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from palaver.mixing.control import Area, Compose, Tile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from palaver.room.values import Composition, Region, StreamId

_NEAREST: Final = Fraction(4, 3)
"""By how much a layer may exceed its region: as layers double in size, the one taken is enlarged by 1.5 at most."""


def compose_command(composition: Composition, inputs: Mapping[StreamId, int]) -> Compose | None:
    """What to tell a mixer whose video inputs are numbered so; None for a view without a picture."""
    view = composition.view
    if view.video_parameters is None:
        return None
    size = view.video_parameters.resolution
    assert size is not None, "a view with a picture has a size"
    tiles = tuple(
        Tile(_area(placement.region), inputs.get(placement.stream) if placement.stream else None)
        for placement in composition.placements
    )
    return Compose(
        width=size.width // 2 * 2,
        height=size.height // 2 * 2,
        framerate=view.video_parameters.framerate or 24.0,
        background=view.background,
        crop=view.crop,
        tiles=tiles,
    )


def layer_heights(composition: Composition) -> Iterator[tuple[StreamId, int]]:
    """The height in pixels that is enough of each stream which is seen: of its layers the nearest is taken."""
    parameters = composition.view.video_parameters
    if parameters is None or parameters.resolution is None:
        return
    for placement in composition.placements:
        if placement.stream is not None:
            height = Fraction(placement.region.height) * parameters.resolution.height
            yield placement.stream, max(round(height * _NEAREST), 2)


def _area(region: Region) -> Area:
    return Area(*(float(Fraction(part)) for part in (region.left, region.top, region.width, region.height)))
