"""Makes the low-resolution image from HR: exact, and a function of its arguments alone."""

from __future__ import annotations

import hashlib

from facesr_bench.base.errors import DataError, PluginError
from facesr_bench.base.suggest import unknown
from facesr_bench.images.files import Image8
from facesr_bench.images.matlab import imresize
from facesr_bench.images.resize import resize
from facesr_bench.plugins.degradation import Degradation


def _bicubic_pillow(hr: Image8, size: tuple[int, int], seed: int) -> Image8:
    """Pillow's bicubic: SPARNet's and DIC's training and test images."""
    del seed
    return resize(hr, size)


def _bicubic_matlab(hr: Image8, size: tuple[int, int], seed: int) -> Image8:
    """MATLAB's imresize on uint8."""
    del seed
    return imresize(hr, size)


DEGRADATIONS: dict[str, Degradation] = {
    "bicubic-pillow": _bicubic_pillow,
    "bicubic-matlab": _bicubic_matlab,
}
"""Every degradation, by the name that a protocol's card gives."""


def apply(name: str, hr: Image8, scale: int, seed: int) -> Image8:
    """Degrade one image.

    Args:
        name: one of DEGRADATIONS.
        hr: HxWx3 uint8; both sides a multiple of `scale`.
        scale: HR side over LR side.
        seed: what random degradations draw from (`seed_of`).

    Returns:
        H/scale x W/scale x 3 uint8, the same bits on every machine.

    Raises:
        PluginError: no such degradation; suggests one.
        DataError: `scale` does not divide the sides.
    """
    if name not in DEGRADATIONS:
        raise PluginError(unknown("degradation", name, DEGRADATIONS))
    height, width = hr.shape[:2]
    if height % scale or width % scale:
        raise DataError(f"HR is {width}x{height}, not a multiple of scale {scale}")
    return DEGRADATIONS[name](hr, (height // scale, width // scale), seed)


def seed_of(protocol: str, sample_id: str) -> int:
    """The seed of one image, 0..2**64 - 1: by name, so that it never depends on order, subset, worker or batch."""
    digest = hashlib.sha256(protocol.encode() + b"\0" + sample_id.encode()).digest()
    return int.from_bytes(digest[:8], "big")
