"""An ONNX file as a method."""

from __future__ import annotations

import torch
from torch import Tensor

from facesr_bench.base.errors import MethodError
from facesr_bench.base.suggest import expanded
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.method import MethodContext
from facesr_bench.plugins.network_file import Chain, NetworkFile, NetworkFileMethod, StatedOnnx, described, stated_of

from .calling import Calling, calling
from .proto import read
from .runtimes import RUNTIMES, has_cuda


def _called(argument: str) -> Calling:
    file = read(expanded(argument))
    return calling(file, stated_of(StatedOnnx, file.path, file.properties))


class Method(NetworkFileMethod):
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
        return NetworkFile(argument, _described(card, found), found.stated, path=found.file.path)

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

    def upscaled(self, lr: Tensor) -> Tensor:
        """Through the network, and what stands before or after it."""
        return self._chain.run(lambda picture: self._calling.run(self._compute, picture), lr).clamp(0, 1)


def _described(card: MethodCard, found: Calling) -> MethodCard:
    """The card of a method that is one file."""
    stated = found.stated
    assert stated.input is not None and stated.range is not None  # asked for
    chained = stated.before or stated.then
    words = [
        "native LR" if stated.input == "lr" else "LR enlarged by bicubic",
        f"{found.layout.upper()}, {(stated.colours or '').upper()} in [{stated.range[0]:g}, {stated.range[1]:g}]",
        f"x{found.native}" if found.native is not None and stated.input == "lr" else "",
        "" if stated.runtime == "onnxruntime" else f"run by {stated.runtime}",
    ]
    own = {
        "input": stated.input,
        "scales": (found.native,) if found.native and stated.input == "lr" and not chained else card.scales,
        "parameters": found.file.parameters,
    }
    return described(card, found.file.path, stated, words, own)
