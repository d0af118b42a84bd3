"""Visual information fidelity on a steerable pyramid, as CTCNet, WFEN and FADPNet report it."""

from __future__ import annotations

from facesr_bench.functional import vif
from facesr_bench.images.files import Image8
from facesr_bench.plugins.metric import MetricBase


class Metric(MetricBase):
    """See `facesr_bench.functional.vif`."""

    def convention_in_words(self) -> list[str]:
        return ["on Pillow's gray picture in 8 bits", "noise of variance 0.1"]

    def prepare(self, hr: Image8) -> vif.VifReference:
        return vif.prepare(hr)

    def per_image(self, sr: Image8, reference: vif.VifReference) -> float:
        return vif.vif(sr, reference)
