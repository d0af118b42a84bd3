"""The points of a face: which is which among 68, and the five that alignment uses.

All points are x then y, in px, the centre of the top-left pixel at (0, 0). Left and right are the picture's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.data.ffhq import five_of_68

Points = NDArray[np.float64]
"""Nx2, x then y, px."""

OUTER_EYE_CORNERS = 36, 45
"""Of the iBUG 68-point mark-up, counted from 0."""


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
    return five_of_68(points)
