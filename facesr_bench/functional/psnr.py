"""Peak signal-to-noise ratio of two images, on the channels that a convention scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from facesr_bench.functional.channels import Planes, Statistics, check_image, check_pair, scored_channels, statistics
from facesr_bench.images.files import Image8
from facesr_bench.plugins.convention import PixelConvention, Says

PEAK = 255.0


class PsnrConvention(PixelConvention):
    """The table [psnr] of a profile."""

    epsilon: Annotated[
        float, Field(ge=0), Says("{:g} is added to the mean squared error of values in [0, 1]", {0.0: ""})
    ] = Field(default=0.0, description="added to the mean squared error of [0, 1] values, unless that is 0")


@dataclass(frozen=True)
class PsnrReference:
    """What PSNR needs of the ground truth.

    Attributes:
        shape: of the whole HR image.
        planes: what is scored.
        statistics: of the whole HR image, under a convention with `match_statistics`.
    """

    shape: tuple[int, ...]
    planes: Planes
    statistics: Statistics | None


class Psnr:
    """10 log10(255^2 / mean squared error), in dB; the mean is over pixels and channels together.

    Args:
        scale: HR side over LR side, for conventions that cut a border that wide.
    """

    def __init__(self, convention: PsnrConvention, scale: int) -> None:
        self.convention, self.scale = convention, scale

    def prepare(self, hr: Image8) -> PsnrReference:
        """HR's scored channels.

        Args:
            hr: HxWx3 uint8.

        Raises:
            MetricError: `hr` is not a uint8 HxWx3 picture, or smaller than the border.
        """
        hr = check_image(hr, "HR")
        matched_to = statistics(hr) if self.convention.match_statistics else None
        return PsnrReference(hr.shape, self._planes(hr), matched_to)

    def value(self, sr: Image8, reference: PsnrReference) -> float:
        """PSNR in dB; infinite where no scored value differs.

        Raises:
            MetricError: `sr` is not a uint8 picture of HR's size.
        """
        sr = check_pair(sr, reference.shape)
        error = self._planes(sr, reference.statistics) - reference.planes
        mean_square = float(np.square(error).mean()) / PEAK**2
        if mean_square == 0:
            return math.inf
        return -10 * math.log10(mean_square + self.convention.epsilon)

    def squared_errors(self, sr: Image8, reference: PsnrReference) -> Planes:
        """hxw: the squared error of each scored pixel, levels squared, averaged over the channels; as `value`."""
        sr = check_pair(sr, reference.shape)
        squares = np.square(self._planes(sr, reference.statistics) - reference.planes)
        return squares if squares.ndim == 2 else squares.mean(axis=2)

    def _planes(self, image: Image8, matched_to: Statistics | None = None) -> Planes:
        return scored_channels(image, self.convention, self.scale, matched_to=matched_to)
