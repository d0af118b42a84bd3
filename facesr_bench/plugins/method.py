"""The contract of a method: low-resolution faces in, high-resolution faces out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base import devices
from facesr_bench.base.errors import MethodError
from facesr_bench.base.process_state import World
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.cards import MethodCard

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MethodContext:
    """All that decides what a method computes, known before it is made.

    Attributes:
        card: the method's card.
        scale: HR side over LR side.
        weights: the checkpoint's file, already verified; None for methods without weights.
        argument: what followed the colon, for a card that takes one.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).
        precision: `fp32` or `bf16`; a method that can't do it raises MethodError in `load`.
        timeout: seconds that one image may take, for methods that start other programs; None: as long as it takes.
        log: a file for what those write, to be appended to; None: it is not kept.
    """

    card: MethodCard
    scale: int
    weights: Path | None = None
    argument: str | None = None
    device: str = "cpu"
    precision: str = "fp32"
    timeout: float | None = None
    log: Path | None = None


class MethodBase(ABC):
    """Base of every method's class `Method`.

    The engine makes one object per (method, weights), calls `load` once, then `upscale` on batches.

    Attributes:
        context: all that was asked for; its fields are the properties below.
        world: what the method has set of the process: it holds whenever the engine calls the method, and only then.
    """

    world: World

    def __init__(self, context: MethodContext) -> None:
        self.context = context

    @property
    def card(self) -> MethodCard:
        """The method's card."""
        return self.context.card

    @property
    def scale(self) -> int:
        """HR side over LR side."""
        return self.context.scale

    @property
    def device(self) -> str:
        """The torch device that `upscale` gets its batches on."""
        return self.context.device

    @property
    def precision(self) -> str:
        """`fp32` or `bf16`."""
        return self.context.precision

    @property
    def weights(self) -> Path | None:
        """The checkpoint's verified file; None for methods without weights."""
        return self.context.weights

    @property
    def argument(self) -> str | None:
        """What followed the colon, for a card that takes an argument."""
        return self.context.argument

    @property
    def log(self) -> Path | None:
        """Where what other programs write is kept."""
        return self.context.log

    @classmethod
    def random_weights(cls, card: MethodCard, folder: Path) -> Path | None:
        """A checkpoint of the network's shape with random weights, written into `folder`; None if there is no way.

        `facesr-bench validate` computes with it where the card's own checkpoints are missing.
        """
        return None

    @classmethod
    def open_argument(cls, card: MethodCard, argument: str) -> Argument:
        """What an argument makes of this method, for a card that takes one: without opening any network.

        A class overrides it where the argument decides something of the card, where a file states something of the
        method, or where other files than the argument itself can change a number. `context.card` is then the card that
        it returned.

        Args:
            card: the plug-in's own.

        Raises:
            FaceSRBenchError: what the argument names is missing, or not what this method takes.
        """
        return Argument(argument, card)

    def load(self) -> None:  # noqa: B027  (interpolation has nothing to open)
        """Open networks: called once, before the first `upscale`.

        Raises:
            WeightsError: the file is not a checkpoint of this method.
            MethodError: it can't do this scale or precision.
        """

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
        if lr.dtype != np.uint8 or lr.ndim != 3 or lr.shape[2] != 3:
            shape = "x".join(map(str, lr.shape))
            raise MethodError(f"enhance takes an HxWx3 uint8 RGB image, not {shape} {lr.dtype}")
        batch = self.batch([self.given(lr)])
        sr: NDArray[np.float32] = self.upscale(batch)[0].permute(1, 2, 0).float().cpu().numpy()
        return np.clip(np.rint(sr * 255), 0, 255).astype(np.uint8)

    def given(self, lr: Image8) -> Image8:
        """What the method gets of one native LR image: that image, or its bicubic enlargement, as the card says.

        Raises:
            MethodError: see `output_size`.
        """
        size = self.output_size(*lr.shape[:2])
        return resize(lr, size) if self.card.input == "bicubic" else lr

    def batch(self, images: Sequence[Image8]) -> Tensor:
        """The input of `upscale`, of images of one size that `given` returned."""
        import torch

        stacked = torch.from_numpy(np.stack(images))
        if devices.PINNED and self.device.startswith("cuda"):
            stacked = stacked.pin_memory()  # so that the copy goes on beside whatever the GPU does
        return stacked.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)

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


def make_method(cls: type[Any], context: MethodContext, world: World | None = None) -> MethodBase:
    """An object of a plug-in's class, checked to be a method; its networks are not open yet.

    Args:
        world: what its code has set of the process so far.
    """
    world = World(seeded=True) if world is None else world
    with world:
        method = cls(context)
    if not isinstance(method, MethodBase):
        raise MethodError(f"{context.card.name}: class Method must derive from facesr_bench.MethodBase")
    method.world = world
    return method
