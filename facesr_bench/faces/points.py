"""The points of a face: which is which among 68, and the five that alignment uses.

All points are x then y, in px, the centre of the top-left pixel at (0, 0). Left and right are the picture's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError

Points = NDArray[np.float64]
"""Nx2, x then y, px."""

# Of the iBUG 68-point mark-up (Sagonas et al., 300-W, 2013), counted from 0; the mark-up itself counts from 1.
LEFT_EYE = slice(36, 42)
RIGHT_EYE = slice(42, 48)
OUTER_EYE_CORNERS = 36, 45
NOSE_TIP = 30
MOUTH_CORNERS = 48, 54


def check_points(points: NDArray[Any], what: str, counts: tuple[int, ...]) -> Points:
    """`points` as float64, if there are as many as in `counts` and every one is a finite number.

    Args:
        what: what errors call them.

    Raises:
        MetricError: another shape, NaN or infinity; says which.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or array.shape[0] not in counts:
        expected = " or ".join(f"{count}x2" for count in counts)
        raise MetricError(f"{what} must be {expected} (x then y, px), not of shape {array.shape}")
    if not np.isfinite(array).all():
        raise MetricError(f"{what}: NaN or infinity among the points")
    return array


def five_points(landmarks: NDArray[Any]) -> Points:
    """The five points that faces are aligned by: left eye, right eye, nose, left and right corner of the mouth.

    Args:
        landmarks: 68x2 (iBUG): eye centres are the means of 36-41 and 42-47, the nose is its tip 30, the mouth corners
            are 48 and 54. Or 5x2 in this very order, which is CelebA's.

    Raises:
        MetricError: another number of points, NaN or infinity.
    """
    points = check_points(landmarks, "landmarks", (68, 5))
    if len(points) == 5:
        return points
    eyes = points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0)
    return np.stack([*eyes, points[NOSE_TIP], *points[list(MOUTH_CORNERS)]])
