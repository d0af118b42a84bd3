"""Structural similarity of two images, with the window that the profile names."""

from __future__ import annotations

from functools import cached_property

from facesr_bench.functional.ssim import Ssim, SsimConvention, SsimReference
from facesr_bench.images.files import Image8
from facesr_bench.plugins.metric import MetricBase


class Metric(MetricBase):
    """See `facesr_bench.functional.ssim`."""

    Convention = SsimConvention
    convention: SsimConvention

    def prepare(self, hr: Image8) -> SsimReference:
        return self._ssim.prepare(hr)

    def per_image(self, sr: Image8, reference: SsimReference) -> float:
        return self._ssim.value(sr, reference)

    @cached_property
    def _ssim(self) -> Ssim:
        return Ssim(self.convention, self.scale)
