"""What a picture is, whatever file it stands in: hashes of decoded pixels."""

from __future__ import annotations

import hashlib

import numpy as np

from facesr_bench.images.files import Image8


def pixel_sha256(image: Image8) -> str:
    """sha256 of a picture's size and pixels, hexadecimal: equal for equal pictures, however they were compressed.

    Args:
        image: HxWx3 uint8.
    """
    digest = hashlib.sha256("x".join(map(str, image.shape)).encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()


def is_constant(image: Image8) -> bool:
    """Whether every pixel of a picture has the same colour."""
    return bool((image == image[0, 0]).all())
