"""What is known of a protocol's images beside their pixels, kept with these: one line per image that is prepared.

    {"id": "face 1", "landmarks": [[38.25, 51.5], ...], "lr_sha256": "9f86d0...", "check": "8a1f03c2"}

A line says that the image's LR and HR lie in the folder, so that nothing of it is read from the dataset again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import fields
from io import FileIO
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import write_text
from facesr_bench.results.checks import check, sealed

SAMPLES = "samples.jsonl"
LANDMARKS = "landmarks.json"
"""Where earlier releases kept the landmarks, rounded; it is read where a line is missing."""


@dataclass(frozen=True)
class SampleRecord:
    """One prepared image: a line of samples.jsonl.

    Attributes:
        id: the sample's id.
        landmarks: x then y in px of HR, exactly as the dataset gave them, or None.
        identity: the person it shows, or None where the dataset does not say.
        degradation: what was drawn to make LR of HR; None where nothing was.
        lr_sha256: of the LR picture's pixels; None in results of earlier releases.
        lr_expected: what the protocol says that hash is, where it is another: the picture was made by libraries that
            give other bits.
        made_by: those libraries, where LR was made of HR.
        enlarged: by which factor its face was enlarged to be HR, or None.
    """

    id: str
    landmarks: list[tuple[float, float]] | None = None
    identity: str | None = None
    degradation: dict[str, Any] | None = None
    lr_sha256: str | None = None
    lr_expected: str | None = None
    made_by: str | None = None
    enlarged: float | None = None

    def to_json(self) -> str:
        """One line; a float is written so that the same float is read."""
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        return sealed(json.dumps({key: value for key, value in data.items() if value is not None}, ensure_ascii=False))


_LINES: TypeAdapter[SampleRecord] = TypeAdapter(SampleRecord)


def read_samples(folder: Path) -> dict[str, SampleRecord]:
    """Every prepared image of a folder of inputs, by id; a damaged line counts as missing."""
    return _read(folder)[0]


def _read(folder: Path) -> tuple[dict[str, SampleRecord], bool]:
    """Every prepared image, and whether the lines are those of a release that wrote no checksums."""
    try:
        data = (folder / SAMPLES).read_bytes()
    except OSError:
        return {}, False
    old = b'"check"' not in data
    found: dict[str, SampleRecord] = {}
    for line in data.split(b"\n"):
        try:
            check(line, required=not old)
            sample = _LINES.validate_json(line)
        except ValueError:  # torn, where a run was killed, or damaged: the image is read from its dataset again
            continue
        found[sample.id] = sample
    return found, old and bool(found)


def read_landmarks(folder: Path, ids: Sequence[str]) -> list[list[tuple[float, float]]]:
    """The landmarks of those of the images that have some, to a thousandth of a px.

    Raises:
        ResultsError: the file of an earlier release can't be read.
    """
    samples = read_samples(folder)
    earlier = _earlier_landmarks(folder) if any(image_id not in samples for image_id in ids) else {}
    found = [samples[i].landmarks if i in samples else earlier.get(i) for i in ids]
    return [[(round(x, 3), round(y, 3)) for x, y in points] for points in found if points]


_POINTS: TypeAdapter[dict[str, list[tuple[float, float]]]] = TypeAdapter(dict[str, list[tuple[float, float]]])


def _earlier_landmarks(folder: Path) -> dict[str, list[tuple[float, float]]]:
    path = folder / LANDMARKS
    if not path.is_file():
        return {}
    try:
        return _POINTS.validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: can't be read; remove it and run again") from error


class Samples:
    """Adds lines to one folder's samples.jsonl. Two runs may do so at once: each line is written in one piece."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SAMPLES
        known, self._old = _read(folder)
        self._known = dict(known)
        self._stream: FileIO | None = None

    def add(self, sample: SampleRecord) -> None:
        """Add one line, unless the image has one.

        Raises:
            ResultsError: it can't be written.
        """
        if sample.id in self._known:
            return
        try:
            if self._stream is None:
                self._seal()
                self._stream = _appending(self._path)
            self._stream.write(sample.to_json().encode() + b"\n")
        except OSError as error:
            raise ResultsError(f"{self._path}: can't be written: {error.strerror or error}") from error
        self._known[sample.id] = sample

    def _seal(self) -> None:
        """Give the lines of an earlier release their checksums: beside lines that have one, none may lack it."""
        if self._old:
            write_text(self._path, "".join(f"{known.to_json()}\n" for known in self._known.values()))

    def close(self) -> None:
        """Close the file; what was told is written."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _appending(path: Path) -> FileIO:
    """The file, open without a buffer, with its torn last line closed."""
    stream = FileIO(path, "a+")
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 1))
    if stream.read(1) not in (b"", b"\n"):
        stream.write(b"\n")
    return stream
