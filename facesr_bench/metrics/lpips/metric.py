"""LPIPS (Zhang et al. 2018) through the `lpips` package; input range and size are the profile's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facesr_bench.images import Image8, resize
from facesr_bench.metric import MetricBase
from facesr_bench.metrics.lpips_distance import Layers, Lpips, Net
from facesr_bench.metrics.shared import shared

RANGES = {"minus-one-one": (-1.0, 1.0), "zero-one": (0.0, 1.0)}


class Metric(MetricBase):
    """The distance between the layers of two images, 0 for identical ones."""

    makes_map = True

    def load(self) -> None:
        assert self.weights is not None  # load_metric has seen to it
        net: Net = self.weights.name  # type: ignore[assignment]  # the card's names are lpips's own
        path, span, device = self.weights.path, RANGES[self.profile.lpips_range], self.device
        key = ("lpips", net, path, span, device)
        self._lpips = shared(key, lambda: Lpips(net, path, input_range=span, device=device))

    def prepare(self, hr: Image8) -> Layers:
        """HR's layers, shared by all methods."""
        side = self.profile.lpips_size
        return self._lpips.prepare(hr if side is None else resize(hr, (side, side)))

    def per_image(self, sr: Image8, reference: Layers) -> float:
        return self._lpips.distance(self.prepare(sr), reference)

    def with_map(self, sr: Image8, reference: Layers) -> tuple[float, NDArray[np.float32]]:
        layers = self.prepare(sr)
        return self._lpips.distance(layers, reference), self._lpips.distance_map(layers, reference)
