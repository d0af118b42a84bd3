"""Maps of errors, and of one picture against another: values per pixel, and their colours.

Each map is of the method's saved picture against the ground truth: the squared error that PSNR averages, one less the
SSIM around each pixel, and what a run has kept of metrics that make maps, such as LPIPS. The first two follow the
result's profile: what its border cuts off, or its SSIM window doesn't reach, has no value and no colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.functional.psnr import Psnr, PsnrConvention, PsnrReference
from facesr_bench.functional.ssim import Ssim, SsimConvention, SsimReference
from facesr_bench.images.files import Image8
from facesr_bench.images.maps import SCALE, indexed
from facesr_bench.plugins.profile import Profile

Values = NDArray[np.float64]
"""HxW: the value at each pixel, NaN where there is none."""
Codes = NDArray[np.uint8]
"""HxW: `encode`d values."""


@dataclass(frozen=True)
class Kind:
    """One kind of map.

    Attributes:
        name: in files and links.
        title: for people.
        top: values from here up share the last code.
        end: of the colours of single pictures, the same for all; a mean's colours end at the largest of any method.
        words: what is drawn, in one sentence.
    """

    name: str
    title: str
    top: float
    end: float
    words: str

    @property
    def metric(self) -> str | None:
        """The metric whose kept maps these are; None of those that are made from the pictures."""
        return metric_of(self.name)


def metric_of(name: str) -> str | None:
    """The metric that a kind of this name is of, where a run has kept its maps."""
    return name.removeprefix(_OF_METRIC) if name.startswith(_OF_METRIC) else None


_OF_METRIC = "map:"
ERROR = Kind(
    "error", "PSNR map", 128.0, SCALE, "The squared error that PSNR averages: its root in levels of 255, and in dB."
)
STRUCTURE = Kind(
    "ssim", "SSIM map", 1.0, 1.0, "The SSIM around each pixel, as the profile computes it; black where it is 1."
)


def metric_kind(key: str, title: str) -> Kind:
    """The kind of the maps that a run has kept of a metric, such as LPIPS."""
    return Kind(
        f"{_OF_METRIC}{key}", f"{title} map", 1.0, 1.0, f"{title} at each pixel: what its value is the mean of."
    )


def decibels(levels: float) -> str:
    """A root mean squared error in levels of 255 with the PSNR that it is, as every scale of a PSNR map tells it."""
    return f"{20 * math.log10(255 / levels):.1f} dB ({levels:.1f} levels)" if levels else "\N{INFINITY} dB"


def in_words(kind: Kind, value: float) -> str:
    """A value of a map as its metric is told: decibels, SSIM, LPIPS."""
    if kind == ERROR:
        return decibels(value)
    return f"SSIM {1 - value:.2f}" if kind == STRUCTURE else f"{value:.3f}"


KINDS = {"psnr": ERROR, "ssim": STRUCTURE}
"""By what people ask for; those of metrics go by the metric's name."""


@dataclass
class Sums:
    """The sums of one method's maps.

    Attributes:
        sums: by kind, HxW; counts: images in them; no sums where the images differ in size.
    """

    sums: dict[str, Values] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    sizes: set[tuple[int, ...]] = field(default_factory=set)

    def add(self, values: Mapping[str, Values]) -> None:
        """Count an image's maps in, by kind; once sizes differ there is no mean."""
        for kind, found in values.items():
            self.sizes.add(found.shape)
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if len(self.sizes) > 1:
                self.sums.clear()
                continue
            # Errors are averaged as squares: that is the mean whose logarithm PSNR is.
            squared = np.square(found) if kind == ERROR.name else found
            self.sums[kind] = self.sums[kind] + squared if kind in self.sums else squared

    def mean(self, kind: str) -> Values | None:
        """The mean map, in the unit of the kind's maps; None where there is none."""
        if kind not in self.sums:
            return None
        mean: Values = self.sums[kind] / self.counts[kind]
        return np.sqrt(mean) if kind == ERROR.name else mean


NO_VALUE = 255
_LAST = 63


def encode(values: Values, top: float) -> Codes:
    """Values as whole numbers 0..63, finer near zero, where errors crowd: value = top (code / 63)^2; NaN is 255.

    A code is off by at most 1.6 % of `top`, and by less the smaller the value. Good to look at, not to average.
    """
    codes: Codes = np.rint(_LAST * np.sqrt(_between(values, top) / top)).astype(np.uint8)
    codes[np.isnan(values)] = NO_VALUE
    return codes


def _between(values: Values, top: float) -> Values:
    """From 0 to `top`; 0 in place of NaN."""
    kept: Values = np.fmin(np.fmax(values, 0), top)
    return kept


_CACHED = 2**15
"""Values that SSIM's maps are computed with at a time: what is made of so many stays in a processor's cache."""


def _weighted_mean(planes: Values, window: Values) -> Values:
    """As the metric's own to 1e-10, in a fifth of the time: maps are looked at, and no score is computed of them."""
    import cv2

    rim = len(window) // 2
    height, width = planes.shape[-2:]
    means = np.empty((*planes.shape[:-2], height - 2 * rim, width - 2 * rim))
    for mean, plane in zip(means.reshape(-1, *means.shape[-2:]), planes.reshape(-1, height, width), strict=True):
        mean[:] = cv2.sepFilter2D(plane, cv2.CV_64F, window, window)[rim : height - rim, rim : width - rim]
    return means


References = tuple[PsnrReference, SsimReference | None]


class Mapper:
    """Makes the maps of one profile and scale."""

    def __init__(self, profile: Profile, scale: int) -> None:
        """Raises: pydantic.ValidationError: the profile says something that this release doesn't know."""
        self._psnr = Psnr(profile.convention("psnr", PsnrConvention), scale)
        self._ssim = Ssim(profile.convention("ssim", SsimConvention), scale, _weighted_mean, _CACHED)

    @property
    def conventions(self) -> str:
        """What the maps depend on, beside the pictures and the scale."""
        return f"{self._psnr.convention.model_dump_json()} {self._ssim.convention.model_dump_json()}"

    @property
    def stacks(self) -> bool:
        """Whether a pixel's values depend on its surroundings alone, so that pictures may stand in one column."""
        conventions = self._psnr.convention, self._ssim.convention
        plain = not any(each.border_px(self._psnr.scale) or each.match_statistics for each in conventions)
        return plain and not self._ssim.convention.downsample

    def stacked(self, column: Image8, reference: References, count: int) -> list[dict[str, Values]]:
        """The maps of several pictures of one size, as of each alone, to the last bit; where `stacks` says so.

        Args:
            column: the pictures, one below the other.
            reference: of their ground truths, in the same order, of a column too.
            count: how many they are.
        """
        height = column.shape[0] // count
        errors = np.sqrt(self._psnr.squared_errors(column, reference[0])).reshape(count, height, -1)
        found = [{ERROR.name: each} for each in errors]
        rim = self._ssim.convention.size // 2
        if reference[1] is not None and height > 2 * rim:
            similarity = self._ssim.map(column, reference[1])
            for place, maps in enumerate(found):
                own = similarity[place * height : (place + 1) * height - 2 * rim]
                maps[STRUCTURE.name] = _placed(1 - own, height, column.shape[1], rim)
        return found

    def reference(self, hr: Image8) -> References:
        """What the maps of every method on one image share.

        Returns:
            PSNR's reference, and SSIM's (None where the image is smaller than its window).

        Raises:
            MetricError: the image is smaller than the profile's border.
        """
        try:
            structure = self._ssim.prepare(hr)
        except MetricError:
            structure = None
        return self._psnr.prepare(hr), structure

    def maps(self, sr: Image8, reference: References) -> dict[str, Values]:
        """`error`, in levels, and `ssim`, 1 - SSIM, each of the size of `sr`.

        Raises:
            MetricError: `sr` is not of the ground truth's size.
        """
        height, width = sr.shape[:2]
        scale = self._psnr.scale
        errors = np.sqrt(self._psnr.squared_errors(sr, reference[0]))
        found = {ERROR.name: _placed(errors, height, width, self._psnr.convention.border_px(scale))}
        if reference[1] is not None:
            border, rim = self._ssim.convention.border_px(scale), self._ssim.convention.size // 2
            similarity = self._ssim.map(sr, reference[1])
            # A profile may average blocks of pixels before the window runs over them.
            planes = reference[1].planes.shape[1]
            block = max(1, (height - 2 * border) // planes)
            if block > 1:
                similarity = similarity.repeat(block, axis=0).repeat(block, axis=1)
            found[STRUCTURE.name] = _placed(1 - similarity, height, width, border + rim * block)
        return found


def _placed(values: Values, height: int, width: int, margin: int) -> Values:
    """`values` at its place in the whole image; NaN around it."""
    whole = np.full((height, width), np.nan)
    rows, columns = min(values.shape[0], height - margin), min(values.shape[1], width - margin)
    whole[margin : margin + rows, margin : margin + columns] = values[:rows, :columns]
    return whole


def pooled(values: Values, side: int) -> Values:
    """`values` averaged over square blocks, so that no side is longer than about `side`; NaN counts as nothing."""
    block = math.ceil(max(values.shape) / side)
    if block <= 1:
        return values
    height, width = (-(-n // block) * block for n in values.shape)
    padded = np.full((height, width), np.nan)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(height // block, block, width // block, block)
    counts = np.isfinite(blocks).sum(axis=(1, 3))
    sums = np.nansum(blocks, axis=(1, 3))
    means: Values = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means


def coloured(values: Values, top: float) -> bytes:
    """Values from 0 to `top` and more as the colours of a PNG; pixels without a value are grey."""
    index = np.rint(254 * _between(values / top, 1)).astype(np.uint8)
    index[np.isnan(values)] = 255
    return indexed(index, blank=True)
