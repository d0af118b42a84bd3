"""EDSR-baseline as a method; the card's [options] are the fields of EDSRConfig."""

from __future__ import annotations

import torch
from torch import Tensor

from facesr_bench.base.errors import WeightsError
from facesr_bench.plugins.method import MethodBase, MethodContext
from facesr_bench.weights import load_strictly

from .network import EDSR, EDSRConfig


class Method(MethodBase):
    """One network.

    Attributes:
        network: the plain network (float32, evaluation mode).
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.network = EDSR(EDSRConfig(**context.card.options))
        self._dtype = torch.float32

    def load(self) -> None:
        if self.weights is None:
            raise WeightsError(f"{self.card.name} needs weights")
        load_strictly(self.network, self.weights, self.card.name)
        self._dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        self.network.eval().requires_grad_(False).to(self.device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def upscale(self, lr: Tensor) -> Tensor:
        # One by one on a CPU: oneDNN may choose another algorithm, and other bits, for another batch size.
        chunks = torch.split(lr, 1) if lr.device.type == "cpu" else (lr,)
        return torch.cat([self._forward(chunk) for chunk in chunks])

    def _forward(self, lr: Tensor) -> Tensor:
        sr: Tensor = self.network((lr * 2 - 1).to(self._dtype).contiguous(memory_format=torch.channels_last))
        return ((sr.float() + 1) / 2).clamp(0, 1).contiguous()
