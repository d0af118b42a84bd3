"""Normalised mean error of 68 landmarks (iBUG) found on SR.

Options of the card:
    truth = "annotation" (the dataset's own points), "hr" (what the same detector finds on HR);
    detector = "dlib-68"; without it, the network of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from facesr_bench.base.errors import MetricError
from facesr_bench.base.memo import Recent, pixels_key
from facesr_bench.faces import dlib_models
from facesr_bench.faces.landmarks import LANDMARK_NETWORKS, Box, LandmarkDetector, OnnxLandmarks, overlap
from facesr_bench.faces.location import LANDMARKS, FaceLocator
from facesr_bench.faces.points import Points
from facesr_bench.faces.stand_in import write_stand_in
from facesr_bench.functional.landmarks import nme
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.convention import FaceConvention, Says
from facesr_bench.plugins.metric import MetricBase, MetricContext
from facesr_bench.plugins.sample import Sample


class NmeConvention(FaceConvention):
    """The table [nme] of a profile."""

    average: Annotated[
        Literal["mean", "rms"],
        Says(values={"mean": "mean of a face's 68 distances", "rms": "root mean square of a face's 68 distances"}),
    ] = Field(default="mean", description="of a face's 68 distances")
    normaliser: Annotated[
        Literal["inter-ocular", "inter-pupil", "box-diagonal", "dic", "dic-width", "dic-eye-dist"],
        Says(
            values={
                "inter-ocular": "over the distance of the outer eye corners",
                "inter-pupil": "over the distance of the eye centres",
                "box-diagonal": "over the diagonal of the landmarks' box",
                "dic": "over DIC's eye width, with point numbers off by one (a known bug, kept as a witness)",
                "dic-width": "over how far the landmarks reach from left to right (DIC's width)",
                "dic-eye-dist": "over DIC's distance of the eyes, with point numbers off by one (kept as a witness)",
            }
        ),
    ] = Field(default="inter-ocular", description="what landmark errors are divided by")
    decoding: Annotated[
        Literal["face-alignment", "exact"],
        Says(
            values={
                "face-alignment": "2DFAN4's points are cut off to whole px, as face-alignment returns them",
                "exact": "2DFAN4's points are not cut off",
            }
        ),
    ] = Field(
        default="face-alignment",
        description="of 2DFAN4's heatmaps: cut off to whole px as the package does, or not",
    )


SAME_FACE = 0.3
"""A rectangle is of the face that landmarks are on if it overlaps their box by so much (on all of Helen: 0.43 up)."""


@dataclass(frozen=True)
class Reference:
    """The true points (68x2, px of HR), and the box that the detector gets.

    Attributes:
        placed_by: what the box was made of, in words.
    """

    truth: Points
    box: Box
    placed_by: str


class Metric(MetricBase):
    """In percent. The detector's box comes from HR: finding the face again is not what is measured.

    For dlib's predictor it is the rectangle that dlib's own detector finds on HR, which it was trained to start from: a
    box around known landmarks lies beside it on turned heads. Where that detector finds no face, or another one than
    the landmarks are on, it is the box around them. The networks were trained to get that box, and always do.
    """

    Convention = NmeConvention
    convention: NmeConvention

    def __init__(self, context: MetricContext) -> None:
        super().__init__(context)
        self._locator = FaceLocator(self.convention.detector, context.memo)

    def load(self) -> None:
        self._detector: LandmarkDetector = self.shared(("landmarks", self._network, self.device), self._open)
        self._recent: Recent[Points] = self.shared(("found landmarks", self._network, self.device), Recent)

    @classmethod
    def random_weights(cls, card: MetricCard, name: str, folder: Path) -> Path | None:
        if name != "2dfan4":
            return write_stand_in(folder / f"{name}.onnx", LANDMARK_NETWORKS.get(name), 2 * 68)
        from facesr_bench.faces.fan import write_random_weights

        return write_random_weights(folder / "2dfan4.pth")

    def why_unavailable(self) -> str | None:
        return dlib_models.why_missing() if self._is_dlib else None

    def troubled(self) -> bool:
        """Whether a picture without known points would find no detector."""
        return self.card.options.get("truth") == "hr" and self._locator.missing()

    def prepare_sample(self, sample: Sample) -> Reference:
        if self.card.options.get("truth") != "hr":
            if sample.landmarks is None or len(sample.landmarks) != 68:
                count = 0 if sample.landmarks is None else len(sample.landmarks)
                raise MetricError(f"needs 68 annotated landmarks; there are {count}")
            return Reference(sample.landmarks, *self._box(sample))
        hr = sample.hr
        assert hr is not None  # the card needs a reference
        box, placed_by = self._box(sample)
        name = f"landmarks-{self._network}-v{self.card.version}-{self._locator.source(sample, hr)}"
        found = sample.once(name, lambda: self._detector.detect(hr, box))
        return Reference(np.asarray(found, np.float64), box, placed_by)

    def alignment(self, reference: Reference) -> str:
        return reference.placed_by

    def _box(self, sample: Sample) -> tuple[Box, str]:
        """The detector's box, and what it was made of."""
        hr = sample.hr
        if hr is None:
            assert sample.landmarks is not None  # or there would be no truth
            return self._detector.box(sample.landmarks), LANDMARKS
        found = self._locator.rectangle(sample, hr) if self._is_dlib else None
        if found is not None and sample.landmarks is None and sample.aligned == "none":
            return found, self._locator.on_hr
        known = self._detector.box(self._locator.sixty_eight(sample, hr))
        if found is not None and overlap(found, known) >= SAME_FACE:
            return found, self._locator.on_hr
        return known, self._locator.words(sample, hr)

    def per_image(self, sr: Image8, reference: Reference) -> float:
        question = pixels_key(sr, np.array(reference.box))
        found = self._recent.get(question, lambda: self._detector.detect(sr, reference.box))
        return nme(found, reference.truth, self.convention.normaliser, self.convention.average)

    @property
    def _is_dlib(self) -> bool:
        return self.card.options.get("detector") == "dlib-68"

    @property
    def _network(self) -> str:
        if self.weights is None:
            return "dlib-68"
        decoding = f"-{self.convention.decoding}" if self._is_fan else ""
        return f"{self.weights.name}-{self.weights.sha256[:16]}{decoding}"

    @property
    def _is_fan(self) -> bool:
        return self.weights is not None and self.weights.name == "2dfan4"

    def _open(self) -> LandmarkDetector:
        if self._is_dlib:
            return dlib_models.DlibLandmarks()
        weights = self.require_weights()
        if self._is_fan:
            from facesr_bench.faces.fan import FanLandmarks

            return FanLandmarks(weights.path, decoding=self.convention.decoding, device=self.device)
        return OnnxLandmarks(LANDMARK_NETWORKS.for_file(weights.name, weights.path), weights.path)
