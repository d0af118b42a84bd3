"""How far off landmarks are: normalised mean error, and what a set of such errors comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import MetricError
from facesr_bench.faces.points import LEFT_EYE, OUTER_EYE_CORNERS, RIGHT_EYE, Points, check_points
from facesr_bench.plugins import unknown

Average = Literal["mean", "rms"]


def inter_ocular(truth: Points) -> float:
    """Distance of the outer eye corners, points 36 and 45 counted from 0: 300-W's normaliser."""
    left, right = OUTER_EYE_CORNERS
    return float(np.linalg.norm(truth[left] - truth[right]))


def inter_pupil(truth: Points) -> float:
    """Distance of the eye centres, each the mean of its eye's six points."""
    return float(np.linalg.norm(truth[LEFT_EYE].mean(axis=0) - truth[RIGHT_EYE].mean(axis=0)))


def box_diagonal(truth: Points) -> float:
    """Diagonal of the points' upright bounding box."""
    return float(np.linalg.norm(truth.max(axis=0) - truth.min(axis=0)))


def dic(truth: Points) -> float:
    """DICNet's "outer eye width", a witness: |x[46] - x[37]|.

    The mark-up's numbers, which count from 1, used on an array that counts from 0, and without y: it spans from inside
    the left eye to inside the right one, and shrinks when the head tilts
    (Maclory/Deep-Iterative-Collaboration@3ff19f1:code/eval_landmark.py:107-115). With it goes average `rms`.
    """
    return float(abs(truth[46, 0] - truth[37, 0]))


NORMALISERS: dict[str, Callable[[Points], float]] = {
    "inter-ocular": inter_ocular,
    "inter-pupil": inter_pupil,
    "box-diagonal": box_diagonal,
    "dic": dic,
}
"""What an error is divided by, from the truth's 68 points, px."""


def nme(
    predicted: NDArray[Any],
    truth: NDArray[Any],
    normaliser: str = "inter-ocular",
    average: Average = "mean",
) -> float:
    """The error of one face's landmarks over the size of the face, in percent.

    Args:
        predicted, truth: 68x2, px of the same picture.
        normaliser: one of NORMALISERS, taken from `truth`.
        average: of the 68 distances d: `mean`, or `rms` for sqrt(mean d^2), as DICNet has it.

    Raises:
        MetricError: another shape, NaN or infinity, an unknown normaliser, or one that is 0 on this face.
    """
    if normaliser not in NORMALISERS:
        raise MetricError(unknown("normaliser", normaliser, NORMALISERS))
    found = check_points(predicted, "predicted landmarks", (68,))
    true = check_points(truth, "true landmarks", (68,))
    size = NORMALISERS[normaliser](true)
    if size <= 0:
        raise MetricError(f"the true landmarks' {normaliser} distance is 0, so no error can be divided by it")
    distances = np.linalg.norm(found - true, axis=1)
    error = distances.mean() if average == "mean" else np.sqrt(np.square(distances).mean())
    return float(100 * error / size)


def _checked(errors: Sequence[float] | NDArray[Any], limit: float) -> NDArray[np.float64]:
    values = np.asarray(errors, np.float64)
    if values.ndim != 1 or not values.size:
        raise MetricError(f"errors must be a list of at least one number, not of shape {values.shape}")
    if np.isnan(values).any() or values.min() < 0:
        raise MetricError("an error is NaN or negative; a face whose detection failed counts as infinity")
    if not 0 < limit < np.inf:
        raise MetricError(f"the largest error of the curve must be a positive number, not {limit}")
    return values


def failure_rate(errors: Sequence[float] | NDArray[Any], threshold: float) -> float:
    """The share of faces whose error is above `threshold`, 0..1.

    Args:
        errors: one per face, percent; infinity where detection failed.
        threshold: percent.

    Raises:
        MetricError: no errors, NaN, or a threshold that is not positive.
    """
    return float((_checked(errors, threshold) > threshold).mean())


def cumulative_curve(
    errors: Sequence[float] | NDArray[Any], limit: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The cumulative error curve from 0 to `limit`: the share of faces whose error is at most x.

    The corners of the exact step curve, not a sampling of it: two at each error, below and above the step.

    Args:
        errors: one per face, percent; infinity where detection failed.
        limit: percent.

    Returns:
        (x, y): errors in percent from 0 to `limit`, and shares of all faces, 0..1; neither ever falls.

    Raises:
        MetricError: no errors, NaN, or a limit that is not positive.
    """
    values = _checked(errors, limit)
    inside = np.sort(values[values <= limit])
    shares = np.arange(len(inside) + 1) / len(values)
    x = np.concatenate([[0.0], np.repeat(inside, 2), [limit]])
    return x, np.repeat(shares, 2)


def auc(errors: Sequence[float] | NDArray[Any], limit: float) -> float:
    """The area under the cumulative error curve from 0 to `limit`, over `limit`: 1 where every error is 0.

    Exact: the trapezoid rule on the corners of the step curve. Failed detections add nothing.

    Args:
        errors: one per face, percent; infinity where detection failed.
        limit: percent, as 8 or 10.

    Raises:
        MetricError: no errors, NaN, or a limit that is not positive.
    """
    x, y = cumulative_curve(errors, limit)
    return float((np.diff(x) * (y[1:] + y[:-1])).sum() / 2 / limit)
