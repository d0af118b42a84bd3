"""dlib's landmarks and embeddings; the models come inside the package face_recognition_models (extra `dlib`)."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.faces.landmarks import Box, check_box, square_box
from facesr_bench.faces.points import Points, check_points

NOT_INSTALLED = "dlib is not installed: pip install 'facesr-bench[dlib]'"
LANDMARK_FILE = "shape_predictor_68_face_landmarks.dat"
RECOGNITION_FILE = "dlib_face_recognition_resnet_model_v1.dat"

# dlib's regression starts from where its own frontal detector puts the box. On Helen's test faces that box's side is
# 1.06 times the longer side of the true landmarks' box, and its centre lies 0.10 of that side higher (medians).
BOX_ENLARGE = 1.06
BOX_SHIFT_UP = 0.10


def model_file(name: str) -> Path:
    """Where the package face_recognition_models keeps a file.

    Found without importing it: it imports pkg_resources, which current setuptools no longer has.

    Raises:
        MetricError: the package is not installed, or without that file.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        raise MetricError("dlib's models are not installed: pip install 'facesr-bench[dlib]'")
    path = Path(spec.origin).parent / "models" / name
    if not path.is_file():
        raise MetricError(f"{path} is missing; install face_recognition_models again")
    return path


def why_missing() -> str | None:
    """Why dlib's networks can't be used here, without importing dlib; None if they can."""
    if importlib.util.find_spec("dlib") is None:
        return NOT_INSTALLED
    try:
        for name in (LANDMARK_FILE, RECOGNITION_FILE):
            model_file(name)
    except MetricError as error:
        return str(error)
    return None


def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise MetricError(NOT_INSTALLED) from error
    return dlib


def _rectangle(dlib: Any, box: Box) -> Any:
    """The nearest whole-pixel rectangle; dlib counts the last pixel in."""
    left, top, right, bottom = (math.floor(side + 0.5) for side in box)
    return dlib.rectangle(left, top, max(left, right - 1), max(top, bottom - 1))


class DlibLandmarks:
    """dlib's 68-point ensemble of regression trees (Kazemi and Sullivan, CVPR 2014); a LandmarkDetector.

    Its points are whole px. It was trained on iBUG 300-W, Helen's test faces among them.

    Raises:
        MetricError: dlib or its models are not installed.
    """

    def __init__(self) -> None:
        self._library = _dlib()
        self._predictor = self._library.shape_predictor(str(model_file(LANDMARK_FILE)))

    @property
    def name(self) -> str:
        """What manifests and columns call it."""
        return "dlib-68"

    def box(self, landmarks: NDArray[Any]) -> Box:
        """The square that it expects, around a face of which 68 points are known; px."""
        return square_box(landmarks, BOX_ENLARGE, BOX_SHIFT_UP)

    def detect(self, image: NDArray[np.uint8], box: Box) -> Points:
        """68x2 float64, x then y, px of the picture, of the face in the box."""
        check_box(image, box)
        shape = self._predictor(np.ascontiguousarray(image), _rectangle(self._library, box))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float64)


class DlibEmbedder:
    """dlib's face recognition network: 128 numbers a face. dlib counts two faces less than 0.6 apart as one person.

    Raises:
        MetricError: dlib or its models are not installed.
    """

    def __init__(self) -> None:
        self._library = _dlib()
        self._network = self._library.face_recognition_model_v1(str(model_file(RECOGNITION_FILE)))

    @property
    def name(self) -> str:
        """What manifests and columns call it."""
        return "dlib"

    def embed(self, image: NDArray[np.uint8], landmarks: NDArray[Any]) -> NDArray[np.float64]:
        """128 numbers as dlib gives them, of lengths around 1.4: compare them by Euclidean distance, as dlib does.

        Their cosines bunch up near 1: 0.96 on average for one person in LFW, 0.84 for two.

        Args:
            image: HxWx3 uint8 RGB, not aligned: dlib cuts out and turns the face itself, by the landmarks.
            landmarks: 68x2, px of `image`; dlib takes them rounded to whole px.

        Raises:
            MetricError: not a uint8 picture, or points that are not a face in it.
        """
        points = check_points(landmarks, "landmarks", (68,))
        box = square_box(points, BOX_ENLARGE, BOX_SHIFT_UP)
        check_box(image, box)
        places = [self._library.point(*(math.floor(value + 0.5) for value in point)) for point in points]
        face = self._library.full_object_detection(_rectangle(self._library, box), places)
        embedding = np.array(self._network.compute_face_descriptor(np.ascontiguousarray(image), face), np.float64)
        if not np.isfinite(embedding).all():
            raise MetricError("dlib gave NaN or infinity for this face")
        return embedding
