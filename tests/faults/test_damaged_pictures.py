"""Damaged files by the hundred: a PNG or JPEG that its own structure condemns is never read without a word."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.errors import DataError
from facesr_bench.images.files import read_image

FORMS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("PNG", {"compress_level": 1}),
    ("JPEG", {"quality": 75}),
    ("JPEG", {"quality": 95, "progressive": True, "subsampling": 0}),
]


def damaged(data: bytes, random: np.random.Generator) -> Iterator[bytes]:
    """One file after each kind of damage: cut off, zeros at the end, a block of zeros, one flipped bit."""
    cut = int(random.integers(1, len(data)))
    yield data[:cut]
    yield data[:cut] + bytes(len(data) - cut)
    start = int(random.integers(0, len(data)))
    yield data[:start] + bytes(min(64, len(data) - start)) + data[start + 64 :]
    flipped = bytearray(data)
    flipped[int(random.integers(0, len(data)))] ^= 1 << int(random.integers(0, 8))
    yield bytes(flipped)


@pytest.mark.parametrize("rounds", [15, pytest.param(120, marks=pytest.mark.full)])
@pytest.mark.parametrize(("form", "options"), FORMS)
def test_no_damaged_picture_is_read_without_a_word(
    form: str, options: dict[str, Any], rounds: int, astronaut: NDArray[np.uint8]
) -> None:
    random = np.random.default_rng([rounds, len(options), form == "PNG"])
    refused = silent = 0
    for i in range(rounds):
        top, left = i % 128, 3 * i % 128
        face = np.ascontiguousarray(astronaut[top : top + 64, left : left + 64])
        stream = io.BytesIO()
        Image.fromarray(face).save(stream, form, **options)
        data = stream.getvalue()
        whole = read_image(data)
        for number, broken in enumerate(damaged(data, random)):
            try:
                found = read_image(broken, "a")
            except DataError:
                refused += 1
                continue
            if form == "JPEG" and number >= 2 and broken[-2:] == b"\xff\xd9":
                continue  # damage inside a scan: JPEG has no checksum that would tell
            silent += not np.array_equal(found, whole)
    assert silent == 0
    assert refused >= (4 if form == "PNG" else 2) * rounds * 0.95
