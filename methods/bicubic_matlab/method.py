"""MATLAB's `imresize(lr, scale, 'bicubic')` on uint8."""

from __future__ import annotations

import numpy as np
import torch

from facesr_bench.images.matlab import imresize
from facesr_bench.plugins.method import MethodBase


class Method(MethodBase):
    """Resizes in uint8, rounded and clipped after each of the two passes, as MATLAB does."""

    def upscale(self, lr: torch.Tensor) -> torch.Tensor:
        pixels = (lr * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        size = pixels.shape[1] * self.scale, pixels.shape[2] * self.scale
        resized = np.stack([imresize(p, size) for p in pixels])
        return torch.from_numpy(resized).permute(0, 3, 1, 2).to(self.device).float() / 255
