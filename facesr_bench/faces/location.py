"""Where a sample's face is: the dataset's own points, FFHQ's template, or what a detector finds, in this order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DetectionError, FaceSRBenchError, MetricError
from facesr_bench.base.memo import Memo, Recent, pixels_key
from facesr_bench.faces.alignment import FFHQ_512
from facesr_bench.faces.detection import DlibDetector, FaceDetector, open_detector
from facesr_bench.faces.landmarks import Box
from facesr_bench.faces.mean_shape import landmarks_from_five
from facesr_bench.faces.points import Points, five_points
from facesr_bench.images.files import Image8
from facesr_bench.plugins.sample import Sample

LANDMARKS, TEMPLATE = "landmarks", "FFHQ's template"
"""What tables say a face was placed by, where no detector was asked: the dataset's own points, or the alignment."""


class FaceLocator:
    """Finds faces, opening the detector's network only when a picture needs it.

    Args:
        detector: `scrfd`, `yunet` or `dlib`.
        memo: keeps the detector's network, and what it found last, for all locators of a run.
    """

    def __init__(self, detector: str, memo: Memo) -> None:
        self.detector = detector
        self._memo = memo
        self._recent: Recent[Points] = memo.get(("located", detector), Recent)

    def five(self, sample: Sample, image: Image8) -> Points:
        """5x2, px of `image`, the picture of the sample that others are compared with: its HR, or its LR at SR's size.

        Raises:
            DetectionError: no face was found.
            FaceSRBenchError: the detector's file or package is missing; says how to get it.
        """
        if sample.landmarks is not None:
            return five_points(sample.landmarks)
        if sample.aligned == "ffhq":
            template = np.asarray(FFHQ_512.points, np.float64)
            return np.asarray((template + 0.5) * (image.shape[1] / FFHQ_512.width) - 0.5)
        return five_points(sample.once(self.source(sample, image), lambda: self.detect(image)))

    def source(self, sample: Sample, image: Image8) -> str:
        """Where `five` has its points from, as part of the name of what is computed with them."""
        if sample.landmarks is not None:
            return "annotated"
        if sample.aligned == "ffhq":
            return "ffhq"
        return f"points-{self.detector}-{'hr' if image is sample.hr else 'lq'}"

    def words(self, sample: Sample, image: Image8) -> str:
        """Where `five` and `sixty_eight` have their points from, as tables say it."""
        if sample.landmarks is not None:
            return LANDMARKS
        if sample.aligned == "ffhq":
            return TEMPLATE
        return self.on_hr if image is sample.hr else f"{self.detector} on the input"

    @property
    def on_hr(self) -> str:
        """What tables say of a face that the detector found on HR."""
        return f"{self.detector} on HR"

    def sixty_eight(self, sample: Sample, image: Image8) -> Points:
        """68x2, px: the dataset's own where it has 68, else the mean shape laid over the five, or dlib's own 68.

        Raises: as `five`.
        """
        if sample.landmarks is not None and len(sample.landmarks) == 68:
            return sample.landmarks
        source = self.source(sample, image)
        if source.startswith("points-"):
            return as_sixty_eight(sample.once(source, lambda: self.detect(image)))
        return landmarks_from_five(self.five(sample, image))

    def rectangle(self, sample: Sample, image: Image8) -> Box | None:
        """The rectangle that dlib's detector finds around the face, px of `image`; None if it finds none.

        Args:
            image: the sample's HR: what is found is kept with the sample.

        Raises:
            FaceSRBenchError: dlib is missing, or is not the detector of this locator.
        """
        detector = self._open()
        if not isinstance(detector, DlibDetector):
            raise MetricError(f"{self.detector} finds no rectangle that dlib's landmarks could start from")

        def find() -> NDArray[np.float64]:
            try:
                return np.array(detector.rectangle(image), np.float64)
            except DetectionError:
                return np.empty(0)  # found nothing: kept too

        found = sample.once(f"rectangle-{self.detector}", find)
        return tuple(found.tolist()) if found.shape == (4,) else None

    def detect(self, image: Image8) -> Points:
        """The points that the detector finds on any picture, px: dlib's 68, the others' five.

        Raises: as `five`.
        """
        return self._recent.get(pixels_key(image), lambda: self._find(image))

    def _find(self, image: Image8) -> Points:
        detector = self._open()
        return detector.largest_68(image) if isinstance(detector, DlibDetector) else detector.five_points(image)

    def missing(self) -> bool:
        """Whether the detector can't be opened here: its file or package is missing."""
        try:
            self._open()
        except FaceSRBenchError:
            return True
        return False

    def _open(self) -> FaceDetector:
        detector: FaceDetector = self._memo.get(("detector", self.detector), lambda: open_detector(self.detector))
        return detector


def as_sixty_eight(points: NDArray[np.float64]) -> Points:
    """68 points as they are; five, as the mean shape laid over them."""
    return points if len(points) == 68 else landmarks_from_five(points)
