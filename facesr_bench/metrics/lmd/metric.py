"""LMD (L2-LD) of VQFR's script, as VQFR, PMRF, BFRffusion, OSDFace and HonestFace report it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facesr_bench.base.memo import Recent, pixels_key
from facesr_bench.faces.points import Points
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.metric import MetricBase
from facesr_bench.plugins.sample import Sample
from facesr_bench.weights import write_random

if TYPE_CHECKING:
    from facesr_bench.faces.awing import AwingLandmarks


class Metric(MetricBase):
    """See `facesr_bench.faces.awing`. The whole picture is looked at, so it is for aligned faces."""

    @classmethod
    def random_weights(cls, card: MetricCard, name: str, folder: Path) -> Path | None:
        from facesr_bench.faces.awing import AwingNetwork

        return write_random(AwingNetwork(), folder / "awing.pth")

    def convention_in_words(self) -> list[str]:
        return ["the whole picture, not cut out", "px of the picture"]

    def load(self) -> None:
        from facesr_bench.faces.awing import AwingLandmarks

        weights, device = self.require_weights(), self.device
        name = ("awing", weights.sha256, device)
        self._landmarks: AwingLandmarks = self.shared(name, lambda: AwingLandmarks(weights.path, device))
        self._recent: Recent[Points] = self.shared(("found", *name), Recent)

    def prepare_sample(self, sample: Sample) -> Points:
        hr = sample.hr
        assert hr is not None  # the card needs a reference
        name = f"lmd-{self.require_weights().sha256[:16]}-v{self.card.version}"
        return np.asarray(sample.once(name, lambda: self._find(hr)), np.float64)

    def per_image(self, sr: Image8, reference: Points) -> float:
        return float(np.sqrt(((self._find(sr) - reference) ** 2).sum(axis=1)).mean())

    def _find(self, image: Image8) -> Points:
        return self._recent.get(pixels_key(image), lambda: self._landmarks.detect(image))
