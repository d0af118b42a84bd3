"""Structural similarity of two images, with the window that a convention names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from facesr_bench.base.errors import MetricError
from facesr_bench.functional import sums
from facesr_bench.functional.channels import (
    KEPT,
    STRIP,
    Scored,
    Statistics,
    check_image,
    check_pair,
    statistics,
    strips,
)
from facesr_bench.images.files import Image8
from facesr_bench.plugins.convention import PixelConvention, Says

Float = NDArray[np.float64]
Weighted = Callable[[Float, Float], Float]
"""What `weighted_mean` does."""

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2


class SsimConvention(PixelConvention):
    """The table [ssim] of a profile."""

    window: Annotated[Literal["gaussian", "uniform"], Says("{} window")] = Field(
        default="gaussian", description="the weights under the window"
    )
    size: Annotated[int, Field(ge=3), Says("{} px wide")] = Field(default=11, description="side of the window, px; odd")
    sigma: Annotated[
        float, Field(gt=0), Says("\N{GREEK SMALL LETTER SIGMA} = {} px", only={"window": ("gaussian",)})
    ] = Field(default=1.5, description="of the gaussian window, px; the uniform one has none")
    covariance: Annotated[Literal["population", "sample"], Says("{} covariance")] = Field(
        default="population", description="divided by the window's places, or by one less"
    )
    downsample: Annotated[bool, Says(values={True: "pictures above 256 px are first averaged down"})] = Field(
        default=False, description="first average-pool by round(min(H, W) / 256)"
    )
    clip_structure: Annotated[bool, Says(values={True: "a negative contrast-structure term counts as 0"})] = Field(
        default=False, description="a negative contrast-structure term counts as 0, so that SSIM is never negative"
    )
    negative: Annotated[
        bool, Says(values={True: "computed on the negative picture (a known bug, kept as a witness)"})
    ] = Field(default=False, description="SSIM on 256 - Y (DIC's uint8 overflow), kept as a witness")

    @model_validator(mode="after")
    def _consistent(self) -> SsimConvention:
        if self.size % 2 == 0:
            raise ValueError("size must be odd")
        if self.negative and (self.channel != "y-bt601" or self.luma_rounding == "none"):
            raise ValueError("negative is what becomes of whole levels 16..235: channel y-bt601, luma rounded")
        return self


class SsimPlanes:
    """The planes that SSIM's window runs over, some rows at a time.

    Attributes:
        shape: C, H, W.
    """

    shape: tuple[int, int, int]

    def __init__(self, scored: Scored, convention: SsimConvention) -> None:
        self._scored, self._negative = scored, convention.negative
        self._kept: Float | None = None
        height, width, *channels = scored.shape
        self.shape = (channels[0] if channels else 1, height, width)
        if convention.downsample and (factor := pool_factor(height, width)) > 1:
            pooled = [
                average_pool(self.rows(slice(top, bottom)), factor) for top, bottom in _blocks(self.shape, factor)
            ]
            self._kept = np.concatenate(pooled, axis=1)
            self.shape = self._kept.shape
        elif scored.size <= KEPT:
            self._kept = self.rows(slice(None))

    @property
    def size(self) -> int:
        """How many values the map has, over all channels."""
        return int(np.prod(self.shape))

    def rows(self, rows: slice, channels: slice = slice(None)) -> Float:
        """CxhxW: some rows, of some channels."""
        if self._kept is not None:
            return self._kept[channels, rows]
        levels = self._scored.rows(rows)
        planes = levels[None] if levels.ndim == 2 else np.ascontiguousarray(levels[..., channels].transpose(2, 0, 1))
        return 256 - planes if self._negative else planes  # 255 Y in uint8 wraps around to this


@dataclass(frozen=True)
class SsimReference:
    """What SSIM needs of the ground truth.

    Attributes:
        shape: of the whole HR image.
        planes: what is scored.
        moments: mean and variance under the window at every place where it fits, Cxhxw; None where they are too many.
        statistics: of the whole HR image, under a convention with `match_statistics`.
    """

    shape: tuple[int, ...]
    planes: SsimPlanes
    moments: tuple[Float, Float] | None
    statistics: Statistics | None


class Ssim:
    """SSIM of Wang et al. (2004), eq. 13: K1 = .01, K2 = .03, L = 255; the mean over places and channels.

    It is computed strip by strip; no place's value depends on how they are cut, to the last bit.

    Args:
        scale: HR side over LR side, for conventions that cut a border that wide.
        weighted: how planes are averaged under the window.
        strip: values that are computed with at a time; None: `STRIP`.
    """

    def __init__(
        self, convention: SsimConvention, scale: int, weighted: Weighted | None = None, strip: int | None = None
    ) -> None:
        self.convention, self.scale, self._strip = convention, scale, strip
        self._window = window(convention)
        self._weighted = weighted or weighted_mean
        places = convention.size**2
        self._unbias = places / (places - 1) if convention.covariance == "sample" else 1.0

    def prepare(self, hr: Image8) -> SsimReference:
        """HR's scored channels, and their mean and variance under the window.

        Raises:
            MetricError: `hr` is not a uint8 HxWx3 picture, or smaller than the border and window.
        """
        hr = check_image(hr, "HR")
        planes = SsimPlanes(Scored(hr, self.convention, self.scale), self.convention)
        if min(planes.shape[1:]) < len(self._window):
            size = f"{planes.shape[2]}x{planes.shape[1]}"
            raise MetricError(
                f"SSIM's window is {len(self._window)} px wide, "
                f"but only {size} px of the {hr.shape[1]}x{hr.shape[0]} image are scored"
            )
        matched_to = statistics(hr) if self.convention.match_statistics else None
        if planes.size > KEPT:
            return SsimReference(hr.shape, planes, None, matched_to)
        mean, variance = (np.empty(self._fitting(planes)) for _ in range(2))
        for channels, places, rows in self._strips(planes):
            mean[channels, places], variance[channels, places] = self._moments(planes.rows(rows, channels))
        return SsimReference(hr.shape, planes, (mean, variance), matched_to)

    def value(self, sr: Image8, reference: SsimReference) -> float:
        """The mean of `maps`.

        Raises:
            MetricError: `sr` is not a uint8 picture of HR's size.
        """
        count = int(np.prod(self._fitting(reference.planes)))
        return sums.mean(count, (values for _, _, values in self._parts(sr, reference)))

    def map(self, sr: Image8, reference: SsimReference) -> Float:
        """hxw: SSIM around each pixel, averaged over the channels; same errors as `value`."""
        mean: Float = self.maps(sr, reference).mean(axis=0)
        return mean

    def maps(self, sr: Image8, reference: SsimReference) -> Float:
        """Cxhxw: SSIM of each scored channel at every place where the window fits; same errors as `value`."""
        maps = np.empty(self._fitting(reference.planes))
        for channels, places, values in self._parts(sr, reference):
            maps[channels, places] = values
        return maps

    def _parts(self, sr: Image8, reference: SsimReference) -> Iterator[tuple[slice, slice, Float]]:
        """Channels, rows of places, and SSIM there, in the order of `maps` in memory."""
        sr = check_pair(sr, reference.shape)
        scored = Scored(sr, self.convention, self.scale, matched_to=reference.statistics)
        planes = SsimPlanes(scored, self.convention)
        for channels, places, rows in self._strips(planes):
            hr = reference.planes.rows(rows, channels)
            if reference.moments is None:
                mean, variance = self._moments(hr)
            else:
                mean, variance = (moment[channels, places] for moment in reference.moments)
            yield channels, places, self._map_of(planes.rows(rows, channels), hr, mean, variance)

    def _moments(self, y: Float) -> tuple[Float, Float]:
        """Mean and variance of planes under the window."""
        mean, mean_square = self._weighted(np.stack([y, y * y]), self._window)
        return mean, self._unbias * (mean_square - mean * mean)

    def _map_of(self, x: Float, y: Float, y_mean: Float, y_variance: Float) -> Float:
        """SSIM at every place where the window fits, of planes of SR and HR; mean and variance of HR's are known."""
        stack = np.empty((3, *x.shape))
        stack[0] = x
        np.multiply(x, x, out=stack[1])
        np.multiply(x, y, out=stack[2])
        mean, mean_square, mean_product = self._weighted(stack, self._window)
        # In place: each operation waits for memory.
        product: Float = mean * y_mean
        squares = mean * mean
        variances, covariance = mean_square, mean_product
        variances -= squares
        variances *= self._unbias
        variances += y_variance
        variances += C2
        covariance -= product
        covariance *= self._unbias
        covariance *= 2
        covariance += C2
        structure = np.divide(covariance, variances, out=covariance)
        if self.convention.clip_structure:
            np.maximum(structure, 0, out=structure)
        squares += y_mean * y_mean
        squares += C1
        product *= 2
        product += C1
        product /= squares
        product *= structure
        return product

    def _fitting(self, planes: SsimPlanes) -> tuple[int, int, int]:
        """Channels, height and width of the places where the window fits."""
        channels, height, width = planes.shape
        rim = len(self._window) - 1
        return channels, height - rim, width - rim

    def _strips(self, planes: SsimPlanes) -> Iterator[tuple[slice, slice, slice]]:
        """Channels, rows of places, and the rows of the planes that the window reaches from there."""
        channels, height, _ = self._fitting(planes)
        rim = len(self._window) - 1
        if planes.size <= (self._strip or STRIP):
            yield slice(0, channels), slice(0, height), slice(0, height + rim)
            return
        for channel in range(channels):
            for places in strips(height, planes.shape[2], self._strip):
                yield slice(channel, channel + 1), places, slice(places.start, places.stop + rim)


def weighted_mean(planes: Float, window: Float) -> Float:
    """The mean under a window along both of the last two axes, at the places where it fits: ...xHxW to ...xhxw."""
    from scipy.ndimage import correlate1d  # half a second that a page or a table without maps need not wait

    rim = len(window) // 2
    inner = correlate1d(planes, window, axis=-1)[..., rim:-rim]
    filtered: Float = correlate1d(inner, window, axis=-2)[..., rim:-rim, :]
    return filtered


def window(convention: SsimConvention) -> Float:
    """The convention's window along one axis, of sum 1; the window itself is its outer product with itself."""
    if convention.window == "uniform":
        return np.full(convention.size, 1 / convention.size)
    offsets = np.arange(convention.size) - convention.size // 2
    weights = np.exp(-(offsets**2) / (2 * convention.sigma**2))
    normalised: Float = weights / weights.sum()
    return normalised


def pool_factor(height: int, width: int) -> int:
    """The side of the blocks that piq averages first: round(min(H, W) / 256)."""
    return max(1, round(min(height, width) / 256))


def average_pool(planes: Float, factor: int) -> Float:
    """CxHxW averaged over blocks of so many pixels a side; what is left over at the far edges is dropped.

    The step that Wang's MATLAB script takes before SSIM, in piq's form (default on there).
    """
    channels, height, width = planes.shape
    rows, columns = height // factor, width // factor
    blocks = planes[:, : rows * factor, : columns * factor].reshape(channels, rows, factor, columns, factor)
    pooled: Float = blocks.mean(axis=(2, 4))
    return pooled


def _blocks(shape: tuple[int, int, int], factor: int) -> Iterator[tuple[int, int]]:
    """Whole rows of blocks, some at a time."""
    channels, height, width = shape
    step = factor * max(1, STRIP // (channels * width * factor))
    last = height // factor * factor
    return ((top, min(top + step, last)) for top in range(0, last, step))
