"""LPIPS (Zhang et al. 2018) through the `lpips` package, at the image's own size, input in [-1, 1]."""

from __future__ import annotations

from facesr_bench.images import Image8
from facesr_bench.metric import MetricBase
from facesr_bench.metrics.lpips_distance import Layers, Lpips, Net


class Metric(MetricBase):
    """The distance between the layers of two images, 0 for identical ones."""

    def load(self) -> None:
        assert self.weights is not None  # load_metric has seen to it
        net: Net = self.weights.name  # type: ignore[assignment]  # the card's names are lpips's own
        self._lpips = Lpips(net, self.weights.path)

    def prepare(self, hr: Image8) -> Layers:
        """HR's layers, shared by all methods."""
        return self._lpips.prepare(hr)

    def per_image(self, sr: Image8, reference: Layers) -> float:
        return self._lpips.distance(self._lpips.prepare(sr), reference)
