"""Landmark errors: worked by hand, invariant where they should be, and added up exactly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.functional.landmarks import NORMALISERS, nme
from facesr_bench.results.curves import auc, cumulative_curve, failure_rate

Points = NDArray[np.float64]


OFFSET = np.array([3.0, 4])


def worked() -> Points:
    """A face whose every size is a round number."""
    points = np.full((68, 2), 50.0)
    points[36:42] = [[0, 0], [10, -5], [20, -5], [30, 0], [20, 5], [10, 5]]  # mean (15, 0)
    points[42:48] = [[70, 0], [80, -5], [90, -5], [100, 0], [90, 5], [80, 5]]  # mean (85, 0)
    points[0], points[16], points[8] = (-10, 50), (110, 50), (50, 85)  # x spans 120, y 90: the diagonal is 150
    return points


DIC = [("dic-width", 120), ("dic-eye-dist", 70)]
"""x[43], x[46], x[37], x[40] are 80, 90, 10 and 20 here, so the means 85 and 15 are 70 apart."""


@pytest.mark.parametrize(
    ("normaliser", "size"),
    [("inter-ocular", 100), ("inter-pupil", 70), ("box-diagonal", 150), ("dic", 80), *DIC],
)
def test_worked_by_hand(normaliser: str, size: float) -> None:
    """Every point is 5 px off, by (3, 4)."""
    truth = worked()
    assert nme(truth + OFFSET, truth, normaliser) == pytest.approx(100 * 5 / size, abs=1e-12)
    assert nme(truth + OFFSET, truth, normaliser, "rms") == pytest.approx(100 * 5 / size, abs=1e-12)
    assert nme(truth, truth, normaliser) == 0


def test_mean_and_root_mean_square_differ() -> None:
    """17 of 68 points are 4 px off: the mean is 1, the root of the mean square 2."""
    truth = worked()
    predicted = truth.copy()
    predicted[::4, 0] += 4
    assert nme(predicted, truth) == pytest.approx(1.0, abs=1e-12)
    assert nme(predicted, truth, "inter-ocular", "rms") == pytest.approx(2.0, abs=1e-12)


def test_dic_reads_points_that_are_not_the_outer_corners(face68: Points) -> None:
    """A witness: ids that count from 1 on an array that counts from 0, and x alone."""
    predicted = face68 + np.random.default_rng(0).normal(0, 3, (68, 2))
    squares = [float((p[0] - t[0]) ** 2 + (p[1] - t[1]) ** 2) for p, t in zip(predicted, face68, strict=True)]
    expected = 100 * math.sqrt(sum(squares) / 68) / abs(face68[46][0] - face68[37][0])
    assert nme(predicted, face68, "dic", "rms") == pytest.approx(expected, abs=1e-12)
    turn = np.array([[0.0, 1], [-1, 0]])
    turned = nme(predicted @ turn.T, face68 @ turn.T, "dic", "rms")
    assert abs(turned - expected) > 1


@pytest.mark.parametrize("normaliser", ["inter-ocular", "inter-pupil", "box-diagonal", "dic"])
@given(
    scale=st.floats(0.1, 10),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
    angle=st.floats(-math.pi, math.pi),
)
def test_moving_both_changes_nothing(normaliser: str, scale: float, x: float, y: float, angle: float) -> None:
    """Nor does turning both, for sizes that do not depend on the axes."""
    if normaliser in {"box-diagonal", "dic"}:
        angle = 0.0
    truth = worked()
    predicted = truth + np.random.default_rng(0).normal(0, 3, (68, 2))
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = nme(predicted @ turn.T + (x, y), truth @ turn.T + (x, y), normaliser)
    assert moved == pytest.approx(nme(predicted, truth, normaliser), rel=1e-9)


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        (np.zeros((67, 2)), r"predicted landmarks must be 68x2 .*not of shape \(67, 2\)"),
        (np.zeros((68, 3)), r"not of shape \(68, 3\)"),
        (np.full((68, 2), np.nan), "predicted landmarks: NaN"),
    ],
)
def test_points_that_are_no_face(predicted: Points, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        nme(predicted, worked())
    with pytest.raises(MetricError, match=message.replace("predicted", "true")):
        nme(worked(), predicted)


@pytest.mark.parametrize("normaliser", sorted(NORMALISERS))
def test_a_face_of_no_size(normaliser: str) -> None:
    with pytest.raises(MetricError, match=f"{normaliser} distance is 0"):
        nme(worked(), np.full((68, 2), 3.0), normaliser)


def test_unknown_normaliser() -> None:
    with pytest.raises(MetricError, match="did you mean 'inter-ocular'"):
        nme(worked(), worked(), "interocular")


def test_hand_worked_sums() -> None:
    """Faces at 2, 4 and 12 %, and one without a face found."""
    errors = [4.0, math.inf, 2.0, 12.0]
    x, y = cumulative_curve(errors, 8)
    assert x.tolist() == [0, 2, 2, 4, 4, 8]
    assert y.tolist() == [0, 0, 0.25, 0.25, 0.5, 0.5]
    assert auc(errors, 8) == pytest.approx((2 * 0.25 + 4 * 0.5) / 8, abs=1e-15)
    assert failure_rate(errors, 8) == 0.5
    assert failure_rate(errors, 100) == 0.25
    assert failure_rate(errors, 4) == 0.5  # at the threshold is not above it


@pytest.mark.parametrize("limit", [8.0, 10.0])
def test_auc_is_a_dense_trapezoid(limit: float) -> None:
    rng = np.random.default_rng(3)
    errors = np.concatenate([rng.gamma(4, 1.2, 200), [math.inf] * 5, [0.0, limit]])
    grid = np.linspace(0, limit, 400_001)
    shares = np.searchsorted(np.sort(errors), grid, side="right") / len(errors)
    area = np.sum((shares[1:] + shares[:-1]) / 2) * (grid[1] - grid[0]) / limit
    assert auc(errors, limit) == pytest.approx(area, abs=1e-5)
    assert auc(errors, limit) == pytest.approx(np.maximum(0, 1 - errors / limit).mean(), abs=1e-12)


def test_auc_at_its_ends() -> None:
    assert auc([0.0, 0.0], 8) == 1
    assert auc([8.0, 9.0, math.inf], 8) == 0
    assert auc(np.array([4.0]), 8) == 0.5


def test_the_curve_counts_every_face(face68: Points) -> None:
    """A detection that failed is in the denominator: without it the curve would end at 1."""
    x, y = cumulative_curve([1.0, 2.0, math.inf, math.inf], 10)
    assert y[-1] == 0.5
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()


@pytest.mark.parametrize(
    ("errors", "limit", "message"),
    [
        ([], 8.0, "at least one"),
        ([math.nan], 8.0, "NaN"),
        ([-1.0], 8.0, "negative"),
        ([1.0], 0.0, "positive number, not 0"),
        ([1.0], math.inf, "positive number"),
        ([[1.0]], 8.0, r"not of shape \(1, 1\)"),
    ],
)
def test_sums_of_nothing(errors: Any, limit: float, message: str) -> None:
    for function in (auc, failure_rate, cumulative_curve):
        with pytest.raises(MetricError, match=message):
            function(errors, limit)
