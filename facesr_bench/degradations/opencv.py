"""What OpenCV does to pictures, in float64 and by own sums; and JPEG.

OpenCV computes float32 pictures with what the processor offers: the same call gives other last bits on another one.
Here every result is exact to about 1e-12 levels, and `to_uint8` rounds so that this never shows.
"""

from __future__ import annotations

import io
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.images.files import Image8

Floats = NDArray[np.float64]
Taps = tuple[NDArray[np.intp], Floats]
"""Of a resize: which input lines make each output line, and with which weights; both taps x lines."""


def to_uint8(image: NDArray[Any]) -> Image8:
    """Rounded (ties to even) and clipped.

    A value that is a tie but for the last bits, which differ between machines, is a tie: whence the nine decimals.
    """
    return np.asarray(np.clip(np.rint(np.round(image, 9)), 0, 255), np.uint8)


def jpeg(image: Image8, quality: int) -> Image8:
    """HxWx3 RGB compressed with chroma at half the size (4:2:0) and read again."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2, optimize=False)
    return np.asarray(Image.open(buffer).convert("RGB"))


@lru_cache(maxsize=512)
def taps(n: int, m: int, kind: str) -> Taps:
    """The taps of `cv2.resize` of n lines to m: `nearest`, `bilinear`, `bicubic` (a = -0.75) or `area` (for m < n).

    As there, none but `area` smooths before it reduces.
    """
    scale = n / m
    lines = np.arange(m)
    if kind == "nearest":
        first, count = np.minimum((lines * scale).astype(np.intp), n - 1), 1
        weights = np.ones((1, m))
    elif kind == "area":
        first, count = (lines * scale).astype(np.intp), ceil(scale) + 1
        start = first + np.arange(count)[:, None]
        weights = np.minimum(start + 1, (lines + 1) * scale) - np.maximum(start, lines * scale)
        weights = np.maximum(weights, 0) / scale
    else:
        centre = (lines + 0.5) * scale - 0.5
        left = np.floor(centre).astype(np.intp)
        first, count = (left, 2) if kind == "bilinear" else (left - 1, 4)
        distance = np.abs(centre - (first + np.arange(count)[:, None]))
        weights = 1 - distance if kind == "bilinear" else _cubic(distance)
    return np.clip(first + np.arange(count)[:, None], 0, n - 1), weights


def _cubic(x: Floats, a: float = -0.75) -> Floats:
    """Keys' cubic kernel at distances 0 <= x <= 2."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, far)


def resized(image: Floats, height: int, width: int, kind: str = "bilinear") -> Floats:
    """HxWxC brought to height x width as `cv2.resize` does; `kind` as for `taps`."""
    down = _summed(image, taps(image.shape[0], height, kind))
    return _summed(down.swapaxes(0, 1), taps(image.shape[1], width, kind)).swapaxes(0, 1)


def _summed(image: Floats, found: Taps) -> Floats:
    indices, weights = found
    total = np.zeros((indices.shape[1], *image.shape[1:]))
    for index, weight in zip(indices, weights, strict=True):
        total += weight[:, None, None] * image[index]
    return total


def gaussian_kernel(side: int, sigma_x: float, sigma_y: float, theta: float) -> Floats:
    """side x side (odd): a Gaussian of standard deviations sigma_x and sigma_y (px) along axes turned by theta; sum 1.

    Args:
        theta: from the x axis, towards y, radians.
    """
    offsets = np.arange(side) - side // 2
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    along, across = x * np.cos(theta) + y * np.sin(theta), y * np.cos(theta) - x * np.sin(theta)
    kernel = np.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2))
    return np.asarray(kernel / kernel.sum())


def filtered(image: Floats, kernel: Floats) -> Floats:
    """HxWxC as `cv2.filter2D` filters it by a kernel of odd sides: mirrored at the border without repeating its pixel.

    By Fourier transform, as OpenCV does it for kernels as large as those here, in float64.
    """
    from scipy import fft

    height, width = image.shape[:2]
    up, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.pad(image, ((up, up), (left, left), (0, 0)), mode="reflect")
    shape = [fft.next_fast_len(n, real=True) for n in padded.shape[:2]]
    # A filter is a convolution with the kernel turned by half a turn.
    response = fft.rfft2(kernel[::-1, ::-1], shape)[:, :, None]
    blurred = fft.irfft2(fft.rfft2(padded, shape, axes=(0, 1)) * response, shape, axes=(0, 1))
    return np.asarray(blurred[2 * up : 2 * up + height, 2 * left : 2 * left + width])
