"""The input row: what a restoration is given, scored as if it were one."""

from __future__ import annotations

import torch

from facesr_bench.plugins.method import MethodBase


class Method(MethodBase):
    """Hands back what it is given."""

    def upscale(self, lr: torch.Tensor) -> torch.Tensor:
        return lr.clone()
