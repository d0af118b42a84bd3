"""FID, KID, precision, recall: Inception features per image, one number per set; the resizer is part of the name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.functional.frechet import Gaussian, frechet_distance
from facesr_bench.functional.inception import Inception, Resizer, write_random_weights
from facesr_bench.functional.kernel import kid
from facesr_bench.functional.manifold import precision, recall
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.metric import SetMetric, SetValue

SHARES = {"precision": precision, "recall": recall}


class Metric(SetMetric):
    """Option of the card: distance = "frechet" (FID), "kernel" (KID), "precision", "recall" (k = 3)."""

    @classmethod
    def random_weights(cls, card: MetricCard, name: str, folder: Path) -> Path | None:
        return write_random_weights(folder / "inception.pth")

    def load(self) -> None:
        weights, device = self.require_weights(), self.device
        self._network = self.shared(("inception", weights.sha256, device), lambda: Inception(weights.path, device))

    @property
    def extractor(self) -> str:
        sha256 = self.weights.sha256[:16] if self.weights is not None else "none"
        return f"inception-{self.variant}-{sha256}-v{self.card.version}"

    def features(self, image: Image8) -> NDArray[np.float32]:
        resizer: Resizer = self.variant  # type: ignore[assignment]  # the card's variants are these
        found: NDArray[np.float32] = self._network.features([image], resizer)[0]
        return found

    def of_set(self, sr: NDArray[np.float32], reference: NDArray[np.float32] | Path) -> SetValue:
        distance = self.card.options["distance"]
        if distance == "frechet":
            known = Gaussian.from_file(reference) if isinstance(reference, Path) else reference
            return SetValue(frechet_distance(sr, known))
        if isinstance(reference, Path):
            title = self.card.title
            raise MetricError(f"{title} needs features of the reference images; a statistics file has none")
        if distance in SHARES:
            return SetValue(SHARES[distance](sr, reference))
        found = kid(sr, reference)
        return SetValue(found.value, found.standard_error)
