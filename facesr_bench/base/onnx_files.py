"""Which other files an ONNX file reads: a large network, and many a smaller one, keeps its weights beside it.

Only the frame of the file is walked (protocol buffers: a number and a kind before each field); tensors are passed over.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from facesr_bench.base.errors import ResultsError, WeightsError
from facesr_bench.base.files import inside, open_regular

# Source: onnx/onnx.proto3 of the ONNX project: the fields through which a tensor can be reached, by message.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
}
_KEY, _VALUE = 1, 2
_DEEPEST = 64
"""Graphs within graphs; what is deeper no runtime opens either."""


def external_files(path: Path) -> list[Path]:
    """The files of external data that an ONNX file names, sorted; none for what is no ONNX file.

    Raises:
        WeightsError: one of them is missing, or outside of the file's folder.
    """
    try:
        with open_regular(path) as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            names = sorted(set(_locations(content, 0, len(content), "model", 0)))
    except (OSError, ValueError):  # the runtime refuses it, with its own words
        return []
    return [_beside(path, name) for name in names]


def _beside(path: Path, name: str) -> Path:
    try:
        found = inside(path.parent, name.removeprefix("./"))
    except ResultsError as error:
        raise WeightsError(f"{path}: keeps weights in another file that can't be used: {error}") from error
    if not found.is_file():
        raise WeightsError(f"{path}: keeps its weights in {name}, which is not there; put that file beside it")
    return found


def _locations(content: mmap.mmap, start: int, end: int, message: str, depth: int) -> Iterator[str]:
    """The `location` of every tensor's external data in a message that lies from `start` to `end`.

    Raises:
        ValueError: not such a message.
    """
    if depth > _DEEPEST:
        raise ValueError("too deep")
    entry: dict[int, str] = {}
    for field, first, last in _fields(content, start, end):
        if message == "entry":
            entry[field] = content[first:last].decode()
        elif field in _FIELDS[message]:
            yield from _locations(content, first, last, _FIELDS[message][field], depth + 1)
    if entry.get(_KEY) == "location":
        yield entry.get(_VALUE, "")


def _fields(content: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of every field of a message that has a length; the others are passed over."""
    while start < end:
        tag, start = _number(content, start, end)
        kind = tag & 7
        if kind == 0:
            _, start = _number(content, start, end)
        elif kind in (1, 5):
            start += 8 if kind == 1 else 4
        elif kind == 2:
            length, start = _number(content, start, end)
            if start + length > end:
                raise ValueError("longer than the file")
            yield tag >> 3, start, start + length
            start += length
        else:
            raise ValueError("not a protocol buffer")


def _number(content: mmap.mmap, start: int, end: int) -> tuple[int, int]:
    """A number of seven bits per byte, the lowest first, and where it ends."""
    value = 0
    for place in range(10):
        if start + place >= end:
            break
        byte = content[start + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, start + place + 1
    raise ValueError("not a number")
