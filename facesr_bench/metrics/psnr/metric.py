"""Peak signal-to-noise ratio of two images, on the channels that the profile scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facesr_bench.functional.channels import Planes, Statistics, check_image, check_pair, scored_channels, statistics
from facesr_bench.images.files import Image8
from facesr_bench.plugins.metric import MetricBase

PEAK = 255.0


@dataclass(frozen=True)
class Reference:
    """What PSNR needs of the ground truth."""

    shape: tuple[int, ...]
    planes: Planes
    statistics: Statistics | None


class Metric(MetricBase):
    """10 log10(255^2 / mean squared error), in dB; the mean is over pixels and channels together."""

    def prepare(self, hr: Image8) -> Reference:
        """HR's scored channels.

        Raises:
            MetricError: `hr` is not a uint8 HxWx3 picture, or smaller than the profile's border.
        """
        hr = check_image(hr, "HR")
        matched_to = statistics(hr) if self.profile.match_statistics else None
        return Reference(hr.shape, self._planes(hr), matched_to)

    def per_image(self, sr: Image8, reference: Reference) -> float:
        """PSNR in dB; infinite where no scored value differs.

        Raises:
            MetricError: `sr` is not a uint8 picture of HR's size.
        """
        sr = check_pair(sr, reference.shape)
        error = self._planes(sr, reference.statistics) - reference.planes
        mean_square = float(np.square(error).mean()) / PEAK**2
        if mean_square == 0:
            return math.inf
        return -10 * math.log10(mean_square + self.profile.psnr_epsilon)

    def squared_errors(self, sr: Image8, reference: Reference) -> Planes:
        """hxw: the squared error of each scored pixel, levels squared, averaged over the channels; as `per_image`."""
        sr = check_pair(sr, reference.shape)
        squares = np.square(self._planes(sr, reference.statistics) - reference.planes)
        return squares if squares.ndim == 2 else squares.mean(axis=2)

    def _planes(self, image: Image8, matched_to: Statistics | None = None) -> Planes:
        rounding = self.profile.psnr_luma_rounding
        return scored_channels(image, self.profile, self.scale, rounding=rounding, matched_to=matched_to)
