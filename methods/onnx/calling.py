"""How one ONNX network is called: by its shapes, its metadata, FILE.toml, or not at all before that is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facesr_bench.base.errors import CardError, MethodError, WeightsError
from facesr_bench.plugins.network_file import StatedOnnx, beside

from .proto import OnnxFile, Port
from .runtimes import Compute

_ASKED = {
    "input": ('"lr"', '"bicubic": LR enlarged to the output\'s size'),
    "range": ("[0, 1]", "[-1, 1], [0, 255]: what black and white are at its input"),
    "colours": ('"rgb"', '"bgr": the order of its channels'),
    "layout": ('"nchw"', '"nhwc": where its input has the channels'),
}


@dataclass(frozen=True)
class Calling:
    """All that a call needs.

    Attributes:
        image: the input that the picture goes to.
        output: what comes back.
        constants: values of the other inputs.
        native: output side over input side, where it is known.
    """

    file: OnnxFile
    stated: StatedOnnx
    image: Port
    output: str
    layout: str
    constants: dict[str, NDArray[Any]]
    native: int | None

    @property
    def taken(self) -> tuple[int, int] | None:
        """(height, width) of the only input it takes; None where any size is taken."""
        height, width = _sides(self.image, self.layout)
        return None if height is None or width is None else (height, width)

    def run(self, compute: Compute, picture: Tensor) -> Tensor:
        """The network's output for 1x3xhxw in [0, 1]; likewise, not clipped.

        Raises:
            MethodError: what comes out is no picture.
        """
        low, high = self.stated.range or (0.0, 1.0)
        values = picture.cpu().numpy() * np.float32(high - low) + np.float32(low)
        if self.image.dtype.kind in "iu":
            values = np.rint(values)
        given = self._ordered(values.astype(self.image.dtype))
        made = compute({**self.constants, self.image.name: given}, self.output)
        if made.ndim != 4 or made.shape[0] != 1 or made.shape[3 if self.layout == "nhwc" else 1] != 3:
            raise MethodError(f"{self.file.path.name}: its output {self.output} is {made.shape}; a picture is expected")
        low, high = self.stated.output_range or (low, high)
        sr = self._ordered_back(made.astype(np.float32))
        return torch.from_numpy((sr - np.float32(low)) / np.float32(high - low)).to(picture.device)

    def _ordered(self, values: NDArray[Any]) -> NDArray[Any]:
        values = values[:, ::-1] if self.stated.colours == "bgr" else values
        return np.ascontiguousarray(values.transpose(0, 2, 3, 1) if self.layout == "nhwc" else values)

    def _ordered_back(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        values = values.transpose(0, 3, 1, 2) if self.layout == "nhwc" else values
        return np.ascontiguousarray(values[:, ::-1] if self.stated.colours == "bgr" else values)


def calling(file: OnnxFile, stated: StatedOnnx) -> Calling:
    """What a file's shapes and what is stated of it come to.

    Raises:
        WeightsError: it takes no picture.
        CardError: something is still missing, or contradicts the file; says what to write, and where.
    """
    image, others = _image(file, stated)
    seen = _layout(image)
    layout = stated.layout or seen
    if seen not in (None, layout):
        raise CardError(f"{beside(file.path)}: layout {layout!r}, but the input {image.name} is {_shown(image)}")
    _ask(file, {name: getattr(stated, name) for name in ("input", "range", "colours")} | {"layout": layout})
    assert layout is not None
    if image.shape[0] not in (1, None):
        raise WeightsError(f"{file.path}: takes {image.shape[0]} pictures at a time; export it for one")
    output = _output(file, stated)
    native = stated.scale or _native(image, next(port for port in file.outputs if port.name == output), layout)
    return Calling(file, stated, image, output, layout, _constants(others, stated), native)


def _image(file: OnnxFile, stated: StatedOnnx) -> tuple[Port, list[Port]]:
    """The input that the picture goes to, and the others."""
    free = [port for port in file.inputs if port.name not in stated.constants]
    unknown = stated.constants.keys() - {port.name for port in file.inputs}
    if unknown:
        there = ", ".join(port.name for port in file.inputs)
        raise CardError(f"{beside(file.path)}: constants: it has no input {min(unknown)!r}; there is {there}")
    pictures = [port for port in free if len(port.shape) == 4]
    if len(free) != 1 or not pictures:
        given = "; ".join(f"{port.name} {_shown(port)}" for port in file.inputs)
        raise WeightsError(
            f"{file.path}: its inputs are {given}; one of [N, 3, height, width] is expected, and a value for each "
            f"other one in {beside(file.path)}, as in constants = {{ w = 0.5 }}"
        )
    return pictures[0], [port for port in file.inputs if port is not pictures[0]]


def _layout(image: Port) -> str | None:
    first, last = image.shape[1] == 3, image.shape[3] == 3
    return None if first == last else "nchw" if first else "nhwc"


def _ask(file: OnnxFile, known: dict[str, Any]) -> None:
    """Refuse to guess.

    Raises:
        CardError: says what is not known, with lines to copy.
    """
    missing = [name for name in _ASKED if known[name] is None]
    if not missing:
        return
    lines = [f"  {f'{name} = {_ASKED[name][0]}':18}# or {_ASKED[name][1]}" for name in missing]
    ports = f"its input {file.inputs[0].name} is {_shown(file.inputs[0])}, its output {_shown(file.outputs[0])}"
    raise CardError(
        "\n".join(
            [
                f"{file.path}: neither the file nor {beside(file.path).name} says how it is called ({ports}). "
                f"Write into {beside(file.path)} what is true of it:",
                *lines,
            ]
        )
    )


def _output(file: OnnxFile, stated: StatedOnnx) -> str:
    names = [port.name for port in file.outputs]
    if stated.output is None and len(names) == 1:
        return names[0]
    if stated.output not in names:
        said = "which one is the picture" if stated.output is None else f"there is no output {stated.output!r}"
        raise CardError(f"{beside(file.path)}: {said}; write output = NAME, one of {', '.join(names)}")
    return stated.output


def _native(image: Port, output: Port, layout: str) -> int | None:
    if len(output.shape) != 4:
        return None
    (height, width), (high, wide) = _sides(image, layout), _sides(output, layout)
    if None in (height, width, high, wide):
        return None
    return high // height if high % height == 0 and high // height == wide // width else None  # type: ignore[operator]


def _sides(port: Port, layout: str) -> tuple[int | None, int | None]:
    return (port.shape[1], port.shape[2]) if layout == "nhwc" else (port.shape[2], port.shape[3])


def _constants(others: list[Port], stated: StatedOnnx) -> dict[str, NDArray[Any]]:
    return {
        port.name: np.full([size or 1 for size in port.shape], stated.constants[port.name], port.dtype)
        for port in others
    }


def _shown(port: Port) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in port.shape)}] {port.dtype}"
