"""Identity similarity: both faces aligned to the network's template by HR's own landmarks, then embedded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import MetricError
from facesr_bench.faces.alignment import TEMPLATES, align
from facesr_bench.faces.embedder import Embedder, cosine, get_embedder
from facesr_bench.faces.points import five_points
from facesr_bench.images import Image8
from facesr_bench.metric import MetricBase
from facesr_bench.protocol import Sample


@dataclass(frozen=True)
class Reference:
    """HR's five points (5x2, px) and embedding (1xD)."""

    points: NDArray[np.float64]
    embedding: NDArray[np.float32]


class Metric(MetricBase):
    """Cosine of the two embeddings, 1 for identical images.

    The same warp, from HR's landmarks, is applied to both: whether a detector finds the face again is not measured.
    """

    def load(self) -> None:
        assert self.weights is not None  # load_metric has seen to it
        self._embedder = Embedder(get_embedder(self.weights.name), self.weights.path)

    def prepare_sample(self, sample: Sample) -> Reference:
        if sample.hr is None or sample.landmarks is None:
            raise MetricError("needs an HR image with landmarks")
        points = five_points(sample.landmarks)
        return Reference(points, self._embed(sample.hr, points))

    def per_image(self, sr: Image8, reference: Reference) -> float:
        return float(cosine(self._embed(sr, reference.points), reference.embedding)[0])

    def _embed(self, image: Image8, points: NDArray[np.float64]) -> NDArray[np.float32]:
        template = TEMPLATES.get(self._embedder.spec.alignment)
        face = image if template is None else align(image, points, template)
        return self._embedder.embed(face[None])
