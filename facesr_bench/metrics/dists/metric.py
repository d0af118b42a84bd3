"""DISTS (Ding et al. 2020) at the pictures' own size, as OSDFace, HonestFace and OSEDiff report it through pyiqa."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.functional.dists import Dists, write_random_file
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.metric import MetricBase

if TYPE_CHECKING:
    from torch import Tensor


class Metric(MetricBase):
    """See `facesr_bench.functional.dists`."""

    @classmethod
    def random_weights(cls, card: MetricCard, name: str, folder: Path) -> Path | None:
        return write_random_file(folder / "dists.pth")

    def load(self) -> None:
        weights, device = self.require_weights(), self.device
        self._dists = self.shared(("dists", weights.sha256, device), lambda: Dists(weights.path, device))

    def prepare(self, hr: Image8) -> list[Tensor]:
        return self._dists.prepare(hr)

    def per_image(self, sr: Image8, reference: list[Tensor]) -> float:
        return self._dists.distance(self._dists.prepare(sr), reference)
