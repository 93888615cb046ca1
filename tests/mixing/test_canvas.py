"""Inputs are drawn where their regions are, in their own shape, and only when they change."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from palaver.mixing.canvas import Box, Canvas, box, fitted, planes, same_picture, yuv
from palaver.mixing.control import Area, Compose, Tile
from palaver.room.layout import region_sets


def plain(luma: int, width: int = 320, height: int = 180) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), luma, np.uint8), format="yuv420p")


def canvas(*areas: Area, crop: bool = False, width: int = 640, height: int = 360) -> Canvas:
    tiles = tuple(Tile(area, index) for index, area in enumerate(areas))
    return Canvas(
        Compose(width=width, height=height, framerate=30.0, background=(0, 0, 0), crop=crop, tiles=tiles)
    )


FULL = Area(0.0, 0.0, 1.0, 1.0)
LEFT, RIGHT = Area(0.0, 0.0, 0.5, 1.0), Area(0.5, 0.0, 0.5, 1.0)


@pytest.mark.parametrize("base", ["fluid", "lecture"])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 480), (176, 144), (854, 480)])
def test_regions_leave_no_gap_and_do_not_overlap(base: str, width: int, height: int) -> None:
    for regions in region_sets("fluid" if base == "fluid" else "lecture", 25):
        painted = np.zeros((height, width), np.uint8)
        for region in regions:
            parts = (region.left, region.top, region.width, region.height)
            where = box(Area(*(float(Fraction(part)) for part in parts)), width, height)
            painted[where.rows(0), where.columns(0)] += 1
        assert (painted == 1).all(), len(regions)


def test_each_input_is_found_in_its_region() -> None:
    made = canvas(LEFT, RIGHT)
    made.draw(0, plain(60, 320, 360))
    made.draw(1, plain(200, 320, 360))
    luma = planes(made.picture)[0]
    assert (luma[:, :320] == 60).all()
    assert (luma[:, 320:] == 200).all()


def test_a_picture_keeps_its_shape_between_bars() -> None:
    made = canvas(FULL)
    made.draw(0, plain(100, 180, 320))
    luma = planes(made.picture)[0]
    where = fitted(180, 320, Box(0, 0, 640, 360))
    assert (where.width, where.height) == (202, 360)
    assert (luma[where.rows(0), where.columns(0)] == 100).all()
    black = yuv(0, 0, 0)[0]
    assert (luma[:, : where.left] == black).all()
    assert (luma[:, where.left + where.width :] == black).all()
    made.draw(0, plain(120, 320, 180))
    assert (planes(made.picture)[0] == 120).all(), "the bars of the former shape are gone"


def test_a_cropped_picture_fills_its_region_with_its_middle() -> None:
    made = canvas(FULL, crop=True, width=320, height=320)
    rows = np.repeat(np.linspace(40, 200, 320).astype(np.uint8), 2)
    source = av.VideoFrame.from_ndarray(
        np.vstack([np.tile(rows, (320, 1)), np.full((160, 640), 128, np.uint8)]), format="yuv420p"
    )
    made.draw(0, source)
    luma = planes(made.picture)[0]
    assert luma.shape == (320, 320)
    assert abs(int(luma[160, 0]) - int(rows[160])) <= 2
    assert abs(int(luma[160, 319]) - int(rows[479])) <= 2


def test_what_has_not_changed_is_not_drawn_again() -> None:
    made = canvas(LEFT, RIGHT)
    first = plain(60)
    assert made.draw(0, first)
    assert not made.draw(0, first)
    assert made.draw(0, plain(61))
    assert made.draw(0, None)
    assert not made.draw(1, None), "nothing was there"
    assert (planes(made.picture)[0] == yuv(0, 0, 0)[0]).all()


@pytest.mark.parametrize("size", [(640, 360), (322, 182), (2, 2)])
def test_pictures_are_equal_if_every_sample_is(size: tuple[int, int]) -> None:
    width, height = size
    one, other = plain(90, *size), plain(90, *size)
    assert same_picture(one, other)
    assert not same_picture(one, plain(90, width + 2, height))
    for index, plane in enumerate(planes(other)):
        plane[-1, -1] += 1
        assert not same_picture(one, other), f"the last of plane {index}"
        plane[-1, -1] -= 1
    assert same_picture(one, other)


def test_any_size_at_any_moment() -> None:
    made = canvas(LEFT, RIGHT)
    sizes = [(2, 2), (1920, 1080), (3, 2001), (177, 145), (640, 360)]
    for (width, height), _ in pairwise([*sizes, sizes[0]]):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        assert made.draw(0, frame)


@pytest.mark.parametrize(("rgb", "wanted"), [((0, 0, 0), (16, 128, 128)), ((255, 255, 255), (235, 128, 128))])
def test_colours_are_in_limited_range(rgb: tuple[int, int, int], wanted: tuple[int, int, int]) -> None:
    assert yuv(*rgb) == wanted
