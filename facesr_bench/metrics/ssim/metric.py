"""Structural similarity of two images, with the window that the profile names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from facesr_bench.base.errors import MetricError
from facesr_bench.functional.channels import Statistics, check_image, check_pair, scored_channels, statistics
from facesr_bench.images.files import Image8
from facesr_bench.plugins.metric import MetricBase, MetricContext
from facesr_bench.plugins.profile import Profile

Float = NDArray[np.float64]

C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2


@dataclass(frozen=True)
class Reference:
    """What SSIM needs of the ground truth.

    Attributes:
        shape: of the whole HR image.
        planes: CxHxW, what is scored.
        mean, variance: Cxhxw, under the window at every place where it fits.
        statistics: of the whole HR image, under a profile with `match_statistics`.
    """

    shape: tuple[int, ...]
    planes: Float
    mean: Float
    variance: Float
    statistics: Statistics | None


class Metric(MetricBase):
    """SSIM of Wang et al. (2004), eq. 13: K1 = .01, K2 = .03, L = 255; the mean over places and channels."""

    def __init__(self, context: MetricContext) -> None:
        super().__init__(context)
        profile = context.profile
        self._window = window(profile)
        places = profile.ssim_size**2
        self._unbias = places / (places - 1) if profile.ssim_covariance == "sample" else 1.0

    def prepare(self, hr: Image8) -> Reference:
        """HR's scored channels, and their mean and variance under the window.

        Raises:
            MetricError: `hr` is not a uint8 HxWx3 picture, or smaller than the profile's border and window.
        """
        hr = check_image(hr, "HR")
        planes = self._planes(hr)
        if min(planes.shape[1:]) < len(self._window):
            size = f"{planes.shape[2]}x{planes.shape[1]}"
            raise MetricError(
                f"SSIM's window of profile {self.profile.name} is {len(self._window)} px wide, "
                f"but only {size} px of the {hr.shape[1]}x{hr.shape[0]} image are scored"
            )
        mean, mean_square = self._filter(np.stack([planes, planes * planes]))
        variance = self._unbias * (mean_square - mean * mean)
        matched_to = statistics(hr) if self.profile.match_statistics else None
        return Reference(hr.shape, planes, mean, variance, matched_to)

    def per_image(self, sr: Image8, reference: Reference) -> float:
        """The mean of `ssim_maps`.

        Raises:
            MetricError: `sr` is not a uint8 picture of HR's size.
        """
        return float(self.ssim_maps(sr, reference).mean())

    def ssim_map(self, sr: Image8, reference: Reference) -> Float:
        """hxw: SSIM around each pixel, averaged over the channels; same errors as `per_image`."""
        mean: Float = self.ssim_maps(sr, reference).mean(axis=0)
        return mean

    def ssim_maps(self, sr: Image8, reference: Reference) -> Float:
        """Cxhxw: SSIM of each scored channel at every place where the window fits; same errors as `per_image`."""
        x, y = self._planes(check_pair(sr, reference.shape), reference.statistics), reference.planes
        mean, mean_square, mean_product = self._filter(np.stack([x, x * x, x * y]))
        product = mean * reference.mean
        squares = mean * mean + reference.mean * reference.mean
        variances = self._unbias * (mean_square - mean * mean) + reference.variance
        covariance = self._unbias * (mean_product - product)
        structure = (2 * covariance + C2) / (variances + C2)
        if self.profile.ssim_clip_structure:
            structure = np.maximum(structure, 0)
        maps: Float = (2 * product + C1) / (squares + C1) * structure
        return maps

    def _planes(self, image: Image8, matched_to: Statistics | None = None) -> Float:
        scored = scored_channels(image, self.profile, self.scale, matched_to=matched_to)
        planes = scored[None] if scored.ndim == 2 else np.ascontiguousarray(scored.transpose(2, 0, 1))
        if self.profile.ssim_negative:
            planes = 256 - planes  # 255 Y in uint8 wraps around to this
        return average_pool(planes) if self.profile.ssim_downsample else planes

    def _filter(self, stack: Float) -> Float:
        """The window's weighted mean over the last two axes, at the places where it fits."""
        rim = len(self._window) // 2
        inner = correlate1d(stack, self._window, axis=-1)[..., rim:-rim]
        filtered: Float = correlate1d(inner, self._window, axis=-2)[..., rim:-rim, :]
        return filtered


def window(profile: Profile) -> Float:
    """The profile's window along one axis, of sum 1; the window itself is its outer product with itself."""
    if profile.ssim_window == "uniform":
        return np.full(profile.ssim_size, 1 / profile.ssim_size)
    offsets = np.arange(profile.ssim_size) - profile.ssim_size // 2
    weights = np.exp(-(offsets**2) / (2 * profile.ssim_sigma**2))
    normalised: Float = weights / weights.sum()
    return normalised


def average_pool(planes: Float) -> Float:
    """CxHxW averaged over f x f blocks, f = round(min(H, W) / 256); what is left over at the far edges is dropped.

    The step that Wang's MATLAB script takes before SSIM, in piq's form (default on there).
    """
    channels, height, width = planes.shape
    factor = max(1, round(min(height, width) / 256))
    rows, columns = height // factor, width // factor
    blocks = planes[:, : rows * factor, : columns * factor].reshape(channels, rows, factor, columns, factor)
    pooled: Float = blocks.mean(axis=(2, 4))
    return pooled
