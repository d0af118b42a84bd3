"""Interpolation by Pillow: nearest, bilinear, bicubic and Lanczos, chosen by the card's option `filter`."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from facesr_bench.plugins.method import MethodBase

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class Method(MethodBase):
    """Resizes in uint8, as Pillow does for a picture on disk."""

    def upscale(self, lr: torch.Tensor) -> torch.Tensor:
        resample = FILTERS[self.card.options["filter"]]
        pixels = (lr * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        height, width = pixels.shape[1] * self.scale, pixels.shape[2] * self.scale
        resized = [np.asarray(Image.fromarray(p).resize((width, height), resample)) for p in pixels]
        return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(self.device).float() / 255
