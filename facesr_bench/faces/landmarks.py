"""Landmark detectors behind one contract: a picture and a box in, 68 points out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from facesr_bench.base.errors import MetricError
from facesr_bench.faces.network import NetworkSpec, OnnxNetwork, Presets
from facesr_bench.faces.points import Points, check_points

Box = tuple[float, float, float, float]
"""left, top, right, bottom; px from the picture's left and top edge, so that the first pixel spans 0 to 1."""


class LandmarkDetector(Protocol):
    """Finds 68 points (iBUG) of a face whose place is known; safe to call from several threads."""

    @property
    def name(self) -> str:
        """What results call it."""

    def box(self, landmarks: NDArray[Any]) -> Box:
        """The box that this detector was trained to get, around a face's 68 known landmarks.

        Detection on SR takes the box from HR: whether the face is found again is not what is measured.

        Raises:
            MetricError: not 68 finite points, or all on one spot.
        """

    def detect(self, image: NDArray[np.uint8], box: Box) -> Points:
        """The points.

        Args:
            image: HxWx3 uint8 RGB.
            box: around the face, as `box` makes it; it may reach over the picture's edge.

        Returns:
            68x2 float64, px of `image`, the centre of the top-left pixel at (0, 0).

        Raises:
            MetricError: not a uint8 picture, a box without an area or beside the picture, or no points were found.
        """


def square_box(landmarks: NDArray[Any], enlarge: float, shift_up: float) -> Box:
    """The square around 68 landmarks.

    Args:
        enlarge: its side over the longer side of the landmarks' bounding box.
        shift_up: how far its centre is above that of the bounding box, over the longer side too.

    Raises:
        MetricError: not 68 finite points, or all on one spot.
    """
    points = check_points(landmarks, "landmarks", (68,))
    low, high = points.min(axis=0), points.max(axis=0)
    longer = float((high - low).max())
    if longer <= 0:
        raise MetricError("the landmarks all lie on one spot, so there is no box around them")
    # Landmarks count from pixel centres, boxes from the edge: hence the half pixel.
    x, y = (low + high) / 2 + 0.5
    y -= shift_up * longer
    half = enlarge * longer / 2
    return float(x - half), float(y - half), float(x + half), float(y + half)


def overlap(one: Box, other: Box) -> float:
    """The area that two boxes share over that which they cover together, in [0, 1]."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    covered = sum((right - left) * (bottom - top) for left, top, right, bottom in (one, other)) - shared
    return shared / covered if covered > 0 else 0.0


def check_box(image: NDArray[np.uint8], box: Box) -> None:
    """Nothing, if `image` is a picture and `box` covers some of it.

    Raises:
        MetricError: it isn't, or doesn't; says why.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise MetricError(f"a picture to find landmarks in must be uint8 HxWx3, not {image.dtype} of {image.shape}")
    left, top, right, bottom = box
    height, width = image.shape[:2]
    label = f"the face's box (left {left:g}, top {top:g}, right {right:g}, bottom {bottom:g})"
    if not all(math.isfinite(side) for side in box) or right <= left or bottom <= top:
        raise MetricError(f"{label} has no area")
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise MetricError(f"{label} lies beside the {width}x{height} picture")


def cut_square(image: NDArray[np.uint8], box: Box) -> tuple[NDArray[np.uint8], int, int]:
    """The whole-pixel square nearest to a box, black where the picture ends.

    Returns:
        (square, left, top): SxSx3 uint8 with S at least 1, and the place of its first pixel in `image`.
    """
    left, top = math.floor(box[0] + 0.5), math.floor(box[1] + 0.5)
    side = max(1, math.floor(((box[2] - box[0]) + (box[3] - box[1])) / 2 + 0.5))
    square = np.zeros((side, side, 3), np.uint8)
    height, width = image.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if x0 < x1 and y0 < y1:
        square[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return square, left, top


class LandmarkSpec(NetworkSpec):
    """What a 68-point ONNX network wants. `name` is the key of its table in landmarks.toml.

    Its output is x0, y0, x1, y1, ... : 136 numbers a face.
    """

    colour: Literal["rgb", "bgr"]
    enlarge: float = Field(gt=0, description="side of the square box over the longer side of the landmarks' box")
    shift_up: float = Field(default=0.0, description="of the box's centre, over the same longer side")
    unit: Literal["square", "pixel"] = Field(
        default="square", description="of the output: `square`: 0..1 across the box; `pixel`: px of the input"
    )


LANDMARK_NETWORKS = Presets(LandmarkSpec, "landmark network", "landmarks.toml")


class OnnxLandmarks:
    """A 68-point network from a local ONNX file; a LandmarkDetector.

    Args:
        spec: one of LANDMARK_NETWORKS, or one's own.
        path: the ONNX file.

    Raises:
        WeightsError: no such file, or not the network that `spec` describes.
    """

    def __init__(self, spec: LandmarkSpec, path: Path) -> None:
        self.spec = spec
        self._network = OnnxNetwork(spec, path)

    @property
    def name(self) -> str:
        """What manifests and columns call it."""
        return self.spec.name

    def box(self, landmarks: NDArray[Any]) -> Box:
        """The square that it was trained on, around a face of which 68 points are known; px."""
        return square_box(landmarks, self.spec.enlarge, self.spec.shift_up)

    def detect(self, image: NDArray[np.uint8], box: Box) -> Points:
        import cv2

        check_box(image, box)
        square, left, top = cut_square(image, box)
        size = (self.spec.width, self.spec.height)
        resized = np.asarray(cv2.resize(square, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        raw = self._network.run(resized[None])[0].astype(np.float64)
        if raw.size != 136:
            raise MetricError(f"{self.name} gave {raw.size} numbers for a face; expected 136 (68 points)")
        points = raw.reshape(68, 2)
        if self.spec.unit == "pixel":
            points = (points + 0.5) / size
        return np.asarray(points * len(square) + (left, top) - 0.5)
