"""Cuts the face out of a picture, as a protocol's card says, and brings it to the protocol's HR size.

Squares have whole-pixel corners and lie inside the picture. A crop is cut before it is resized, so pixels outside it
have no influence (Pillow's own `box` argument would let the kernel reach beyond it).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError
from facesr_bench.data import ffhq
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.cards import ProtocolCard

Square = tuple[int, int, int]
"""left, top, side; px."""


class Cut(NamedTuple):
    """A face, cut out and at the protocol's HR size.

    Attributes:
        hr: HxWx3 uint8.
        landmarks: Nx2 in px of `hr`, or None.
        enlarged: by which factor its side was enlarged, as the card allows; None where it was not.
    """

    hr: Image8
    landmarks: NDArray[np.float64] | None
    enlarged: float | None = None


def apply(
    hr: Image8,
    landmarks: NDArray[np.float64] | None,
    box: Square | None,
    protocol: ProtocolCard,
) -> Cut:
    """Crop and resize one HR picture.

    Args:
        hr: HxWx3 uint8.
        landmarks: Nx2, x then y in px of `hr`, the centre of the top-left pixel at (0, 0); or None.
        box: the square of crop rule `box`.
        protocol: its `crop` and `hr_size` are used.

    Returns:
        The picture (hr_size x hr_size, or as cropped where the protocol has no hr_size), the landmarks in it, and by
        how much it was enlarged.

    Raises:
        DataError: the picture is too small (nothing is enlarged to be ground truth, beyond what the card allows) or not
            square, or what the rule needs is missing.
    """
    if protocol.crop.rule == "ffhq":
        assert protocol.hr_size is not None  # the card's validator has seen to it
        return Cut(*ffhq.aligned(hr, _required(landmarks, protocol), protocol.hr_size))
    square = _square(hr, landmarks, box, protocol)
    if square is not None:
        left, top, side = square
        hr = np.ascontiguousarray(hr[top : top + side, left : left + side])
        landmarks = None if landmarks is None else landmarks - (left, top)
    if protocol.hr_size is None:
        return Cut(hr, landmarks)
    height, width = hr.shape[:2]
    if height != width:
        raise DataError(
            f"the picture is {width}x{height}, and protocol {protocol.name} takes square ones to "
            f"{protocol.hr_size}x{protocol.hr_size}; crop it to a square, or choose a protocol that does"
        )
    factor, allowed = protocol.hr_size / height, protocol.crop.enlarge_up_to
    if factor > (allowed or 1):
        limit = "" if allowed is None else f" by more than the {allowed:g} times that its card allows"
        raise DataError(
            f"its face is {width}x{height} px, smaller than the {protocol.hr_size}x{protocol.hr_size} of "
            f"protocol {protocol.name}{limit}; enlarged, it would be no ground truth (is this an LR picture?)"
        )
    if landmarks is not None:
        landmarks = (landmarks + 0.5) * factor - 0.5
    return Cut(resize(hr, (protocol.hr_size, protocol.hr_size)), landmarks, factor if factor > 1 else None)


def _square(
    hr: Image8, landmarks: NDArray[np.float64] | None, box: Square | None, protocol: ProtocolCard
) -> Square | None:
    height, width = hr.shape[:2]
    crop = protocol.crop
    if crop.rule == "none":
        return None
    if crop.rule == "centre":
        side = min(height, width) if crop.size is None else crop.size
        if side > min(height, width):
            raise DataError(
                f"the picture is {width}x{height}, smaller than the {side}x{side} centre that protocol "
                f"{protocol.name} cuts out"
            )
        return (width - side) // 2, (height - side) // 2, side
    if crop.rule == "box":
        if box is None:
            raise DataError(f"protocol {protocol.name} cuts out a box, and the dataset gives none for it")
        left, top, side = box
        if min(left, top) < 0 or side < 1 or left + side > width or top + side > height:
            raise DataError(f"its box (left {left}, top {top}, side {side}) is not inside the {width}x{height} picture")
        return box
    assert crop.enlarge is not None and crop.shift_up is not None  # the card's validator has seen to it
    return landmark_square(_required(landmarks, protocol), (height, width), crop.enlarge, crop.shift_up)


def _required(landmarks: NDArray[np.float64] | None, protocol: ProtocolCard) -> NDArray[np.float64]:
    if landmarks is None or not len(landmarks):
        raise DataError(f"protocol {protocol.name} crops around the landmarks, and it has none")
    return landmarks


def landmark_square(landmarks: NDArray[np.float64], shape: tuple[int, int], enlarge: float, shift_up: float) -> Square:
    """The square around a face's landmarks.

    Its side is `enlarge` times the longer side of the landmarks' bounding box, at most the picture's shorter side. Its
    centre is that of the box, moved up by `shift_up` times the box's height. A square that reaches over the picture's
    border is moved inside.

    Args:
        landmarks: Nx2, x then y, px.
        shape: (height, width) of the picture.
    """
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    extent = high - low
    side = min(max(1, _rounded(enlarge * float(extent.max()))), *shape)
    # Landmarks count from pixel centres, corners of the square from pixel edges: hence the half pixel.
    centre_x = float(low[0] + high[0]) / 2 + 0.5
    centre_y = float(low[1] + high[1]) / 2 + 0.5 - shift_up * float(extent[1])
    left = min(max(0, _rounded(centre_x - side / 2)), shape[1] - side)
    top = min(max(0, _rounded(centre_y - side / 2)), shape[0] - side)
    return left, top, side


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)
