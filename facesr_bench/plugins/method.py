"""The contract of a method: low-resolution faces in, high-resolution faces out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MethodError
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.cards import MethodCard

if TYPE_CHECKING:
    from torch import Tensor


class MethodBase(ABC):
    """Base of every method's class `Method`.

    The engine makes one object per (method, weights), calls `load` once, then `upscale` on batches.
    """

    def __init__(self, card: MethodCard) -> None:
        self.card = card
        self.scale = 1
        self.device = "cpu"
        self.precision = "fp32"

    def load(self, *, weights: Path | None, device: str, precision: str, scale: int) -> None:
        """Get ready to upscale by `scale`.

        Args:
            weights: the checkpoint's file, already verified; none for methods without weights.
            device: a torch device (`cpu`, `cuda`, `cuda:1`).
            precision: `fp32` or `bf16`; a method that can't do it raises MethodError.
            scale: HR side over LR side.

        Raises:
            WeightsError: the file is not a checkpoint of this method.
        """
        del weights
        self.device, self.precision, self.scale = device, precision, scale

    @abstractmethod
    def upscale(self, lr: Tensor) -> Tensor:
        """Upscale a batch.

        Args:
            lr: BxCxHxW, float32 RGB in [0, 1], what the card's `input` says, on `self.device`.

        Returns:
            BxCxH'xW', float32 RGB in [0, 1].
        """

    def enhance(self, lr: Image8) -> Image8:
        """Upscale one native-resolution LR image (uint8 HxWx3) to uint8 HxWx3, rounded: the handy form.

        Raises:
            MethodError: the image is something else, or of a size that the method can't do.
        """
        import torch

        if lr.dtype != np.uint8 or lr.ndim != 3 or lr.shape[2] != 3:
            shape = "x".join(map(str, lr.shape))
            raise MethodError(f"enhance takes an HxWx3 uint8 RGB image, not {shape} {lr.dtype}")
        output = self.output_size(lr.shape[0], lr.shape[1])
        given = resize(lr, output) if self.card.input == "bicubic" else lr
        batch = torch.from_numpy(given.astype(np.float32) / 255).permute(2, 0, 1)[None].to(self.device)
        sr: NDArray[np.float32] = self.upscale(batch)[0].permute(1, 2, 0).float().cpu().numpy()
        return np.clip(np.rint(sr * 255), 0, 255).astype(np.uint8)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the output for a native LR image of this size.

        Raises:
            MethodError: the method can't do this size or scale; says which it can.
        """
        card = self.card
        if card.scales and self.scale not in card.scales:
            can = ", ".join(f"x{scale}" for scale in card.scales)
            raise MethodError(f"{card.name} does {can}, not x{self.scale}")
        size = height * self.scale, width * self.scale
        if card.output_size is not None and size != (card.output_size, card.output_size):
            side = card.output_size // self.scale
            raise MethodError(
                f"{card.name} makes {card.output_size}x{card.output_size} images; at x{self.scale} its LR must be "
                f"{side}x{side}, not {width}x{height}"
            )
        return size


class AttentionMaps(ABC):
    """What a method offers beside `upscale` when it can show where it looked."""

    @abstractmethod
    def attention_maps(self, lr: Tensor) -> list[Tensor]:
        """One Bx1xhxw or BxCxhxw tensor in (0, 1) per attention unit, in forward order, for the input of `upscale`."""


def make_method(cls: type[Any], card: MethodCard) -> MethodBase:
    """An object of a plug-in's class, checked to be a method."""
    method = cls(card)
    if not isinstance(method, MethodBase):
        raise MethodError(f"{card.name}: class Method must derive from facesr_bench.plugins.method.MethodBase")
    return method
