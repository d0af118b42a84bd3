"""Normalised mean error of landmarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.base.suggest import unknown
from facesr_bench.data.ffhq import LEFT_EYE, RIGHT_EYE
from facesr_bench.faces.points import OUTER_EYE_CORNERS, Points, check_points

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


def dic_width(truth: Points) -> float:
    """DICNet's "width": how far the 68 points reach from left to right (the same script)."""
    return float(np.ptp(truth[:, 0]))


def dic_eye_dist(truth: Points) -> float:
    """DICNet's "eye_dist", a witness: between the means of x[37], x[40] and of x[43], x[46] (the same script).

    Meant as the eyes' corners, with numbers off by one as in `dic`, and without y.
    """
    x = truth[:, 0]
    return float(abs((x[43] + x[46]) / 2 - (x[37] + x[40]) / 2))


NORMALISERS: dict[str, Callable[[Points], float]] = {
    "inter-ocular": inter_ocular,
    "inter-pupil": inter_pupil,
    "box-diagonal": box_diagonal,
    "dic": dic,
    "dic-width": dic_width,
    "dic-eye-dist": dic_eye_dist,
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
