"""Alignment: insightface's, bit for bit; and what it can't align."""

from __future__ import annotations

import math
from typing import Any

import insightface.utils.face_align
import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.faces.alignment import ARCFACE_112, ARCFACE_112X96, FFHQ_512, align, similarity, transform
from facesr_bench.faces.points import five_points

INSIGHTFACE: Any = insightface  # it has no types


def random_faces(count: int) -> list[NDArray[np.float64]]:
    """Five points each: the template turned, scaled, moved and jittered."""
    rng = np.random.default_rng(0)
    faces = []
    for _ in range(count):
        angle, scale = rng.uniform(-math.pi, math.pi), rng.uniform(0.3, 3)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        points = (ARCFACE_112.points.astype(np.float64) - 56) @ turn.T * scale + rng.uniform(40, 150, 2)
        faces.append(points + rng.normal(0, 2, (5, 2)))
    return faces


def test_equal_to_insightface_bit_for_bit(astronaut: NDArray[np.uint8]) -> None:
    theirs = INSIGHTFACE.utils.face_align
    for points in random_faces(100):
        assert np.array_equal(similarity(points, ARCFACE_112.points), theirs.estimate_norm(points))
        assert np.array_equal(align(astronaut, points), theirs.norm_crop(astronaut, points))


def test_a_hand_worked_similarity() -> None:
    """A quarter turn, twice the size, then 10 to the right and 20 down."""
    source = np.array([[0.0, 0], [1, 0], [0, 1], [3, 2]])
    target = np.array([[10.0, 20], [10, 22], [8, 20], [6, 26]])
    assert np.allclose(similarity(source, target), [[0, -2, 10], [2, 0, 20]], rtol=0, atol=1e-12)
    assert np.allclose(transform(source, similarity(source, target)), target, rtol=0, atol=1e-12)


def test_is_the_least_squares_solution() -> None:
    """x' = a x - b y + s, y' = b x + a y + t is linear in a, b, s, t: solved as such."""
    for points in random_faces(50):
        x, y = points.T
        one, none = np.ones(5), np.zeros(5)
        system = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
        (a, b, s, t), *_ = np.linalg.lstsq(system, ARCFACE_112.points.T.astype(np.float64).ravel(), rcond=None)
        found = similarity(points, ARCFACE_112.points.astype(np.float64))
        assert np.allclose(found, [[a, -b, s], [b, a, t]], rtol=0, atol=1e-9)


def test_never_mirrors() -> None:
    for points in random_faces(20):
        matrix = similarity(points * (-1, 1), ARCFACE_112.points)
        assert np.linalg.det(matrix[:, :2]) >= 0


def test_two_points_and_points_on_a_line_are_enough() -> None:
    line = np.array([[0.0, 0], [1, 1], [2, 2]])
    assert np.allclose(similarity(line, line * 3 + 5), [[3, 0, 5], [0, 3, 5]], rtol=0, atol=1e-12)
    assert np.allclose(similarity(line[:2], line[:2] - 1), [[1, 0, -1], [0, 1, -1]], rtol=0, atol=1e-12)


def test_a_face_already_in_place_stays_as_it_is(astronaut: NDArray[np.uint8]) -> None:
    face = np.ascontiguousarray(astronaut[40:152, 30:142])
    assert np.array_equal(align(face, ARCFACE_112.points), face)


def test_turning_moving_and_scaling_the_points_turns_with_them() -> None:
    """The composition of the known movement and the new alignment is the old alignment."""
    for points in random_faces(20):
        moved = points @ np.array([[0.6, 0.8], [-0.8, 0.6]]) * 1.7 + (11, -7)
        before, after = similarity(points, ARCFACE_112.points), similarity(moved, ARCFACE_112.points)
        assert np.allclose(transform(moved, after), transform(points, before), rtol=0, atol=1e-9)


def test_the_narrow_template_is_the_middle_of_the_wide_one(astronaut: NDArray[np.uint8]) -> None:
    points = random_faces(1)[0]
    wide, narrow = align(astronaut, points), align(astronaut, points, ARCFACE_112X96)
    assert narrow.shape == (112, 96, 3)
    assert np.abs(wide[:, 8:104].astype(int) - narrow).max() <= 1


def test_black_where_the_picture_ends(astronaut: NDArray[np.uint8]) -> None:
    points = ARCFACE_112.points.astype(np.float64) - 80
    assert (align(np.full_like(astronaut, 200), points)[:70, :70] == 0).all()


def test_an_ffhq_aligned_picture_needs_no_landmarks() -> None:
    """Its points come to ArcFace's within 2.5 px of 112: both templates are a mean face."""
    moved = transform(FFHQ_512.points, similarity(FFHQ_512.points, ARCFACE_112.points))
    assert np.abs(moved - ARCFACE_112.points).max() < 2.5


def test_five_points_of_68(face68: NDArray[np.float64]) -> None:
    face68[36:42] = [[10, 20], [20, 10], [30, 10], [40, 20], [30, 30], [20, 30]]
    face68[42:48] = [[60, 21], [70, 11], [80, 11], [90, 21], [80, 31], [70, 31]]
    face68[[30, 48, 54]] = [[50, 50], [30, 70], [70, 71]]
    assert five_points(face68).tolist() == [[25, 20], [75, 21], [50, 50], [30, 70], [70, 71]]


def test_five_points_of_five_are_those() -> None:
    celeba = np.array([[69, 109], [106, 113], [77, 142], [73, 152], [108, 154]])
    assert five_points(celeba).tolist() == celeba.tolist()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((5, 2)), "one spot"),
        (np.full((68, 2), 7.3), "one spot"),
        (np.full((5, 2), np.nan), "NaN"),
        (np.full((5, 2), np.inf), "infinity"),
        (np.zeros((4, 2)), r"68x2 or 5x2.*not of shape \(4, 2\)"),
        (np.zeros((5, 3)), r"not of shape \(5, 3\)"),
        (np.zeros(10), r"not of shape \(10,\)"),
    ],
)
def test_points_that_are_no_face(astronaut: NDArray[np.uint8], points: NDArray[Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        align(astronaut, points)


def test_pairs_of_points_that_are_none() -> None:
    with pytest.raises(MetricError, match="at least 2 pairs of points, not 1 and 1"):
        similarity(np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(MetricError, match="not 5 and 4"):
        similarity(np.ones((5, 2)), np.ones((4, 2)))


@pytest.mark.parametrize("picture", [np.zeros((9, 9, 3)), np.zeros((9, 9), np.uint8), np.zeros((0, 9, 3), np.uint8)])
def test_pictures_that_are_none(picture: NDArray[Any]) -> None:
    with pytest.raises(MetricError, match="uint8 HxWx3"):
        align(picture, ARCFACE_112.points)
