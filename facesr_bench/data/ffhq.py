"""Faces cut out as FFHQ's are: turned and scaled so that five points lie where they lie there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError
from facesr_bench.images.files import Image8

Points = NDArray[np.float64]
"""Nx2, x then y, px, the centre of the top-left pixel at (0, 0)."""

# Of the iBUG 68-point mark-up (Sagonas et al., 300-W, 2013), counted from 0; the mark-up itself counts from 1.
LEFT_EYE = slice(36, 42)
RIGHT_EYE = slice(42, 48)
NOSE_TIP = 30
MOUTH_CORNERS = 48, 54

SIDE = 512
TEMPLATE = (
    (192.98138, 239.94708),
    (318.90277, 240.1936),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)
"""Eyes, nose and corners of the mouth in an FFHQ-aligned picture of 512x512
(xinntao/facexlib@260620a:facexlib/utils/face_restoration_helper.py:73-74)."""


def five_of_68(landmarks: Points) -> Points:
    """Centres of the eyes, tip of the nose and corners of the mouth, of 68 points."""
    eyes = landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)
    return np.stack([*eyes, landmarks[NOSE_TIP], *landmarks[list(MOUTH_CORNERS)]])


def aligned(picture: Image8, landmarks: Points, side: int) -> tuple[Image8, Points]:
    """A face cut out of a picture, side x side, and its landmarks there.

    The similarity transform that brings the five points closest (least squares) to the template; each pixel is a sum of
    those around its place by Keys' cubic (a = -0.5), stretched by the reduction.

    Args:
        landmarks: 68x2 or 5x2, in the order of the template.

    Raises:
        DataError: other landmarks; the face would be enlarged, or reaches over the picture's border.
    """
    if landmarks.shape not in {(68, 2), (5, 2)} or not np.isfinite(landmarks).all():
        raise DataError(f"FFHQ's alignment needs 68 or 5 landmarks, not an array of {landmarks.shape}")
    five = five_of_68(landmarks) if len(landmarks) == 68 else landmarks
    # Pixel centres are at whole numbers, so pictures begin at -1/2.
    template = (np.array(TEMPLATE) + 0.5) * (side / SIDE) - 0.5
    cosine, sine, shift = _similarity(five, template)
    step = 1 / float(np.hypot(cosine, sine))
    if step < 1:
        raise DataError(f"its face would be enlarged {1 / step:.2f} times to {side}x{side}; that is no ground truth")
    v, u = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    du, dv = u - shift[0], v - shift[1]
    x, y = (cosine * du + sine * dv) * step**2, (cosine * dv - sine * du) * step**2
    height, width = picture.shape[:2]
    if x.min() < 0 or y.min() < 0 or x.max() > width - 1 or y.max() > height - 1:
        raise DataError(f"its aligned face reaches over the border of the {width}x{height} picture")
    moved = np.stack([landmarks @ (cosine, -sine), landmarks @ (sine, cosine)], axis=1) + shift
    return sampled(picture, x, y, step), moved


def _similarity(source: Points, target: Points) -> tuple[float, float, Points]:
    """(a, b, shift) with target about (a x - b y, b x + a y) + shift, least squares (Umeyama's, in two dimensions)."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    (x, y), (p, q) = (source - source_mean).T, (target - target_mean).T
    total = float((x * x + y * y).sum())
    a, b = float((x * p + y * q).sum()) / total, float((x * q - y * p).sum()) / total
    centre_x, centre_y = source_mean
    return a, b, target_mean - np.array([a * centre_x - b * centre_y, b * centre_x + a * centre_y])


def sampled(picture: NDArray[Any], x: Points, y: Points, step: float) -> Image8:
    """The picture at places (x, y), which are `step` >= 1 px apart: Keys' cubic (a = -0.5), as wide as the step asks.

    Beyond the border, the pixel nearest to the place counts.

    Args:
        picture: HxWx3, 0 to 255.
        x, y: two arrays of one shape, px.
    """
    height, width = picture.shape[:2]
    reach = int(np.ceil(2 * step))
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    total, weights = np.zeros((*x.shape, 3)), np.zeros(x.shape)
    for row in range(1 - reach, reach + 1):
        across = _cubic((top + row - y) / step)
        rows = np.clip(top + row, 0, height - 1)
        for column in range(1 - reach, reach + 1):
            weight = across * _cubic((left + column - x) / step)
            total += weight[..., None] * picture[rows, np.clip(left + column, 0, width - 1)]
            weights += weight
    # Nine decimals: what is a tie but for the last bits is a tie on every machine.
    return np.asarray(np.clip(np.rint(np.round(total / weights[..., None], 9)), 0, 255), np.uint8)


def _cubic(x: Points, a: float = -0.5) -> Points:
    """Keys' cubic kernel."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
