"""Cumulative error curves: area under the curve and failure rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError


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


def share_below(values: Sequence[float] | NDArray[Any], threshold: float) -> float:
    """The share of faces whose value is below `threshold`, 0..1.

    Args:
        values: one per face; minus infinity where detection failed.

    Raises:
        MetricError: no values, or NaN.
    """
    found = np.asarray(values, np.float64)
    if not found.size or np.isnan(found).any():
        raise MetricError("a share needs at least one value, and none of them NaN")
    return float((found < threshold).mean())


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
