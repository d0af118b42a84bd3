"""Pillow's bicubic."""

from __future__ import annotations

from typing import Any

from facesr_bench import DegradationBase
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize


class Degradation(DegradationBase):
    """HR reduced by `images.resize.resize`; nothing is drawn."""

    def degrade(self, hr: Image8, seed: int) -> tuple[Image8, dict[str, Any]]:
        return resize(hr, self.lr_size(hr)), {}
