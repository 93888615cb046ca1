"""What the algorithms for pictures find in clips, and what they must not find."""

from __future__ import annotations

import numpy as np
import pytest
import zxingcpp

from palaver.analytics.algorithms.boxes import framed, overlap
from palaver.analytics.algorithms.codes import Codes
from palaver.analytics.algorithms.faces import Faces, FacesFramed
from palaver.analytics.algorithms.people import People
from palaver.analytics.algorithms.pictures import Frozen, Motion, Unchanged
from palaver.analytics.plugin import Frame
from tests.analytics.clips import (
    Picture,
    astronaut,
    noisy,
    placed,
    plain,
    said,
    video,
    with_person,
    with_square,
)

FACE = [0.27, 0.18, 0.15, 0.28]
"""Of the astronaut's picture, cut and placed as below."""


def empty(count: int) -> list[Picture]:
    """A camera sees a wall and a lamp."""
    return [noisy(with_square(plain(90), 400, 40), number) for number in range(count)]


def portraits(count: int) -> list[Picture]:
    return [noisy(placed(plain(90), astronaut()[:360, 50:450], 60, 0), number) for number in range(count)]


# ── motion ──────────────────────────────────────────────────────────────────────────────────────────


def test_motion_is_told_with_its_place_and_its_end_and_noise_is_none() -> None:
    still = [noisy(with_square(plain(90), 100, 100), number) for number in range(30)]
    moving = [noisy(with_square(plain(90), 100 + 12 * n, 100), 100 + n) for n in range(30)]
    rest = [noisy(with_square(plain(90), 448, 100), 200 + number) for number in range(40)]
    told = said(Motion, video(Motion, [*still, *moving, *rest], 15))
    seen = [(time, one) for time, one in told if one.name == "motion"]
    assert all(2.0 <= time <= 4.1 for time, _ in seen), "something moved while nothing did"
    assert len(seen) >= 8
    for _, one in seen:
        left, top, width, height = one.data["box"]
        assert 0.1 < left < left + width < 0.9
        assert 0.2 < top < top + height < 0.6
    assert [one.name for time, one in told if time > 4.1] == ["still"]


def test_a_threshold_is_one() -> None:
    moving = [with_square(plain(90), 100 + 12 * n, 100) for n in range(15)]
    assert said(Motion, video(Motion, moving, 15), threshold=0.5) == []


# ── black, frozen ───────────────────────────────────────────────────────────────────────────────────


def test_black_and_frozen_pictures_are_told_and_noise_is_neither() -> None:
    alive = [noisy(with_square(plain(90), 100 + n, 100), n, 8) for n in range(20)]
    black = [noisy(plain(4), n, 2) for n in range(20)]
    told = said(Frozen, video(Frozen, [*alive, *black, *alive, *[alive[0]] * 20, *alive], 5), least_s=2)
    assert [one.name for _, one in told] == ["black", "black-over", "frozen", "frozen-over"]
    assert [round(time) for time, _ in told] == [6, 8, 14, 16]


def test_a_stream_is_shown_as_it_is() -> None:
    frame = Frame(np.zeros((90, 160), np.uint8))
    assert list(Unchanged().video(frame)) == [frame]


# ── faces, people ───────────────────────────────────────────────────────────────────────────────────


def test_a_face_is_found_in_its_place_and_nowhere_else() -> None:
    told = said(Faces, video(Faces, [*portraits(10), *empty(10)], 5))
    seen = [one for time, one in told if time < 2]
    assert len(seen) >= 9, "a face was overlooked"
    assert all(len(one.data["boxes"]) == 1 for one in seen), "there is one face only"
    assert all(overlap(one.data["boxes"][0], FACE) > 0.5 for one in seen)
    after = [one for time, one in told if time >= 2]
    assert [one.data["count"] for one in after] == [0], "that there are none is told once"


def test_no_face_is_found_where_there_is_none() -> None:
    upside_down = [np.ascontiguousarray(one[::-1]) for one in portraits(5)]
    people = [noisy(with_person(plain(160), 300, 50, 260), n) for n in range(5)]
    assert said(Faces, video(Faces, [*empty(10), *upside_down, *people], 5)) == []


def test_faces_are_framed_in_the_stream_that_is_shown() -> None:
    analyzer = FacesFramed.made({})
    analyzer.start()
    picture = portraits(1)[0]
    results = [one for n in range(6) for one in analyzer.video(Frame(picture, n / 15))]  # type: ignore[attr-defined]
    shown = [one.array for one in results if isinstance(one, Frame)]
    told = [one for one in results if not isinstance(one, Frame)]
    assert len(shown) == 6
    assert [one.name for one in told] == ["faces", "faces"], "it is looked for in every third picture"
    for one in shown:
        changed = np.flatnonzero((one != picture).any(axis=2).any(axis=1))
        assert abs(changed[0] / 360 - FACE[1]) < 0.1
    assert picture.flags.writeable, "the stream's own picture is changed"


def test_a_frame_stays_within_the_picture() -> None:
    drawn = framed(np.zeros((40, 60), np.uint8), [[-0.5, -0.5, 2, 2], [0.9, 0.9, 0.5, 0.5]])
    assert drawn.shape == (40, 60)
    assert drawn.any()


def test_people_who_stand_are_found_and_a_wall_is_nobody() -> None:
    standing = [noisy(with_person(plain(150), 240 + 4 * n, 50, 260), n) for n in range(8)]
    told = said(People, video(People, standing, 2), certainty=0.3)
    seen = [one for _, one in told if one.data["count"]]
    assert len(seen) >= 3
    for one in seen:
        (box,) = one.data["boxes"]
        assert 0.3 < box[0] + box[2] / 2 < 0.5
    assert said(People, video(People, [*empty(5), *portraits(3)], 2)) == []


# ── codes ───────────────────────────────────────────────────────────────────────────────────────────


def code(form: zxingcpp.BarcodeFormat, text: str) -> Picture:
    made = np.array(zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(text, form), scale=3))
    return np.ascontiguousarray(np.repeat(made[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (zxingcpp.BarcodeFormat.QRCode, "https://palaver.example/room?ü=1"),
        (zxingcpp.BarcodeFormat.EAN13, "4006381333931"),
        (zxingcpp.BarcodeFormat.Code128, "PALAVER-1"),
    ],
)
def test_a_code_is_read_once_while_it_is_seen(form: zxingcpp.BarcodeFormat, text: str) -> None:
    drawn = code(form, text)
    shown = [noisy(placed(plain(170), drawn, 60 + n, 40), n) for n in range(12)]
    told = said(Codes, video(Codes, [*empty(4), *shown, *empty(30), *shown], 4))
    assert [one.data["text"] for _, one in told] == [text, text], "once each time that it appears"
    left, top, width, height = told[0][1].data["box"]
    assert left < 0.3
    assert top < 0.4
    assert (width, height) < (1, 1)


def test_no_code_is_read_where_there_is_none() -> None:
    assert said(Codes, video(Codes, [*empty(5), *portraits(5)], 4)) == []
