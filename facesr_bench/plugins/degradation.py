"""The contract of a degradation: HR in, LR out."""

from __future__ import annotations

from collections.abc import Callable

from facesr_bench.images.files import Image8

Degradation = Callable[[Image8, tuple[int, int], int], Image8]
"""(hr, (height, width) of lr, seed) -> lr."""
