"""Normalised mean error of 68 landmarks (iBUG), inter-ocular."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import MetricError
from facesr_bench.faces.landmarks import LandmarkDetector, OnnxLandmarks, get_landmark_network, landmark_networks
from facesr_bench.faces.nme import nme
from facesr_bench.images import Image8
from facesr_bench.metric import MetricBase
from facesr_bench.protocol import Sample


class Metric(MetricBase):
    """In percent. The detector's box comes from HR's landmarks: finding the face again is not what is measured."""

    def load(self) -> None:
        assert self.weights is not None  # load_metric has seen to it
        self._detector: LandmarkDetector
        if self.weights.name in landmark_networks():
            self._detector = OnnxLandmarks(get_landmark_network(self.weights.name), self.weights.path)
        else:
            from facesr_bench.faces.fan import FanLandmarks

            self._detector = FanLandmarks(self.weights.path)

    def prepare_sample(self, sample: Sample) -> NDArray[np.float64]:
        if sample.landmarks is None or len(sample.landmarks) != 68:
            count = 0 if sample.landmarks is None else len(sample.landmarks)
            raise MetricError(f"needs 68 annotated landmarks; there are {count}")
        return sample.landmarks

    def per_image(self, sr: Image8, reference: NDArray[np.float64]) -> float:
        found = self._detector.detect(sr, self._detector.box(reference))
        return nme(found, reference)
