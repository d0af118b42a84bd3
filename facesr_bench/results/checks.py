"""Files that say of themselves whether they are whole: a checksum in every line, document and array.

A disk, a cable or a copy that errs changes bytes and keeps the form: without a checksum a flipped digit of a PSNR is a
number like any other. The checksum is CRC-32, of the bytes before it:

    {"id": "face 1", "metrics": {"psnr": 24.1}, "check": "8a1f03c2"}          a line, and likewise a document

An array (.npy) ends with `crc32=` and eight digits, behind the data, where readers of arrays don't look.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import replacing

CHECK = "check"
"""The key of the checksum, the last of its object."""

_SEAL = re.compile(rb',?\s*"check": "(?P<sum>[0-9a-f]{8})"\s*\}\s*\Z')
_MOST = 64
"""Bytes at the end of an object within which its checksum lies."""
_MARK = b"crc32="
_LENGTH = len(_MARK) + 8 + 1
"""Of what an array's file ends with; an odd number, so that no array of numbers is longer than another by it."""


class DamagedError(ResultsError):
    """A file that was written whole and is not what was written: a run computes again what it held."""


def sealed(text: str) -> str:
    """A JSON object's text with its checksum as the last key; one that it bears already is replaced."""
    data = text.encode()
    body = data[: _start(data)[0]] if _start(data)[1] else data.rstrip()[:-1].rstrip()
    comma = "" if body.endswith(b"{") else ","
    seal = f'"{CHECK}": "{_sum(body)}"'
    seal = f"{comma}\n  {seal}\n}}" if b"\n" in data.strip() else f"{comma} {seal}}}"
    return body.decode() + seal + ("\n" if data.endswith(b"\n") else "")


def check(data: bytes, *, required: bool) -> None:
    """Verify the checksum of a JSON object's text.

    Args:
        required: refuse one without, as where every release that wrote such files wrote one.

    Raises:
        ValueError: it is not what was written; says so in a few words.
    """
    start, found = _start(data)
    if found is None:
        if required:
            raise ValueError("it has no checksum")
    elif _sum(data[:start]) != found:
        raise ValueError("its checksum is that of other bytes")


def _start(data: bytes) -> tuple[int, str | None]:
    """Where an object's checksum begins, and what it is; None where it has none."""
    behind = max(0, len(data) - _MOST)
    match = _SEAL.search(data[behind:])
    return (len(data), None) if match is None else (behind + match.start(), match["sum"].decode())


def _sum(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"


def write_document(path: Path, data: Mapping[str, Any], error: type[FaceSRBenchError] = ResultsError) -> None:
    """Write a JSON object with its checksum, so that a reader never sees half of it.

    Raises:
        ResultsError: it can't be written; or `error` in its place.
    """
    text = json.dumps({**data}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path, error) as partial:
        partial.write_text(sealed(text), encoding="utf-8", newline="\n")


def read_document(path: Path, required: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    """A JSON object as it was written, without its checksum.

    Args:
        required: whether one that says this must have a checksum.

    Raises:
        FileNotFoundError: there is none.
        OSError: it can't be read.
        ValueError: it is not what was written, or no JSON object; says which.
    """
    data = path.read_bytes()
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    check(data, required=required(found))
    found.pop(CHECK, None)
    return found


def sealed_array(data: bytes) -> bytes:
    """The content of an .npy file with its checksum behind it."""
    return data + _MARK + _sum(data).encode() + b"\n"


def opened_array(data: bytes) -> tuple[bytes, bool]:
    """The content of an .npy file without its checksum, and whether it had one, which earlier releases didn't write.

    Raises:
        ValueError: it is not what was written.
    """
    content, seal = data[:-_LENGTH], data[-_LENGTH:]
    if not seal.startswith(_MARK):
        return data, False
    if seal != sealed_array(content)[-_LENGTH:]:
        raise ValueError("its checksum is that of other bytes")
    return content, True
