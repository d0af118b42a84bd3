"""An ONNX file as a method."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from facesr_bench.base.errors import MethodError
from facesr_bench.base.hashing import canonical, hash_file
from facesr_bench.base.suggest import expanded
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.method import MethodBase, MethodContext
from facesr_bench.plugins.network_file import Chain, StatedOnnx, stated_of

from .calling import Calling, calling
from .proto import read
from .runtimes import RUNTIMES, has_cuda


@dataclass(frozen=True)
class _Argument(Argument):
    """An ONNX file with its external data and what is stated of it."""

    path: Path = Path()

    @cached_property
    def sha256(self) -> str:
        held = [hash_file(self.path), canonical(self.stated)]
        return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def _called(argument: str) -> Calling:
    file = read(expanded(argument))
    return calling(file, stated_of(StatedOnnx, file.path, file.properties))


class Method(MethodBase):
    """One network, called as its file or FILE.toml says."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        assert context.argument is not None  # the card asks for one
        self._calling = _called(context.argument)
        stated = self._calling.stated
        # A network that is given LR at the output's size has no scale to make up for but its own.
        self._chain = Chain(
            self._calling.native,
            context.scale if stated.input == "lr" else 1,
            stated.before is not None,
            stated.then is not None,
        )

    @classmethod
    def open_argument(cls, card: MethodCard, argument: str) -> Argument:
        found = _called(argument)
        return _Argument(argument, _described(card, found), found.stated, found.file.path)

    @property
    def device(self) -> str:
        """The CPU, unless onnxruntime can use the GPU that was asked for."""
        wanted = self.context.device
        on_gpu = self._calling.stated.runtime == "onnxruntime" and has_cuda()
        return wanted if wanted == "cpu" or on_gpu else "cpu"

    def load(self) -> None:
        path = self._calling.file.path
        self._chain.check(path)
        runtime = RUNTIMES[self._calling.stated.runtime]
        self._compute = runtime(path, self.device, self.precision, torch.get_num_threads())

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        size = super().output_size(height, width)
        given = (height, width) if self.card.input == "lr" else size
        if self._chain.before:
            given = self._chain.input_size(size)
        taken = self._calling.taken
        if taken is not None and given != taken:
            raise MethodError(
                f"{self._calling.file.path.name} takes {taken[1]}x{taken[0]} px alone, and not {given[1]}x{given[0]}"
            )
        return size

    @torch.inference_mode()
    def upscale(self, lr: Tensor) -> Tensor:
        # One by one: an image gets the same bits in any batch, and a file may be made for a single one.
        made = [self._chain.run(lambda x: self._calling.run(self._compute, x), image) for image in torch.split(lr, 1)]
        return torch.cat(made).clamp(0, 1)


def _described(card: MethodCard, found: Calling) -> MethodCard:
    """The card of a method that is one file."""
    stated = found.stated
    assert stated.input is not None and stated.range is not None  # asked for
    chained = stated.before or stated.then
    words = [
        "native LR" if stated.input == "lr" else "LR enlarged by bicubic",
        f"{found.layout.upper()}, {(stated.colours or '').upper()} in [{stated.range[0]:g}, {stated.range[1]:g}]",
        f"x{found.native}" if found.native is not None and stated.input == "lr" else "",
        "LR is resized by bicubic before it" if stated.before else "",
        "its output is resized by bicubic" if stated.then else "",
        "" if stated.runtime == "onnxruntime" else f"run by {stated.runtime}",
    ]
    own = {
        "title": found.file.path.stem,
        "summary": f"{found.file.path.name}: {'; '.join(word for word in words if word)}.",
        "input": stated.input,
        "scales": (found.native,) if found.native and stated.input == "lr" and not chained else card.scales,
        "needs_ffhq_alignment": stated.aligned == "ffhq",
        "parameters": found.file.parameters,
    }
    return stated.applied(card.model_copy(update=own))
