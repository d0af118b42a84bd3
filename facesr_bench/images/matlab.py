"""MATLAB's `imresize(x, size, 'bicubic')`, which most published low-resolution test images were made with.

Cubic convolution after Keys (1981) with a = -0.5. When shrinking, the kernel is stretched by 1 / scale (antialiasing).
Beyond its border the picture is mirrored, edge pixel included. One dimension is resized after the other, the one with
the smaller scale first, and uint8 pictures are rounded and clipped between the two.

Pillow's bicubic has the same kernel, but cuts it off at the border and renormalises: the results differ there by up to
11 levels at x8.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_SUPPORT = 4.0
"""Width of the unstretched kernel, px."""


@overload
def imresize(image: NDArray[np.uint8], size: tuple[int, int], *, antialias: bool = True) -> NDArray[np.uint8]: ...


@overload
def imresize(image: NDArray[np.floating[Any]], size: tuple[int, int], *, antialias: bool = True) -> Float: ...


def imresize(
    image: NDArray[np.uint8] | NDArray[np.floating[Any]], size: tuple[int, int], *, antialias: bool = True
) -> NDArray[np.uint8] | Float:
    """Resize a picture as MATLAB does.

    Args:
        image: HxW or HxWxC; uint8, or floating point of any range.
        size: (height, width) of the result.
        antialias: stretch the kernel when shrinking, MATLAB's default.

    Returns:
        uint8 for uint8, rounded half away from zero and clipped to 0..255 after each of the two passes. Otherwise
        float64, neither rounded nor clipped: bicubic overshoots the range of its input.

    Raises:
        ValueError: an empty picture or size, more than three dimensions, or another dtype.
    """
    if image.ndim not in {2, 3} or 0 in image.shape or min(size) < 1:
        raise ValueError(f"can't resize an array of shape {image.shape} to {size}")
    eight_bits = image.dtype == np.uint8
    if not eight_bits and not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"imresize takes uint8 or floating point, not {image.dtype}")
    result: Float = image.astype(np.float64)
    for axis in sorted((0, 1), key=lambda axis: size[axis] / image.shape[axis]):
        result = _resize_axis(result, axis, size[axis], antialias)
        if eight_bits:
            # Negative values are clipped, so rounding half up is rounding half away from zero.
            result = np.clip(np.floor(result + 0.5), 0, 255)
    return result.astype(np.uint8) if eight_bits else result


def _resize_axis(image: Float, axis: int, length: int, antialias: bool) -> Float:
    indices, weights = _taps(image.shape[axis], length, antialias)
    by_row = image if axis == 0 else image.swapaxes(0, 1)
    column = (length,) + (1,) * (image.ndim - 1)
    total = np.zeros((length, *by_row.shape[1:]))
    # One product and one sum per tap, in a fixed order: a matrix product would be summed in an order (and with fused
    # multiply-adds) that depends on the machine, which shows wherever a value falls half way between two levels.
    for tap in range(len(indices)):
        total += weights[tap].reshape(column) * by_row[indices[tap]]
    return total if axis == 0 else total.swapaxes(0, 1)


@lru_cache(maxsize=256)
def _taps(length_in: int, length_out: int, antialias: bool) -> tuple[NDArray[np.intp], Float]:
    """Which input samples make each output sample, and with which weights: both taps x length_out."""
    scale = length_out / length_in
    stretch = scale if antialias and scale < 1 else 1.0
    width = _SUPPORT / stretch
    # The centre of each output sample in input samples, counted from 0; from 1 it is x / s + (1 - 1 / s) / 2.
    centre = (np.arange(length_out) + 0.5) / scale - 0.5
    first = np.floor(centre - width / 2)
    indices = first + np.arange(math.ceil(width) + 2)[:, None]
    weights = stretch * _cubic(stretch * (centre - indices))
    total = np.zeros(length_out)
    for tap in weights:  # summed in order, for the reason given above
        total += tap
    weights /= total
    mirrored = indices.astype(np.intp) % (2 * length_in)
    mirrored = np.where(mirrored < length_in, mirrored, 2 * length_in - 1 - mirrored)
    used = weights.any(axis=1)
    mirrored, weights = mirrored[used], weights[used]
    mirrored.setflags(write=False)
    weights.setflags(write=False)
    return mirrored, weights


def _cubic(x: Float) -> Float:
    """Keys' kernel with a = -0.5 (IEEE Trans. ASSP 29(6), 1981, eq. 15)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
