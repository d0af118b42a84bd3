"""From the image a method made to the numbers that PSNR and SSIM are computed on, as a convention says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.functional import sums
from facesr_bench.images import luma
from facesr_bench.images.files import Image8
from facesr_bench.images.quantise import _check_shape
from facesr_bench.plugins.convention import PixelConvention

Planes = NDArray[np.float64]
"""What is scored: HxW (luma) or HxWx3 (RGB), float64, levels 0..255."""

STRIP = 2**20
"""Values that are computed with at a time: a picture of 100 million pixels would else need a dozen arrays of its size,
each eight times as large as the picture."""

KEPT = 2**22
"""Values of a picture that are kept for the next method; of a larger one they are computed again, strip by strip."""

_STUDIO_BLACK = 16.0
"""The level of black in BT.601's limited range."""


@dataclass(frozen=True)
class Statistics:
    """Mean and population standard deviation of each RGB channel, float64, levels."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]


def check_image(image: NDArray[Any], what: str) -> Image8:
    """`image` itself, if it is a uint8 HxWx3 picture.

    Args:
        what: what errors call it, `SR` or `HR`.

    Raises:
        MetricError: another shape or dtype; says which.
    """
    if image.dtype != np.uint8:
        raise MetricError(f"{what} must be uint8, not {image.dtype}")
    _check_shape(image, what)
    return image


def check_pair(sr: NDArray[Any], hr_shape: tuple[int, ...]) -> Image8:
    """`sr` itself, if it is a uint8 picture of HR's shape.

    Raises:
        MetricError: it isn't; names both sizes.
    """
    image = check_image(sr, "SR")
    if image.shape != hr_shape:
        sizes = f"SR is {image.shape[1]}x{image.shape[0]} and HR {hr_shape[1]}x{hr_shape[0]}"
        raise MetricError(f"{sizes}: only images of one size can be compared")
    return image


def statistics(image: Image8) -> Statistics:
    """The statistics that SR is forced to under a convention with `match_statistics`, of the whole HR image."""
    height, width = image.shape[:2]
    means, deviations = np.empty(3), np.empty(3)
    for channel in range(3):
        levels = image[..., channel]

        def pieces(levels: NDArray[np.uint8] = levels) -> Iterator[Planes]:
            return (levels[rows].astype(np.float64) for rows in strips(height, width))

        means[channel] = sums.mean(levels.size, pieces())
        deviations[channel] = sums.standard_deviation(levels.size, pieces(), means[channel])
    return Statistics(means, deviations)


def strips(height: int, width: int, values: int | None = None) -> Iterator[slice]:
    """All rows of a picture, some values or one row at a time.

    Args:
        width: values of a row.
        values: `STRIP` unless told.
    """
    rows = max(1, (values or STRIP) // width)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def match(image: Image8, target: Statistics) -> Planes:
    """`image` with mean and standard deviation of each channel forced to `target`; neither clipped nor rounded.

    Raises:
        MetricError: a channel of `image` is constant, so no factor can give it the standard deviation.
    """
    gain, offset = _gain(image, target)
    return image * gain + offset


def _gain(image: Image8, target: Statistics) -> tuple[Planes, Planes]:
    """Factor and summand of each channel, so that equal statistics (1 and 0) leave the image exactly as it is.

    Raises:
        MetricError: as `match`.
    """
    own = statistics(image)
    if np.any((own.std == 0) & (target.std != 0)):
        raise MetricError("the profile matches SR's standard deviation to HR's, but a channel of SR is constant")
    gain = np.divide(target.std, own.std, out=np.ones(3), where=own.std != 0)
    return gain, target.mean - gain * own.mean


def luma_bt601(rgb: NDArray[Any]) -> Planes:
    """16 + (65.481 R + 128.553 G + 24.966 B) / 255, range 16..235: ITU-R BT.601 as in MATLAB's rgb2ycbcr."""
    return (_weighted(rgb, luma.STUDIO) + _STUDIO_BLACK * luma.STUDIO_DENOMINATOR) / luma.STUDIO_DENOMINATOR


def luma_full(rgb: NDArray[Any]) -> Planes:
    """.299 R + .587 G + .114 B, range 0..255: the luma of JPEG, YIQ and most general libraries."""
    return _weighted(rgb, luma.FULL) / luma.FULL_DENOMINATOR


def _weighted(rgb: NDArray[Any], weights: tuple[float, float, float]) -> Planes:
    # Not `@`: for arrays this small, BLAS spends longer on waking its threads than on the sum.
    total: Planes = rgb[..., 0] * weights[0] + rgb[..., 1] * weights[1] + rgb[..., 2] * weights[2]
    return total


class Scored:
    """What a convention scores of an image, as a whole or some rows at a time.

    Args:
        image: HxWx3 uint8.
        scale: HR side over LR side, for conventions that cut a border that wide.
        matched_to: HR's statistics, for SR under a convention with `match_statistics`.

    Raises:
        MetricError: the border leaves nothing of the image, or its statistics can't be matched.

    Attributes:
        shape: hxw (luma) or hxwx3, less the border.
    """

    shape: tuple[int, ...]

    def __init__(
        self, image: Image8, convention: PixelConvention, scale: int, *, matched_to: Statistics | None = None
    ) -> None:
        height, width = image.shape[:2]
        border = convention.border_px(scale)
        if min(height, width) <= 2 * border:
            raise MetricError(
                f"the profile cuts {border} px off each side, which leaves nothing of {width}x{height} px"
            )
        self._matching = None if matched_to is None else _gain(image, matched_to)
        self._rgb = image[border : height - border, border : width - border]
        self._convention = convention
        self.shape = self._rgb.shape if convention.channel == "rgb" else self._rgb.shape[:2]

    @property
    def size(self) -> int:
        """How many values are scored."""
        return int(np.prod(self.shape))

    def strips(self) -> Iterator[slice]:
        """All rows, some at a time."""
        return strips(self.shape[0], self.size // self.shape[0])

    def rows(self, rows: slice = slice(None)) -> Planes:
        """Some rows of it, all unless told: hxw or hxwx3 float64."""
        rgb: NDArray[Any] = self._rgb[rows]
        if self._matching is not None:
            gain, offset = self._matching
            rgb = rgb * gain + offset
        convention = self._convention
        if convention.channel == "rgb":
            return rgb.astype(np.float64)
        levels = luma_bt601(rgb) if convention.channel == "y-bt601" else luma_full(rgb)
        if convention.luma_rounding == "none":
            return levels
        return np.floor(levels) if convention.luma_rounding == "floor" else np.rint(levels)
