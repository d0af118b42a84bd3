"""Messages between two processes that don't trust each other: JSON and plain arrays, nothing that could run.

    "FSRB" | bytes of the header, 4 | bytes of the arrays, 8 | crc32 of both, 4 | header, UTF-8 JSON | the arrays

Numbers are big-endian. The header is `{"kind": ..., "arrays": [[dtype, shape], ...], ...}`; the arrays are in C order,
little-endian. Whatever is not of this form is a `MessageError`, and nothing of it is used.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"FSRB"
FRAME = struct.Struct(">4sIQI")
MAX_HEADER = 64 * 2**20
MAX_ARRAYS = 4 * 2**30
"""Bytes; a batch of 16 pictures of 4096 px takes 3.2 GB as float32."""
MAX_SIDES = 8
DTYPES: dict[str, np.dtype[Any]] = {"uint8": np.dtype("u1"), "float32": np.dtype("<f4")}
_PIECE = 1 << 20


class MessageError(Exception):
    """What came is no message."""


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        kind: what it is about.
        fields: values that JSON has.
        arrays: uint8 or float32.
    """

    kind: str
    fields: dict[str, Any]
    arrays: Sequence[NDArray[Any]] = ()


def write(stream: IO[bytes], message: Message) -> None:
    """Send a message.

    Raises:
        OSError: nobody listens.
    """
    arrays = [np.ascontiguousarray(array) for array in message.arrays]
    shapes = [[_name(array), list(array.shape)] for array in arrays]
    header = json.dumps({**message.fields, "kind": message.kind, "arrays": shapes}).encode()
    pieces = [array.astype(DTYPES[_name(array)], copy=False).tobytes() for array in arrays]
    crc = zlib.crc32(header)
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    stream.write(FRAME.pack(MAGIC, len(header), sum(map(len, pieces)), crc) + header)
    for piece in pieces:
        stream.write(piece)
    stream.flush()


def _name(array: NDArray[Any]) -> str:
    name = array.dtype.name
    if name not in DTYPES:
        raise TypeError(f"an array of {name} can't be sent")
    return name


def read(stream: IO[bytes]) -> Message | None:
    """The next message; None where the stream ends before one.

    Raises:
        MessageError: something else came, or it ends within a message.
    """
    frame = _exactly(stream, FRAME.size, may_end=True)
    if not frame:
        return None
    magic, header_size, arrays_size, crc = FRAME.unpack(frame)
    if magic != MAGIC:
        raise MessageError(f"it begins with {frame[:4]!r}")
    if header_size > MAX_HEADER or arrays_size > MAX_ARRAYS:
        raise MessageError(f"too long: {header_size} and {arrays_size} bytes")
    header, body = _exactly(stream, header_size), _exactly(stream, arrays_size)
    if zlib.crc32(body, zlib.crc32(header)) != crc:
        raise MessageError("its checksum is wrong")
    return _parsed(header, body)


def _exactly(stream: IO[bytes], size: int, *, may_end: bool = False) -> bytes:
    """So many bytes, in pieces: memory is taken as they come, not as they are announced."""
    found = bytearray()
    while len(found) < size:
        piece = stream.read(min(size - len(found), _PIECE))
        if not piece:
            if may_end and not found:
                return b""
            raise MessageError(f"it ends after {len(found)} of {size} bytes")
        found += piece
    return bytes(found)


def _parsed(header: bytes, body: bytes) -> Message:
    try:
        fields = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"its header is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise MessageError("its header is no object")
    kind, shapes = fields.pop("kind", None), fields.pop("arrays", None)
    if not isinstance(kind, str) or not isinstance(shapes, list):
        raise MessageError("its header has no kind, or no arrays")
    arrays, at = [], 0
    for each in shapes:
        dtype, shape = _described(each)
        size = dtype.itemsize * math.prod(shape)
        if size > len(body) - at:
            raise MessageError("its arrays are larger than what came")
        # A copy: a method may write into what it is given.
        arrays.append(np.frombuffer(body, dtype, math.prod(shape), at).reshape(shape).copy())
        at += size
    if at != len(body):
        raise MessageError("more came than its arrays take")
    return Message(kind, fields, arrays)


def _described(each: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if isinstance(each, list) and len(each) == 2:
        name, shape = each
        known = isinstance(name, str) and name in DTYPES and isinstance(shape, list) and len(shape) <= MAX_SIDES
        if known and all(type(side) is int and 0 < side < 2**31 for side in shape):
            return DTYPES[name], tuple(shape)
    raise MessageError(f"no array is like {each!r:.80}")
