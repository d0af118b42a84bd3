"""A network in a file of somebody else's: what must be said of it, and interpolation around one of a fixed scale."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from pydantic import Field, model_validator

from facesr_bench.base.errors import CardError, MethodError
from facesr_bench.base.hashing import canonical, hash_file
from facesr_bench.base.toml import read_toml
from facesr_bench.images.resize import resize
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.cards import MethodCard, validate
from facesr_bench.plugins.method import MethodBase
from facesr_bench.plugins.sidecar import Stated

if TYPE_CHECKING:
    from torch import Tensor

Runtime = Literal["onnxruntime", "openvino"]
"""What can compute an ONNX file."""

PROPERTY = "facesr-bench"
"""The key in an ONNX file's `metadata_props` under which `facesr-bench export` writes a `StatedOnnx` as JSON."""


class StatedNetwork(Stated):
    """What a file of weights can't say of itself; it stands in `FILE.toml` beside it."""

    input: Literal["lr", "bicubic"] | None = Field(
        default=None, description="`lr`: native LR; `bicubic`: LR enlarged to the output's size, as in a method's card"
    )
    before: Literal["bicubic"] | None = Field(
        default=None, description="what resizes LR first, where the network's scale is not the protocol's"
    )
    then: Literal["bicubic"] | None = Field(default=None, description="what resizes its output, likewise")
    aligned: Literal["none", "ffhq"] | None = Field(default=None, description="how faces must lie")

    @model_validator(mode="after")
    def _one_side(self) -> StatedNetwork:
        if self.before is not None and self.then is not None:
            raise ValueError("give `before` or `then`, not both: one of them makes up for the scale")
        if self.input == "bicubic" and self.before is not None:
            raise ValueError("input = 'bicubic' is LR at the output's size already: nothing can stand `before` it")
        return self


class StatedOnnx(StatedNetwork):
    """How an ONNX network is called."""

    range: tuple[float, float] | None = Field(default=None, description="what black and white are at its input")
    output_range: tuple[float, float] | None = Field(default=None, description="likewise; not given: as `range`")
    colours: Literal["rgb", "bgr"] | None = None
    layout: Literal["nchw", "nhwc"] | None = Field(default=None, description="not given: where its shape has the 3")
    scale: int | None = Field(default=None, ge=1, description="output side over input side")
    output: str | None = Field(default=None, description="name of the output, where it has several")
    constants: dict[str, float] = Field(default_factory=dict, description="values of its other inputs, by name")
    runtime: Runtime = "onnxruntime"

    @model_validator(mode="after")
    def _ranges(self) -> StatedOnnx:
        for name, ends in (("range", self.range), ("output_range", self.output_range)):
            if ends is not None and not ends[0] < ends[1]:
                raise ValueError(f"{name} is black, then white, as in [-1, 1]")
        return self


_Stated = TypeVar("_Stated", bound=StatedNetwork)


def beside(path: Path) -> Path:
    """`FILE.toml` of FILE."""
    return path.with_name(f"{path.name}.toml")


def stated_of(kind: type[_Stated], path: Path, properties: Mapping[str, str] | None = None) -> _Stated:
    """What is stated of a network's file: by its own metadata, and with the last word by FILE.toml.

    Args:
        properties: the file's metadata.

    Raises:
        CardError: one of them is not of this form; names the file and each wrong field.
    """
    said: dict[str, Any] = {}
    if text := (properties or {}).get(PROPERTY):
        try:
            said = json.loads(text)
        except ValueError as error:
            raise CardError(f"{path}: its property {PROPERTY!r} is not JSON: {error}") from error
        if not isinstance(said, dict):
            raise CardError(f"{path}: its property {PROPERTY!r} is not a JSON object")
        validate(kind, said, path, PROPERTY)
    toml = beside(path)
    return validate(kind, {**said, **read_toml(toml)}, toml) if toml.is_file() else validate(kind, said, path)


@dataclass(frozen=True)
class NetworkFile(Argument):
    """A network's file as the argument of a method, with what is stated of it.

    Attributes:
        path: the file.
    """

    path: Path = field(kw_only=True)

    @cached_property
    def sha256(self) -> str:
        """Of the file, its external data, and what of FILE.toml can change a number."""
        held = [hash_file(self.path), canonical(self.stated)]
        return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


class NetworkFileMethod(MethodBase):
    """Base of methods that call one network of somebody else's, image by image."""

    def upscale(self, lr: Tensor) -> Tensor:
        """One by one: an image gets the same bits in any batch, and a file may be made for a single one."""
        import torch

        return torch.cat([self.upscaled(image) for image in torch.split(lr, 1)])

    @abstractmethod
    def upscaled(self, lr: Tensor) -> Tensor:
        """1x3xH'xW' in [0, 1] of one image, 1x3xhxw in [0, 1]; without a gradient."""


def described(
    card: MethodCard, path: Path, stated: StatedNetwork, words: Iterable[str], own: Mapping[str, object]
) -> MethodCard:
    """The card of a method that is one file: what its author states goes before what is known of it.

    Args:
        card: the plug-in's own.
        words: what a reader should know of how the file is called; empty ones are left out.
        own: the card's fields that the file decides.
    """
    resizing = [
        "LR is resized by bicubic before it" if stated.before else "",
        "its output is resized by bicubic" if stated.then else "",
    ]
    said = "; ".join(word for word in (*words, *resizing) if word)
    known = {
        "title": path.stem,
        "summary": f"{path.name}{': ' + said if said else ''}.",
        "needs_ffhq_alignment": stated.aligned == "ffhq",
        **own,
    }
    return stated.applied(card.model_copy(update=known))


@dataclass(frozen=True)
class Chain:
    """A network of a fixed scale on a protocol of another: what stands before or after it.

    Attributes:
        native: the network's own scale; None: unknown, and taken to be the protocol's.
        scale: the protocol's.
    """

    native: int | None
    scale: int
    before: bool = False
    then: bool = False

    def check(self, file: Path) -> None:
        """Refuse a network whose scale is another where nothing makes up for it.

        Raises:
            MethodError: says what to write, and where.
        """
        if self.native is None and (self.before or self.then):
            raise MethodError(
                f"{beside(file)}: `before` and `then` need the network's own `scale` too, as in scale = 4"
            )
        if self.native in (None, self.scale) or self.before or self.then:
            return
        raise MethodError(
            f"{file.name} upscales x{self.native}, and here x{self.scale} is expected. Say in {beside(file)} what "
            'makes up for it: before = "bicubic" (LR is resized first), or then = "bicubic" (its output is resized)'
        )

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) that the network is given where `size` must come out.

        Raises:
            MethodError: its scale does not divide that size.
        """
        height, width = size
        step = self.native if self.before and self.native is not None else self.scale
        if height % step or width % step:
            raise MethodError(f"x{step} can't make {width}x{height} px")
        return height // step, width // step

    def run(self, network: Callable[[Tensor], Tensor], lr: Tensor) -> Tensor:
        """The network's output for 1x3xhxw in [0, 1], at `scale` times its size.

        Resizing is Pillow's bicubic on 8 bits, as for a picture on disk.
        """
        size = lr.shape[-2] * self.scale, lr.shape[-1] * self.scale
        sr = network(resized(lr, self.input_size(size)) if self.before else lr)
        return resized(sr.clamp(0, 1), size) if self.then else sr


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """1x3xhxw in [0, 1], rounded to 8 bits and resized by Pillow's bicubic to (height, width); contiguous."""
    import torch

    if tuple(image.shape[-2:]) == size:
        return image
    pixels = (image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    made = np.ascontiguousarray(resize(pixels, size).transpose(2, 0, 1))
    return (torch.from_numpy(made).float() / 255)[None].to(image.device)
