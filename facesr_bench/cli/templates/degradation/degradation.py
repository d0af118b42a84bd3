"""How @NAME@ makes LR from HR."""

from __future__ import annotations

from typing import Any

import numpy as np

from facesr_bench import DegradationBase, Image8, resize


class Degradation(DegradationBase):
    """Pillow's bicubic, then Gaussian noise of a strength that is drawn for each picture."""

    def degrade(self, hr: Image8, seed: int) -> tuple[Image8, dict[str, Any]]:
        """HxWx3 uint8 (read-only) to LR of `self.lr_size(hr)`, and what was drawn; of the arguments alone."""
        rng = np.random.RandomState([seed >> 32, seed & 0xFFFFFFFF])  # its stream is the same in every numpy
        noise = float(rng.uniform(0, 10))
        lr = resize(hr, self.lr_size(hr))
        noisy = np.clip(np.rint(lr + rng.normal(0, noise, lr.shape)), 0, 255).astype(np.uint8)
        return noisy, {"noise": noise}
