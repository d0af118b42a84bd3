"""Peak signal-to-noise ratio of two images, on the channels that a convention scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from facesr_bench.functional import sums
from facesr_bench.functional.channels import KEPT, Planes, Scored, Statistics, check_image, check_pair, statistics
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
        scored: what is scored of it.
        kept: the values of `scored`, unless they are too many.
        statistics: of the whole HR image, under a convention with `match_statistics`.
    """

    shape: tuple[int, ...]
    scored: Scored
    kept: Planes | None
    statistics: Statistics | None

    def rows(self, rows: slice = slice(None)) -> Planes:
        """Some rows of what is scored, all unless told."""
        return self.scored.rows(rows) if self.kept is None else self.kept[rows]


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
        scored = Scored(hr, self.convention, self.scale)
        return PsnrReference(hr.shape, scored, scored.rows() if scored.size <= KEPT else None, matched_to)

    def value(self, sr: Image8, reference: PsnrReference) -> float:
        """PSNR in dB; infinite where no scored value differs.

        Raises:
            MetricError: `sr` is not a uint8 picture of HR's size.
        """
        scored = self._scored(sr, reference)
        squares = (np.square(scored.rows(rows) - reference.rows(rows)) for rows in scored.strips())
        mean_square = sums.mean(scored.size, squares) / PEAK**2
        if mean_square == 0:
            return math.inf
        return -10 * math.log10(mean_square + self.convention.epsilon)

    def squared_errors(self, sr: Image8, reference: PsnrReference) -> Planes:
        """hxw: the squared error of each scored pixel, levels squared, averaged over the channels; as `value`."""
        squares = np.square(self._scored(sr, reference).rows() - reference.rows())
        return squares if squares.ndim == 2 else squares.mean(axis=2)

    def _scored(self, sr: Image8, reference: PsnrReference) -> Scored:
        sr = check_pair(sr, reference.shape)
        return Scored(sr, self.convention, self.scale, matched_to=reference.statistics)
