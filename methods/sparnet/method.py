"""SPARNet and SPARNetHD as methods; the card's [options] are the fields of SPARNetConfig."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from facesr_bench.base.errors import WeightsError
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.method import AttentionMaps, MethodBase, MethodContext
from facesr_bench.weights import load_strictly, write_random

from .network import SPARNet, SPARNetConfig


class Method(MethodBase, AttentionMaps):
    """One SPARNet.

    Attributes:
        network: in float32; from `load` on in its form for inference, whose state dict is no checkpoint's.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.config = SPARNetConfig(**context.card.options)
        self.network = SPARNet(self.config)
        self._fast = self.network

    @classmethod
    def random_weights(cls, card: MethodCard, folder: Path) -> Path | None:
        return write_random(SPARNet(SPARNetConfig(**card.options)), folder / "random.pth")

    def load(self) -> None:
        if self.weights is None:
            raise WeightsError(f"{self.card.name} needs weights")
        load_strictly(self.network, self.weights, self.card.name)
        self.network.to(self.device).for_inference()
        if self.precision == "bf16":
            self._fast = deepcopy(self.network).bfloat16()

    @torch.inference_mode()
    def upscale(self, lr: Tensor) -> Tensor:
        # oneDNN may choose another algorithm for another batch size. One by one, an image gets the same bits in any
        # batch; that is worth the tenth of the time it costs on a CPU.
        chunks = torch.split(lr, 1) if lr.device.type == "cpu" else (lr,)
        return torch.cat([self._forward(chunk) for chunk in chunks])

    def _forward(self, lr: Tensor) -> Tensor:
        x = _given(lr)
        sr: Tensor = self._fast(x.bfloat16() if self.precision == "bf16" else x)
        return ((sr.float() + 1) / 2).clamp(0, 1).contiguous()

    @torch.inference_mode()
    def attention_maps(self, lr: Tensor) -> list[Tensor]:
        return self.network.forward_with_attention(_given(lr))[1]


def _given(lr: Tensor) -> Tensor:
    """What the network takes: [-1, 1], channels last in memory."""
    return (lr * 2 - 1).contiguous(memory_format=torch.channels_last)
