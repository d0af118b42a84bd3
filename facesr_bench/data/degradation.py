"""Makes the low-resolution image from HR: exact, and a function of its arguments alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from facesr_bench.base.errors import DataError
from facesr_bench.images.files import Image8, read_only
from facesr_bench.plugins.cards import ProtocolCard, Sha256
from facesr_bench.plugins.degradation import DegradationBase


def apply(degradation: DegradationBase, hr: Image8, seed: int) -> tuple[Image8, dict[str, Any]]:
    """Degrade one image.

    Args:
        hr: HxWx3 uint8; both sides a multiple of the degradation's scale.
        seed: what random degradations draw from (`seed_of`).

    Returns:
        H/scale x W/scale x 3 uint8, and what was drawn.

    Raises:
        DataError: the scale does not divide the sides, or something else came out.
    """
    height, width = hr.shape[:2]
    if height % degradation.scale or width % degradation.scale:
        raise DataError(f"HR is {width}x{height}, not a multiple of scale {degradation.scale}")
    lr, drawn = degradation.degrade(read_only(hr), seed)
    expected = (*degradation.lr_size(hr), 3)
    if not isinstance(lr, np.ndarray) or lr.dtype != np.uint8 or lr.shape != expected:
        found = f"{'x'.join(map(str, lr.shape))} {lr.dtype}" if isinstance(lr, np.ndarray) else type(lr).__name__
        shape = "x".join(map(str, expected))
        raise DataError(f"degradation {degradation.card.name} made {found}; expected {shape} uint8")
    return lr, drawn


def read_lr_hashes(folder: Path, protocol: ProtocolCard) -> dict[str, str]:
    """sha256 of the pixels of a protocol's LR pictures, by id; empty where its card names no such file.

    Args:
        folder: that of the dataset's card.

    Raises:
        DataError: the file can't be read, or is something else.
    """
    if protocol.lr_hashes is None:
        return {}
    path = folder / protocol.lr_hashes
    try:
        return _HASHES.validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise DataError(f"{path}: expected a JSON object of sha256 by image id: {error.errors()[0]['msg']}") from error


_HASHES: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, Sha256])


def seed_of(protocol: str, sample_id: str) -> int:
    """The seed of one image, 0..2**64 - 1: by name, so that it never depends on order, subset, worker or batch."""
    digest = hashlib.sha256(protocol.encode() + b"\0" + sample_id.encode()).digest()
    return int.from_bytes(digest[:8], "big")
