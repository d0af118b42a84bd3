"""From a float picture to the uint8 picture that would be saved."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.images.files import Image8

TRUNCATION_SLACK = 1e-3
"""Levels below a whole one that truncation still counts as that one."""


STRIP = 2**20
"""Values that are computed with at a time, in float64: a picture of 100 million pixels would else need 8 GB."""


RANGE_SLACK = 1e-4
"""How far outside [0, 1] a value may be and still count as float noise."""


def quantise(sr: NDArray[np.floating[Any]], mode: Quantise) -> Image8:
    """The uint8 image that would be saved for a float one.

    `round` is to the nearest level. `truncate` drops the fraction, as `astype(uint8)` does, but a value less than
    TRUNCATION_SLACK below a level counts as on it: an exact k / 255 that went through [-1, 1] and back in float32 is
    up to 8e-6 levels short for 63 of the 256 k, and would lose a whole level to noise that is not the method's doing.

    Args:
        sr: HxWx3, float32 or float64, RGB in [0, 1].

    Raises:
        MetricError: another shape or dtype, NaN, or values outside [0, 1] by more than RANGE_SLACK.
    """
    if sr.dtype not in (np.float32, np.float64):
        raise MetricError(f"SR must be uint8, float32 or float64, not {sr.dtype}")
    _check_shape(sr, "SR")
    low, high = float(sr.min()), float(sr.max())
    if np.isnan(low):
        raise MetricError("SR has NaN in it")
    if low < -RANGE_SLACK or high > 1 + RANGE_SLACK:
        raise MetricError(
            f"float SR must lie in [0, 1], but this one spans {low:.6g} to {high:.6g}; "
            "clip it, or divide by 255 if it is in levels"
        )
    found, rows = np.empty(sr.shape, np.uint8), max(1, STRIP // sr[0].size)
    for top in range(0, len(sr), rows):
        levels = sr[top : top + rows].astype(np.float64) * 255
        whole = np.rint(levels) if mode == "round" else np.floor(levels + TRUNCATION_SLACK)
        found[top : top + rows] = np.clip(whole, 0, 255)
    return found


def _check_shape(image: NDArray[Any], what: str) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise MetricError(f"{what} must be HxWx3 (RGB), not of shape {image.shape}")


Quantise = Literal["round", "truncate"]
