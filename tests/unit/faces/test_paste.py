"""Faces pasted back: nothing outside their squares, little inside where nothing was restored, in any order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.data.ffhq import five_of_68
from facesr_bench.data.sources import open_dataset
from facesr_bench.faces import photographs as faces
from facesr_bench.faces.paste import Patch, paste
from facesr_bench.faces.photographs import Found
from facesr_bench.images.resize import resize

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def group() -> tuple[Pixels, list[Found]]:
    """Six people, and where their faces are."""
    dataset, protocol = open_dataset("demo-x8", {})
    found, picture = [], None
    for item in dataset.items(protocol):
        if item.id.startswith("t1-"):
            read = dataset.read(item, protocol)
            picture = read.hr
            assert read.landmarks is not None
            found.append(Found((0, 0, 1, 1), five_of_68(read.landmarks), 1))
    assert picture is not None and len(found) == 6
    return picture, found


def outside(picture: Pixels, found: Found, enlarged: int = 1) -> NDArray[np.bool_]:
    """The pixels whose centre lies outside a face's square, by the signs of its four sides."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    ends = (faces.corners(found.matrix(512), 512) + 0.5) * enlarged - 0.5
    sides = zip(ends, np.roll(ends, -1, axis=0), strict=True)
    inside = [(b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) > 0 for a, b in sides]
    return np.asarray(~np.logical_and.reduce(inside))


@pytest.mark.parametrize("which", [2, 4])
def test_a_face_pasted_back_unchanged_changes_nothing_outside_and_little_inside(
    group: tuple[Pixels, list[Found]], which: int
) -> None:
    picture, found = group
    matrix = found[which].matrix(512)
    face, _ = faces.cut(picture, matrix, 512)
    after = paste(picture, [Patch(face, matrix)])
    away = np.abs(after.astype(int) - picture)
    beyond = outside(picture, found[which])
    assert not away[beyond].any()
    assert away[~beyond].any()  # it was laid over the photograph, not left away
    assert away[~beyond].mean() < 1 and away[~beyond].max() < 40


def test_a_restored_face_is_there_in_full_in_the_middle_and_fades_towards_the_edge(
    group: tuple[Pixels, list[Found]],
) -> None:
    picture, found = group
    matrix = found[4].matrix(512)
    blue = np.zeros((512, 512, 3), np.uint8)
    blue[..., 2] = 255
    after = paste(picture, [Patch(blue, matrix)])
    assert not np.abs(after.astype(int) - picture)[outside(picture, found[4])].any()
    x, y = np.rint(found[4].points[2]).astype(int)
    assert after[y, x].tolist() == [0, 0, 255]
    again, _ = faces.cut(after, matrix, 512)
    row = again[256, :, 0].astype(int)  # red: gone in the middle
    assert row[70:440].max() <= 3
    assert np.abs(np.diff(again[256, 8:80, 2].astype(int))).max() < 40  # no edge in blue


def test_neighbours_do_not_depend_on_their_order(group: tuple[Pixels, list[Found]]) -> None:
    """Their squares overlap; where a face's middle is, it alone is seen."""
    picture, found = group
    patches = []
    for number, face in enumerate(found):
        colour = np.full((64, 64, 3), 40 * number, np.uint8)
        patches.append(Patch(colour, face.matrix(64)))
    after = paste(picture, patches)
    np.testing.assert_array_equal(after, paste(picture, patches[::-1]))
    for number, face in enumerate(found):
        x, y = np.rint(face.points[2]).astype(int)
        assert np.abs(after[y, x].astype(int) - 40 * number).max() <= 1


def test_an_enlarged_photograph_takes_its_faces_at_their_places(group: tuple[Pixels, list[Found]]) -> None:
    picture, found = group
    part = picture[:700, 600:1000].copy()
    face = Found((0, 0, 1, 1), found[3].points - (600, 0), 1)
    large = resize(part, (1400, 800))
    matrix = face.matrix(512)
    cut, _ = faces.cut(part, matrix, 512)
    after = paste(large, [Patch(cut, matrix)], enlarged=2)
    beyond = outside(large, face, enlarged=2)
    away = np.abs(after.astype(int) - large)
    assert not away[beyond].any()
    assert away[~beyond].mean() < 2
    moved = paste(np.roll(large, 4, axis=1), [Patch(cut, matrix)], enlarged=2)
    assert np.abs(moved.astype(int) - np.roll(large, 4, axis=1))[~beyond].mean() > 2 * away[~beyond].mean()


def test_a_face_beside_the_photograph_changes_nothing(group: tuple[Pixels, list[Found]]) -> None:
    picture, found = group
    far = Found((0, 0, 1, 1), found[0].points + 5000, 1)
    np.testing.assert_array_equal(paste(picture, [Patch(np.zeros((32, 32, 3), np.uint8), far.matrix(32))]), picture)
