"""Faces of a photograph: found, brought to where FFHQ's lie, cut out. `facesr_bench.faces.paste` is the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.data.ffhq import SIDE, TEMPLATE, sampled
from facesr_bench.faces.alignment import Matrix, similarity
from facesr_bench.faces.detection import SAME, Face, SceneDetector, shared_area
from facesr_bench.faces.points import Points
from facesr_bench.images.files import Image8

BORDER = (135, 133, 132)
"""What stands where an aligned face reaches over the photograph's border: gray, as in facexlib
(face_restoration_helper.py@260620a, align_warp_face), and so in the real-world sets that were aligned with it."""

TURNS = 0, 1, 3, 2
"""Quarter turns, counter-clockwise, tried in this order until there is a face: photographs lie on their side."""


@dataclass(frozen=True, eq=False)
class Found:
    """A face of a photograph.

    Attributes:
        box: left, top, width, height as the detector has them; px of the photograph.
        points: 5x2, px of the photograph, in the order of `points.five_points`; left and right are the upright face's.
        score: how sure the detector is.
    """

    box: tuple[float, float, float, float]
    points: Points
    score: float

    @property
    def eye_distance(self) -> float:
        """Px of the photograph."""
        return float(np.hypot(*(self.points[1] - self.points[0])))

    def matrix(self, side: int) -> Matrix:
        """The similarity transform from the photograph to its aligned picture of `side` px.

        Least squares of all five points, with nothing left out as an outlier.

        Raises:
            MetricError: the points can't be aligned.
        """
        # Pixel centres are at whole numbers, so pictures begin at -1/2.
        return similarity(self.points, (np.array(TEMPLATE) + 0.5) * (side / SIDE) - 0.5)


def find_faces(detector: SceneDetector, photograph: Image8) -> list[Found]:
    """Every face, from left to right, whichever way up it is.

    The photograph is turned by quarters: for a detector that takes turned faces for upright ones always, and of what it
    finds in one place that counts which it is surest of; for others until there is a face.

    Args:
        photograph: HxWx3 uint8 RGB.
    """
    found: list[tuple[int, Found]] = []
    for turns in TURNS:
        faces = detector.every_face(np.ascontiguousarray(np.rot90(photograph, turns)))
        found += [(turns, _turned_back(face, turns, photograph.shape[:2])) for face in faces]
        if found and not detector.takes_turned:
            break
    kept: list[tuple[int, Found]] = []
    for turns, face in sorted(found, key=lambda each: -each[1].score):
        if not any(turns != other_turns and _one_place(face, other) for other_turns, other in kept):
            kept.append((turns, face))
    return sorted((face for _, face in kept), key=lambda face: face.box)


def _one_place(first: Found, second: Found) -> bool:
    """Whether two boxes are around one face: where it was seen turned, boxes differ in size and place."""
    smaller = min(first.box[2] * first.box[3], second.box[2] * second.box[3])
    return shared_area(first.box, second.box) > SAME * smaller


def _turned_back(face: Face, turns: int, size: tuple[int, ...]) -> Found:
    """A face of a photograph turned by `np.rot90`, as one of the photograph itself."""
    left, top, width, height = face.box
    corners = np.array([(left, top), (left + width, top + height)]) - 0.5
    places = np.concatenate([corners, face.points])
    across = size if turns % 2 else size[::-1]  # width and height of the turned picture
    for _ in range(turns):  # one turn clockwise each
        across = across[::-1]
        places = np.stack([across[0] - 1 - places[:, 1], places[:, 0]], axis=1)
    (x0, y0), (x1, y1) = places[:2].min(axis=0) + 0.5, places[:2].max(axis=0) + 0.5
    return Found((float(x0), float(y0), float(x1 - x0), float(y1 - y0)), places[2:], face.score)


def rescaled(matrix: Matrix, source: float = 1.0, target: float = 1.0) -> Matrix:
    """The same transform between pictures of other sizes.

    Args:
        source, target: how many times larger the picture that it takes from, or to, is now.
    """
    turning, shift = matrix[:, :2], matrix[:, 2]
    begin = 0.5 / source - 0.5
    moved = target * (turning @ np.array([begin, begin]) + shift + 0.5) - 0.5
    return np.concatenate([turning * (target / source), moved[:, None]], axis=1)


def inverse(matrix: Matrix) -> Matrix:
    """The transform that leads back."""
    turning = np.linalg.inv(matrix[:, :2])
    return np.concatenate([turning, -(turning @ matrix[:, 2])[:, None]], axis=1)


def size_of_step(matrix: Matrix) -> float:
    """How far apart two places come to lie that are 1 px apart."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def rotation(matrix: Matrix) -> float:
    """By how much the face is turned clockwise in the photograph, degrees in (-180, 180]."""
    return float(-np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))


def corners(matrix: Matrix, side: int) -> Points:
    """The four corners of the aligned picture, px of the photograph."""
    ends = np.array([(0, 0), (side, 0), (side, side), (0, side)]) - 0.5
    back = inverse(matrix)
    return np.asarray(ends @ back[:, :2].T + back[:, 2])


def cut(photograph: Image8, matrix: Matrix, side: int) -> tuple[Image8, float]:
    """The aligned picture of a face, and which share of it lies beyond the photograph's border.

    Keys' cubic; where the face is reduced, each pixel takes in all that it covers.

    Args:
        photograph: HxWx3 uint8 RGB.
        matrix: to an aligned picture of `side` px.

    Returns:
        side x side x 3 uint8, with BORDER beyond the photograph; and 0 to 1.
    """
    height, width = photograph.shape[:2]
    back = inverse(matrix)
    v, u = np.meshgrid(np.arange(side, dtype=np.float64), np.arange(side, dtype=np.float64), indexing="ij")
    x = back[0, 0] * u + back[0, 1] * v + back[0, 2]
    y = back[1, 0] * u + back[1, 1] * v + back[1, 2]
    beyond = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
    step = max(1.0, size_of_step(back))
    # Whole blocks are averaged first, so that the kernel stays small however large the face is.
    block = int(step + 1e-9)
    left, top = (max(0, int(np.floor(place.min())) // block * block - 2 * block) for place in (x, y))
    right, bottom = (int(np.ceil(place.max())) + 3 * block for place in (x, y))
    part = _block_means(photograph[top : max(bottom, top + 1), left : max(right, left + 1)], block)
    if not part.size:  # the whole face lies beside the photograph
        return np.full((side, side, 3), BORDER, np.uint8), 1.0
    face = sampled(part, (x - left + 0.5) / block - 0.5, (y - top + 0.5) / block - 0.5, step / block)
    face[beyond] = BORDER
    return face, float(beyond.mean())


def _block_means(part: Image8, block: int) -> NDArray[np.float64]:
    """Means of block x block px; at the right and lower edge the last pixel is repeated."""
    height, width = part.shape[:2]
    padded = np.pad(part, ((0, -height % block), (0, -width % block), (0, 0)), mode="edge") if part.size else part
    rows, columns = padded.shape[0] // block, padded.shape[1] // block
    blocks = padded.reshape(rows, block, columns, block, 3)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64))
