"""Peak signal-to-noise ratio of two images, on the channels that the profile scores."""

from __future__ import annotations

from functools import cached_property

from facesr_bench.functional.psnr import Psnr, PsnrConvention, PsnrReference
from facesr_bench.images.files import Image8
from facesr_bench.plugins.metric import MetricBase


class Metric(MetricBase):
    """See `facesr_bench.functional.psnr`."""

    Convention = PsnrConvention
    convention: PsnrConvention

    def prepare(self, hr: Image8) -> PsnrReference:
        return self._psnr.prepare(hr)

    def per_image(self, sr: Image8, reference: PsnrReference) -> float:
        return self._psnr.value(sr, reference)

    @cached_property
    def _psnr(self) -> Psnr:
        return Psnr(self.convention, self.scale)
