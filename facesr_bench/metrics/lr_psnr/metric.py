"""Consistency with the input: SR reduced by the protocol's own resizer, against the LR that the method was given."""

from __future__ import annotations

from facesr_bench.data.degradation import apply
from facesr_bench.functional.psnr import Psnr, PsnrConvention, PsnrReference
from facesr_bench.images.files import Image8
from facesr_bench.plugins.degradation import make_degradation
from facesr_bench.plugins.metric import MetricBase
from facesr_bench.plugins.sample import Sample

ON_RGB = PsnrConvention(channel="rgb")
"""Whatever the profile, as NTIRE 2021 has it: it is about the input, which no paper's convention scores."""


class Metric(MetricBase):
    """Only where the protocol makes LR of HR by a resize without chance: no other says what SR would become again."""

    def why_unavailable(self) -> str | None:
        how = self.context.degradation
        if how is None:
            return "needs a protocol that makes LR of HR: here LR is given, and nothing says which resizer made it"
        if how.require_card().random:
            return f"needs a degradation without chance: {how.name} draws blur or noise, so SR reduced again is not LR"
        return None

    def convention_in_words(self) -> list[str]:
        how = self.context.degradation
        return ["on all three RGB channels", *([f"SR is reduced by {how.name}"] if how is not None else [])]

    def load(self) -> None:
        how = self.context.degradation
        assert how is not None  # `why_unavailable` has seen to it
        self._reduce, self._psnr = make_degradation(how, self.scale), Psnr(ON_RGB, self.scale)

    def prepare_sample(self, sample: Sample) -> PsnrReference:
        return self._psnr.prepare(sample.lr)

    def per_image(self, sr: Image8, reference: PsnrReference) -> float:
        lr, _ = apply(self._reduce, sr, seed=0)  # nothing is drawn
        return self._psnr.value(lr, reference)
