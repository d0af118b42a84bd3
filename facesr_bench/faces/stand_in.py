"""A small ONNX network that takes and gives what a known one does: for `validate`, where the known one is missing.

It averages 8x8 px and multiplies by random numbers. The few fields of an ONNX file that it needs are written here, so
that the package `onnx` is not needed: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has their numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facesr_bench.faces.network import NetworkSpec

POOL = 8
_FLOAT, _INT, _INTS = 1, 2, 7


def write_stand_in(path: Path, spec: NetworkSpec, outputs: int) -> Path:
    """Write the network: NxCxHxW as `spec` says, to Nx`outputs`.

    Returns:
        `path`.
    """
    places = spec.channels * (spec.height // POOL) * (spec.width // POOL)
    weights = np.random.default_rng(0).standard_normal((places, outputs)) / np.sqrt(places)
    side = _message((1, b"kernel_shape"), (8, POOL), (8, POOL), (20, _INTS))
    stride = _message((1, b"strides"), (8, POOL), (8, POOL), (20, _INTS))
    axis = _message((1, b"axis"), (3, 1), (20, _INT))
    name = (spec.output or "output").encode()
    graph = _message(
        (1, _node(b"AveragePool", [b"input"], b"pooled", side, stride)),
        (1, _node(b"Flatten", [b"pooled"], b"flat", axis)),
        (1, _node(b"MatMul", [b"flat", b"weights"], name)),
        (2, b"stand-in"),
        (5, _tensor(b"weights", weights.astype("<f4"))),
        (11, _value(b"input", [spec.channels, spec.height, spec.width], count=1 if spec.batch_of_one else None)),
        (12, _value(name, [outputs], count=1 if spec.batch_of_one else None)),
    )
    path.write_bytes(_message((1, 8), (8, _message((2, 13))), (7, graph)))
    return path


def _message(*fields: tuple[int, int | bytes]) -> bytes:
    """Protocol buffer fields: a whole number as a varint, bytes behind their length."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts += [_varint(number << 3), _varint(value)]
        else:
            parts += [_varint(number << 3 | 2), _varint(len(value)), value]
    return b"".join(parts)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _node(kind: bytes, inputs: list[bytes], output: bytes, *attributes: bytes) -> bytes:
    return _message(*((1, i) for i in inputs), (2, output), (4, kind), *((5, a) for a in attributes))


def _tensor(name: bytes, values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    return _message(*((1, size) for size in values.shape), (2, _FLOAT), (8, name), (9, values.tobytes()))


def _value(name: bytes, sizes: list[int], count: int | None) -> bytes:
    first = _message((2, b"N")) if count is None else _message((1, count))
    shape = _message((1, first), *((1, _message((1, size))) for size in sizes))
    return _message((1, name), (2, _message((1, _message((1, _FLOAT), (2, shape))))))
