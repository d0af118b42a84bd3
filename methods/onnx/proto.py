"""What an ONNX file says of itself, read without opening it for computing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.base.errors import MethodError, WeightsError, first_line


@dataclass(frozen=True)
class Port:
    """An input or output: its name, its numpy type, and its shape with None for sizes that are not fixed."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxFile:
    """The outside of a network; `parameters`: the numbers in its weights."""

    path: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    properties: dict[str, str]
    parameters: int


def read(path: Path) -> OnnxFile:
    """Read an ONNX file, without the tensors that lie elsewhere.

    Raises:
        WeightsError: missing, or not an ONNX file.
        MethodError: the package onnx is not installed.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise WeightsError(f"{path}: {found}; it should be an ONNX network")
    if path.suffix.lower() != ".onnx":
        raise WeightsError(f"{path}: the name of an ONNX network must end in .onnx")
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MethodError("ONNX files need the package onnx: pip install 'facesr-bench[onnx]'") from error
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, ValueError, OSError) as error:
        raise WeightsError(f"{path}: not an ONNX network, or damaged: {first_line(error)}") from error
    graph = model.graph
    held = {tensor.name for tensor in graph.initializer}
    inputs = tuple(_port(value, path) for value in graph.input if value.name not in held)
    outputs = tuple(_port(value, path) for value in graph.output)
    if not inputs or not outputs:
        raise WeightsError(f"{path}: not an ONNX network: it has no input or no output")
    return OnnxFile(
        path,
        inputs,
        outputs,
        {entry.key: entry.value for entry in model.metadata_props},
        sum(int(np.prod(tensor.dims, dtype=np.int64)) for tensor in graph.initializer),
    )


def _port(value: Any, path: Path) -> Port:
    import onnx

    tensor = value.type.tensor_type
    sizes = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim]
    try:
        return Port(value.name, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)), tuple(sizes))
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: {value.name} is not a tensor of numbers") from error
