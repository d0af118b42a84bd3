"""What the pictures of a result are: hashes of their pixels, so that equal ones are known as equal."""

from __future__ import annotations

import hashlib
from pathlib import Path

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import file_name
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.pixels import is_constant, pixel_sha256
from facesr_bench.results.gate.sides import Look, Side, side_of
from facesr_bench.results.store import Result
from facesr_bench.results.summary import ResultSummary, summarise


def side_of_result(result: Result) -> Side:
    """A result on disk as one side of a comparison.

    Raises:
        ResultsError: its images can't be read.
    """
    (row,) = summarise([result])
    return side_of_row(row)


def side_of_row(row: ResultSummary) -> Side:
    """As `side_of_result`, of what is summed up already."""
    return side_of(row, {image_id: _look(row.result, image_id) for image_id in row.result.images})


def _look(result: Result, image_id: str) -> Look:
    sr = _picture(result.sr_path(image_id))
    given = _given(result.inputs_folder, image_id)
    if sr is None:
        return Look(given=given)
    return Look(pixel_sha256(sr), is_constant(sr), given)


def _given(inputs: Path, image_id: str) -> str | None:
    """A name for the LR picture and the ground truth of an image; None where the first is not on disk."""
    name = f"{file_name(image_id)}.png"
    lr, hr = _picture(inputs / "lr" / name), _picture(inputs / "hr" / name)
    if lr is None:
        return None
    both = [pixel_sha256(lr), "" if hr is None else pixel_sha256(hr)]
    return hashlib.sha256("\n".join(both).encode()).hexdigest()[:16]


def _picture(path: Path) -> Image8 | None:
    """A picture of a result; None where there is none, or a damaged one: a report says that, this says only what is."""
    if not path.is_file():
        return None
    try:
        return read_image(path)
    except DataError:
        return None
