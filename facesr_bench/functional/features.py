"""Feature arrays, one row per image: what FID and KID are computed on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError

Features = NDArray[np.floating[Any]]
"""NxD, one row per image, any float dtype."""


def as_float64(features: Features, what: str, minimum: int) -> NDArray[np.float64]:
    """`features` in float64, if they are what a distance between sets can be computed on.

    Args:
        features: NxD, any float dtype.
        what: what errors call them, `the first set`.
        minimum: how many rows the distance needs.

    Raises:
        MetricError: not NxD floats, fewer than `minimum` rows, or a NaN or infinity among them.
    """
    given = np.asarray(features)
    if given.ndim != 2 or given.shape[1] == 0:
        raise MetricError(f"{what}: features must be NxD, one row per image, not of shape {given.shape}")
    if not np.issubdtype(given.dtype, np.floating):
        raise MetricError(f"{what}: features must be floats, not {given.dtype}")
    if len(given) < minimum:
        raise MetricError(f"{what}: this distance needs at least {minimum} images, but there are {len(given)}")
    values = given.astype(np.float64)
    check_finite(values, f"{what}: features")
    return values


def check_finite(values: NDArray[np.float64], what: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        MetricError: a NaN or infinity in `values`; says how many.
    """
    if bad := int(values.size - np.isfinite(values).sum()):
        raise MetricError(f"{what} hold NaN or infinity ({bad} of {values.size} values)")


def check_widths(first: int, second: int) -> None:
    """Refuse features of two networks.

    Raises:
        MetricError: the two sets' features have different widths D, so they come from different networks.
    """
    if first != second:
        raise MetricError(
            f"the first set has {first} features per image and the second {second}: "
            "only features of one network can be compared"
        )
