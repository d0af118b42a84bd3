"""Brings a face to the position that recognition networks were trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.data.ffhq import TEMPLATE
from facesr_bench.faces.points import check_points, five_points

Matrix = NDArray[np.float64]
"""2x3: takes (x, y, 1) to (x', y')."""


@dataclass(frozen=True, eq=False)
class Template:
    """Where the five points lie in an aligned picture.

    Attributes:
        height, width: of the aligned picture, px.
        points: 5x2 float32, in the order of `five_points`.
    """

    name: str
    height: int
    width: int
    points: NDArray[np.float32]


# In float32, as the insightface package holds them: in float64 the estimated transform would differ by some 1e-7,
# enough to turn a pixel of the warped picture now and then.
ARCFACE_112 = Template(
    "arcface-112",
    112,
    112,
    np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
        dtype=np.float32,
    ),
)
"""ArcFace's (insightface, python-package/insightface/utils/face_align.py: arcface_dst)."""

ARCFACE_112X96 = Template(
    "arcface-112x96",
    112,
    96,
    np.array(
        [[30.2946, 51.6963], [65.5318, 51.5014], [48.0252, 71.7366], [33.5493, 92.3655], [62.7299, 92.2041]],
        dtype=np.float32,
    ),
)
"""SphereFace's, from which ArcFace's was made by 8 px more on the left and on the right."""

FFHQ_512 = Template(
    "ffhq-512",
    512,
    512,
    np.array(TEMPLATE, dtype=np.float32),
)
"""Where blind restoration puts the points of an FFHQ-aligned 512x512 picture; they stand in for landmarks of such a
picture where it has none."""

TEMPLATES = {template.name: template for template in (ARCFACE_112, ARCFACE_112X96, FFHQ_512)}


def similarity(source: NDArray[Any], target: NDArray[Any]) -> Matrix:
    """The similarity transform (rotation, one scale, translation) that takes `source` closest to `target`.

    Least squares after Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    PAMI 1991, eq. 38-43. Never a reflection.

    Args:
        source, target: Nx2, N >= 2.

    Raises:
        MetricError: shapes differ, NaN or infinity, or the points of either all lie on one spot.
    """
    count = len(source)
    if count < 2 or len(target) != count:
        raise MetricError(f"an alignment needs at least 2 pairs of points, not {count} and {len(target)}")
    check_points(source, "points to align", (count,))
    check_points(target, "points to align to", (count,))
    if not (np.ptp(source, axis=0).any() and np.ptp(target, axis=0).any()):
        raise MetricError("the points can't be aligned: they all lie on one spot")
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source_centred, target_centred = source - source_mean, target - target_mean
    covariance = target_centred.T @ source_centred / count
    left, singular, right = np.linalg.svd(covariance)
    if singular[0] == 0:
        raise MetricError("the points can't be aligned: no rotation fits better than another")
    # A negative determinant would be a mirror image; turning the weaker axis round is the best proper rotation.
    signs = np.array([1.0, 1.0 if np.linalg.det(left) * np.linalg.det(right) > 0 else -1.0])
    rotation = left @ np.diag(signs) @ right
    scale = 1.0 / source_centred.var(axis=0).sum() * (singular @ signs)
    matrix = np.empty((2, 3))
    matrix[:, 2] = target_mean - scale * (rotation @ source_mean)
    matrix[:, :2] = rotation * scale
    return matrix


def transform(points: NDArray[Any], matrix: Matrix) -> NDArray[np.float64]:
    """Nx2 points taken to their new places by a 2x3 matrix."""
    moved: NDArray[np.float64] = np.asarray(points, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return moved


def align(image: NDArray[np.uint8], landmarks: NDArray[Any], template: Template = ARCFACE_112) -> NDArray[np.uint8]:
    """The face of `image` brought to `template`: bilinear, black where the picture ends.

    Bit for bit what insightface's `norm_crop` makes of the same five points (given as float64).

    Args:
        image: HxWx3 uint8, in any colour order.
        landmarks: 68x2 or 5x2, px of `image`; see `five_points`.

    Returns:
        template.height x template.width x 3 uint8.

    Raises:
        MetricError: not a uint8 picture, or points that can't be aligned.
    """
    import cv2

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise MetricError(f"a picture to align must be uint8 HxWx3, not {image.dtype} of shape {image.shape}")
    matrix = similarity(five_points(landmarks), template.points)
    size = (template.width, template.height)
    black = cv2.BORDER_CONSTANT
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=black), np.uint8)
