"""A checkpoint that spandrel knows as a method; a named one is a card with this implementation and its [options]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from facesr_bench.base.errors import CardError, MethodError, WeightsError
from facesr_bench.base.suggest import expanded
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.cards import MethodCard, validate
from facesr_bench.plugins.method import MethodContext
from facesr_bench.plugins.network_file import (
    Chain,
    NetworkFile,
    NetworkFileMethod,
    StatedNetwork,
    beside,
    described,
    resized,
    stated_of,
)
from facesr_bench.weights import read_state_dict

from .checkpoint import built
from .faces import DEFAULT_FIDELITY, SIDE, FaceNetwork, called, face_network


class StatedCheckpoint(StatedNetwork):
    """What can be said of a checkpoint in FILE.toml, or in the [options] of a named one's card."""

    range: tuple[float, float] | None = Field(
        default=None, description="what black and white are; not given: as its authors call it, else [0, 1]"
    )
    fidelity: float | None = Field(default=None, ge=0, le=1, description="CodeFormer's w; not given: 0.5")
    seed: int = Field(default=0, ge=0, description="of what it draws, with the protocol and the image's id")

    @property
    def resizes_first(self) -> bool:
        """LR is enlarged to the output's size, or to what gives that size."""
        return self.before is not None or self.input == "bicubic"

    @property
    def w(self) -> float:
        """The fidelity that CodeFormer is called with."""
        return DEFAULT_FIDELITY if self.fidelity is None else self.fidelity


class Method(NetworkFileMethod):
    """One network, built by spandrel and called as its authors call it."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        if context.argument is not None:
            self._path: Path | None = expanded(context.argument)
            self._stated = stated_of(StatedCheckpoint, self._path)
        else:
            self._path = context.weights
            self._stated = validate(StatedCheckpoint, context.card.options, Path(context.card.name), "options")

    @classmethod
    def open_argument(cls, card: MethodCard, argument: str) -> Argument:
        path = expanded(argument)
        stated = stated_of(StatedCheckpoint, path)
        tensors = read_state_dict(path)
        face = face_network(tensors)
        _refuse_idle(stated, face, path)
        parameters = sum(tensor.numel() for tensor in tensors.values())
        return NetworkFile(argument, _described(card, path, stated, face, parameters), stated, path=path)

    def load(self) -> None:
        if self._path is None:
            raise WeightsError(f"{self.card.name} needs weights")
        descriptor = built(self._path)
        face = face_network(descriptor.model.state_dict())
        self._refuse_unaligned(descriptor, face)
        dtype = self._dtype(descriptor)
        descriptor.to(self.device, dtype)
        if face is not None:
            self._network: _Faces | _Pictures = _Faces(descriptor.model, face, self._stated, self.scale, dtype)
            return
        chain = Chain(descriptor.scale, self.scale, self._stated.resizes_first, self._stated.then is not None)
        chain.check(self._path)
        self._network = _Pictures(descriptor, chain, self._stated.range, dtype)

    def _refuse_unaligned(self, descriptor: Any, face: FaceNetwork | None) -> None:
        """A network of aligned faces that no card said to be one: then nobody has been asked whether they are."""
        if (descriptor.purpose == "FaceSR" or face) and not self.card.needs_ffhq_alignment:
            say = 'aligned = "ffhq" in its FILE.toml' if self.argument else "needs_ffhq_alignment = true in its card"
            raise MethodError(f"{self._path}: {descriptor.architecture.name} is a network of aligned faces; say {say}")

    def _dtype(self, descriptor: Any) -> torch.dtype:
        if self.precision != "bf16":
            return torch.float32
        if not descriptor.supports_bfloat16:
            raise MethodError(f"{descriptor.architecture.name} can't compute in bf16; leave --precision out")
        return torch.bfloat16

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        size = super().output_size(height, width)
        self._network.check_size(size)
        return size

    def upscaled(self, lr: Tensor) -> Tensor:
        """Through the network, and what stands before or after it."""
        return self._network(lr)


class _Pictures:
    """A network of any pictures, called as spandrel does: it pads where a size must be a multiple."""

    def __init__(self, descriptor: Any, chain: Chain, ends: tuple[float, float] | None, dtype: torch.dtype) -> None:
        self._descriptor, self._chain, self._ends, self._dtype = descriptor, chain, ends, dtype

    def check_size(self, size: tuple[int, int]) -> None:
        if self._chain.before:
            self._chain.input_size(size)

    def __call__(self, lr: Tensor) -> Tensor:
        return self._chain.run(self._run, lr).clamp(0, 1)

    def _run(self, picture: Tensor) -> Tensor:
        x = picture.clone(memory_format=torch.contiguous_format)  # RCAN multiplies its input in place
        if self._ends is None:
            made: Tensor = self._descriptor(x.to(self._dtype))
            return made.float().contiguous()
        low, high = self._ends
        made = self._descriptor.model((x * (high - low) + low).to(self._dtype))
        return ((made.float() - low) / (high - low)).contiguous()


class _Faces:
    """A network of aligned faces: 512 px in, 512 px out."""

    def __init__(
        self, network: Any, face: FaceNetwork, stated: StatedCheckpoint, scale: int, dtype: torch.dtype
    ) -> None:
        self._network, self._face, self._stated, self._scale, self._dtype = network, face, stated, scale, dtype

    def check_size(self, size: tuple[int, int]) -> None:
        if size != (SIDE, SIDE) and self._stated.then is None:
            raise MethodError(
                f"{self._face.name} makes {SIDE}x{SIDE} px, and here {size[1]}x{size[0]} are expected; let it be "
                'resized by then = "bicubic" in its FILE.toml'
            )

    def __call__(self, lr: Tensor) -> Tensor:
        size = lr.shape[-2] * self._scale, lr.shape[-1] * self._scale
        given = resized(lr, size) if self._stated.resizes_first else lr
        return resized(called(self._face, self._network, given, self._stated.w, self._dtype), size)


def _refuse_idle(stated: StatedCheckpoint, face: FaceNetwork | None, path: Path) -> None:
    """Refuse what would be read and then not heeded.

    Raises:
        CardError: names it.
    """
    toml = beside(path)
    if stated.fidelity is not None and (face is None or not face.fidelity):
        raise CardError(f"{toml}: fidelity: {face.name if face else 'this network'} has no such weight")
    if face is not None and stated.range is not None:
        raise CardError(f"{toml}: range: {face.name} is called as its authors do, on [-1, 1]; leave it out")
    if face is not None and stated.aligned == "none":
        raise CardError(f"{toml}: aligned: {face.name} was made for FFHQ-aligned faces; for others: --assume-aligned")


def _described(
    card: MethodCard, path: Path, stated: StatedCheckpoint, face: FaceNetwork | None, parameters: int
) -> MethodCard:
    """The card of a method that is one file."""
    random = face is not None and face.random
    words = [
        "built by spandrel",
        f"{face.name}, called as its authors do: resized to {SIDE} px, on [-1, 1]" if face else "",
        f"fidelity w = {stated.w:g}" if face and face.fidelity else "",
        f"its noise begins at a seed of each image's own, made of {stated.seed}, protocol and id" if random else "",
        "LR is enlarged by bicubic first" if stated.input == "bicubic" else "",
    ]
    own = {
        "needs_ffhq_alignment": face is not None or stated.aligned == "ffhq",
        "deterministic": not random,
        "seed": stated.seed if random else None,
        "parameters": parameters,
    }
    return described(card, path, stated, words, own)
