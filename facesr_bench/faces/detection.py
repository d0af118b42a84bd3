"""Face detectors behind one contract: a picture in, five points out.

For pictures without annotation, and for alignment by what is detected on each picture itself. Face crops leave hardly
any margin around the face, and detectors were trained on faces in scenes: so each looks at a view of the picture, which
is made in one fixed way (`make_view`), and its points are taken back.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DetectionError, FaceSRBenchError, MetricError, WeightsError
from facesr_bench.base.suggest import unknown
from facesr_bench.base.text import counted
from facesr_bench.faces.dlib_models import LANDMARK_FILE, NOT_INSTALLED, model_file
from facesr_bench.faces.landmarks import Box
from facesr_bench.faces.network import open_session
from facesr_bench.faces.points import Points, five_points
from facesr_bench.weights import require

MARGIN = 0.5
"""Black margin of a view on each side, over the longer side of the picture."""


class FaceDetector(Protocol):
    """Finds the face that a picture shows; safe to call from several threads."""

    @property
    def name(self) -> str:
        """What results call it."""

    def five_points(self, image: NDArray[np.uint8]) -> Points:
        """The five points of the largest and most central face.

        Where there are several, the face whose box has the greatest (area - 2 d^2) counts, d the distance of its centre
        from the picture's.

        Args:
            image: HxWx3 uint8 RGB.

        Returns:
            5x2 float64, px of `image`: left eye, right eye, nose, left and right corner of the mouth, as
            `facesr_bench.faces.points.five_points` has them. They may lie beside the picture.

        Raises:
            DetectionError: no face was found.
            MetricError: not a uint8 picture.
        """


class SceneDetector(FaceDetector, Protocol):
    """Finds every face of a photograph too.

    Attributes:
        takes_turned: whether it may take a face that lies on its side or its head for an upright one, with points that
            are not the face's: then it is surer of the same face when that stands upright.
    """

    takes_turned: bool

    def every_face(self, image: NDArray[np.uint8]) -> list[Face]:
        """All faces of a photograph, from left to right, in px of `image`; an empty list where there is none.

        Looked for at several sizes; of what overlaps by more than SAME, what the detector is surest of counts.

        Args:
            image: HxWx3 uint8 RGB.

        Raises:
            MetricError: not a uint8 picture.
        """


@dataclass(frozen=True, eq=False)
class View:
    """A picture as a detector sees it.

    Attributes:
        picture: SxSx3 uint8 RGB.
        scale: px of the view per px of the picture.
        left, top: where the picture begins, px of the picture from the margin's edge.
    """

    picture: NDArray[np.uint8]
    scale: float
    left: int
    top: int

    def to_picture(self, points: NDArray[Any]) -> Points:
        """Points of the view, as points of the picture; both Nx2 px, the centre of the top-left pixel at (0, 0)."""
        moved: Points = (np.asarray(points, np.float64) + 0.5) / self.scale - 0.5 - (self.left, self.top)
        return moved


def make_view(image: NDArray[np.uint8], side: int, margin: float = MARGIN) -> View:
    """The picture in the middle of a black square, resized to `side` px.

    The square's side is 1 + 2 `margin` times the longer side of the picture. Bilinear where it grows, by areas where it
    shrinks.

    Args:
        image: HxWx3 uint8.
        side: of the view, px. It is the same for all pictures, so that the size of a face in it depends on the face's
            share of the picture alone, never on how many pixels the picture has.

    Raises:
        MetricError: not a uint8 picture.
    """
    import cv2

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise MetricError(f"a picture to find a face in must be uint8 HxWx3, not {image.dtype} of shape {image.shape}")
    height, width = image.shape[:2]
    longer = max(height, width)
    whole = longer + 2 * round(margin * longer)
    left, top = (whole - width) // 2, (whole - height) // 2
    square = np.zeros((whole, whole, 3), np.uint8)
    square[top : top + height, left : left + width] = image
    method = cv2.INTER_AREA if side < whole else cv2.INTER_LINEAR
    return View(np.asarray(cv2.resize(square, (side, side), interpolation=method), np.uint8), side / whole, left, top)


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a view, or in a photograph.

    Attributes:
        box: left, top, width, height; px.
        points: 5x2 or 68x2, px.
        score: how sure the detector is; not comparable between detectors.
    """

    box: tuple[float, float, float, float]
    points: NDArray[Any]
    score: float = 0.0


def main_face(faces: list[Face], side: int) -> Face:
    """The largest and most central of several faces in a view, as `FaceDetector.five_points` says."""

    def weight(face: Face) -> float:
        left, top, width, height = face.box
        away = (left + width / 2 - side / 2) ** 2 + (top + height / 2 - side / 2) ** 2
        return width * height - 2 * away

    return max(faces, key=weight)


SCENES = (256, MARGIN), (640, 0.1), (1280, 0.1)
"""Side and margin of the views in which faces of a photograph are looked for: close-ups first, small faces last."""
MOST_ENLARGED = 2.5
"""How many times larger than the photograph a view may be; more shows nothing new."""
SAME = 0.4
"""Overlap, over the union, of two boxes around one face."""

Box4 = tuple[float, ...]
"""Left, top, width, height."""


def shared_area(first: Box4, second: Box4) -> float:
    """Area that two boxes share."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return max(width, 0.0) * max(height, 0.0)


def overlap(first: Box4, second: Box4) -> float:
    """Area that two boxes share, over the area of both together."""
    shared = shared_area(first, second)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared) if shared else 0.0


def _in_picture(face: Face, view: View) -> Face:
    """A face of a view, in px of the picture; as five points."""
    left, top, width, height = face.box
    # A box counts from the picture's edge, points from the centre of its first pixel.
    x, y = (view.to_picture(np.array([(left, top)]) - 0.5) + 0.5)[0].tolist()
    box = x, y, width / view.scale, height / view.scale
    return Face(box, view.to_picture(five_points(face.points)), face.score)


class _Detector(ABC):
    """What all have in common: view, choice, and a lock, since none of the libraries promises to need none."""

    name: str
    sides: tuple[int, ...]
    """Of the views, px, tried in this order until there is a face in one."""
    takes_turned: bool = True
    scene_score: float
    """What a face of a photograph must reach: stricter than in a crop, which shows a face for certain."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def five_points(self, image: NDArray[np.uint8]) -> Points:
        """See `FaceDetector`."""
        return five_points(self._points(image))

    def every_face(self, image: NDArray[np.uint8]) -> list[Face]:
        """See `SceneDetector`."""
        found: list[Face] = []
        for side, margin in SCENES:
            if side > MOST_ENLARGED * (1 + 2 * margin) * max(image.shape[:2]) and side != SCENES[0][0]:
                break
            view = make_view(image, side, margin)
            with self._lock:
                faces = self._find(view.picture)
            sure = [face for face in faces if face.score >= self.scene_score and np.isfinite(face.points).all()]
            found += [_in_picture(face, view) for face in sure]
        kept: list[Face] = []
        for face in sorted(found, key=lambda face: -face.score):
            if all(overlap(face.box, other.box) <= SAME for other in kept):
                kept.append(face)
        return sorted(kept, key=lambda face: face.box)

    def _points(self, image: NDArray[np.uint8]) -> Points:
        view, face = self._main(image)
        return view.to_picture(face.points)

    def _main(self, image: NDArray[np.uint8]) -> tuple[View, Face]:
        for side in self.sides:
            view = make_view(image, side)
            with self._lock:
                faces = [face for face in self._find(view.picture) if np.isfinite(face.points).all()]
            if faces:
                return view, main_face(faces, side)
        raise DetectionError(f"{self.name} found no face in the {image.shape[1]}x{image.shape[0]} picture")

    @abstractmethod
    def _find(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Every face in a view, SxSx3 uint8 RGB."""


class ScrfdDetector(_Detector):
    """SCRFD (Guo et al., ICLR 2022) through insightface's own class, from a local file: buffalo_l's det_10g.onnx.

    insightface's thresholds: score 0.5, overlap 0.4; at 640 px, the size that it is run at by default.

    Args:
        path: the ONNX file; `facesr_bench.weights.require("scrfd")` gives it.

    Raises:
        WeightsError: no such file, or not an SCRFD with five points.
    """

    name = "scrfd"
    sides = (640,)
    scene_score = 0.5
    score = 0.5
    overlap = 0.4

    def __init__(self, path: Path) -> None:
        super().__init__()
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; it should be insightface's det_10g.onnx")
        from insightface.model_zoo.scrfd import SCRFD

        session = open_session(path)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        # Scores, boxes and points for each of 3 or 5 sizes.
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or len(outputs) not in {9, 15}:
            raise WeightsError(
                f"{path}: not an SCRFD with five points: {counted(len(inputs), 'input')}, "
                f"{counted(len(outputs), 'output')}"
            )
        fixed = [size for size in inputs[0].shape[2:] if isinstance(size, int)]
        if any(size != self.sides[0] for size in fixed):
            raise WeightsError(f"{path}: takes pictures of {fixed} px only; det_10g.onnx takes {self.sides[0]}")
        self._network: Any = SCRFD(session=session)
        self._network.prepare(0, det_thresh=self.score, nms_thresh=self.overlap)

    def _find(self, picture: NDArray[np.uint8]) -> list[Face]:
        bgr = np.ascontiguousarray(picture[:, :, ::-1])
        boxes, points = self._network.detect(bgr, input_size=picture.shape[1::-1])
        return [
            Face((float(x0), float(y0), float(x1 - x0), float(y1 - y0)), five, float(score))
            for (x0, y0, x1, y1, score), five in zip(boxes, points, strict=True)
        ]


class YunetDetector(_Detector):
    """YuNet (Wu et al., 2023) through OpenCV, from a local file.

    Sides and score were chosen on crops of LFW like those of helen-x8 (128 px, and 16 px upsampled bicubically or by
    SPARNet), for the share of faces found and the distance from dlib's points. With larger views blurred faces were
    lost; a second, smaller view brought back most of those that the first left out.

    Args:
        path: the ONNX file; `facesr_bench.weights.require("yunet")` gives it.

    Raises:
        WeightsError: no such file, or not a YuNet.
    """

    name = "yunet"
    sides = (256, 128)
    scene_score = 0.8
    score = 0.3
    overlap = 0.3

    def __init__(self, path: Path) -> None:
        super().__init__()
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; it should be yunet_n_640_640.onnx")
        import cv2

        logging = cv2.utils.logging
        before = logging.getLogLevel()
        # OpenCV 5 warns of its own graph engine each time.
        logging.setLogLevel(logging.LOG_LEVEL_ERROR)
        try:
            side = self.sides[0]
            self._network = cv2.FaceDetectorYN.create(str(path), "", (side, side), self.score, self.overlap)
            self._find(np.zeros((side, side, 3), np.uint8))
        except cv2.error as error:
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(f"{path}: not a YuNet that OpenCV {cv2.__version__} can run: {reason}") from error
        finally:
            logging.setLogLevel(before)

    def _find(self, picture: NDArray[np.uint8]) -> list[Face]:
        self._network.setInputSize(picture.shape[1::-1])
        rows = self._network.detect(np.ascontiguousarray(picture[:, :, ::-1]))[1]
        # A row: box, five points in our order, score.
        found = np.zeros((0, 15)) if rows is None else np.asarray(rows, np.float64)
        return [Face((row[0], row[1], row[2], row[3]), row[4:14].reshape(5, 2), float(row[14])) for row in found]


class DlibDetector(_Detector):
    """dlib's frontal detector (HOG) and its 68 points; needs the extra `dlib`, and no other file.

    The detector's threshold is lowered from 0, and a face that it misses is looked for again in a smaller view: both
    were chosen on crops of LFW like those of helen-x8, upsampled from 16 px, where many faces were missed otherwise.

    Raises:
        MetricError: dlib or its models are not installed.
    """

    name = "dlib-hog"
    sides = (384, 256)
    takes_turned = False
    scene_score = 0.25  # of what is no face (badges, cloth) 0 to 0.21 was seen; of blurred faces 0.24 and more
    threshold = -0.6

    def __init__(self) -> None:
        super().__init__()
        try:
            import dlib
        except ImportError as error:
            raise MetricError(NOT_INSTALLED) from error
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(model_file(LANDMARK_FILE)))

    def largest_68(self, image: NDArray[np.uint8]) -> Points:
        """All 68 points (iBUG) of the face whose five `five_points` gives: 68x2 float64, px of `image`.

        Where a 68-point detector needs a box and a picture has no annotation.

        Args:
            image: HxWx3 uint8 RGB.

        Raises:
            DetectionError: no face was found.
            MetricError: not a uint8 picture.
        """
        return self._points(image)

    def rectangle(self, image: NDArray[np.uint8]) -> Box:
        """The rectangle around that face, px of `image`: what dlib's 68-point predictor was trained to start from.

        Args:
            image: HxWx3 uint8 RGB.

        Raises:
            DetectionError: no face was found.
            MetricError: not a uint8 picture.
        """
        view, face = self._main(image)
        left, top, width, height = face.box
        # A box counts from the picture's edge, points from the centre of its first pixel.
        corners = view.to_picture(np.array([(left, top), (left + width, top + height)]) - 0.5) + 0.5
        (left, top), (right, bottom) = corners.tolist()
        return left, top, right, bottom

    def _find(self, picture: NDArray[np.uint8]) -> list[Face]:
        faces = []
        boxes, scores, _ = self._detector.run(picture, 0, self.threshold)
        for box, score in zip(boxes, scores, strict=True):
            shape = self._predictor(picture, box)
            points = np.array([(point.x, point.y) for point in shape.parts()], np.float64)
            faces.append(Face((box.left(), box.top(), box.width(), box.height()), points, float(score)))
        return faces


DETECTORS = "scrfd", "yunet", "dlib"
"""All there are, the most accurate first."""
AUTO = "auto"
"""The first of DETECTORS that can be opened here."""


def open_first(name: str) -> SceneDetector:
    """A detector by its name, or the first of all that can be opened here.

    Args:
        name: of DETECTORS, or AUTO.

    Raises:
        FaceSRBenchError: it can't be opened, or none can; says how to get one.
    """
    if name != AUTO:
        return open_detector(name, "  or let dlib's detector find faces, which needs no download: --detector dlib")
    for each in DETECTORS:
        try:
            return open_detector(each)
        except FaceSRBenchError:
            continue
    raise WeightsError(
        "no face detector can be used here; get one of these:\n"
        "  scrfd:  facesr-bench weights fetch scrfd\n"
        "  yunet:  facesr-bench weights import yunet_n_640_640.onnx  (the folder onnx of libfacedetection.train)\n"
        "  dlib:   pip install 'facesr-bench[dlib]'"
    )


def open_detector(name: str, otherwise: str | None = None) -> SceneDetector:
    """The detector that a profile calls `scrfd`, `yunet` (both from the weights store) or `dlib`.

    Args:
        otherwise: what the user may do where its file is missing, in words; by default, with a profile.

    Raises:
        WeightsError: its file is missing; says how to get it.
        MetricError: dlib is not installed, or no detector has that name.
    """
    if name == "dlib":
        return DlibDetector()
    files = {"scrfd": ScrfdDetector, "yunet": YunetDetector}
    if name not in files:
        raise MetricError(unknown("face detector", name, [*files, "dlib"]))
    try:
        path = require(name)
    except WeightsError as error:
        raise WeightsError(f"{error}\n{otherwise or OFFLINE}") from error
    return files[name](path)


OFFLINE = """  or find faces without any download, by dlib's detector (pip install 'facesr-bench[dlib]'): a profile of
  yours, --profile ./FILE.toml, with a table [faces] in it that says detector = "dlib" (docs/metrics.md)"""
"""What else there is where a detector's file is missing."""
