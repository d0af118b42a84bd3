"""What the pictures of a result are: hashes of their pixels, so that equal ones are known as equal."""

from __future__ import annotations

import hashlib
from pathlib import Path

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import file_name
from facesr_bench.base.hashing import pixels_sha256
from facesr_bench.images.files import Image8, read_image
from facesr_bench.results.bundle.opened import Sent
from facesr_bench.results.gate.sides import Look, Side, side_of, side_of_record
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


def side_of_sent(sent: Sent) -> Side:
    """A result of a bundle as one side; its hashes were checked when the bundle was opened."""
    looks = {}
    for image_id, pixels in sent.pixels.items():
        constant = pixels.sr is not None and _is_constant(read_image(sent.picture(image_id), image_id))
        looks[image_id] = Look(pixels.sr, constant, _named(pixels.lr, pixels.hr))
    sets = {name: claim.value for name, claim in sent.entry.means.items()}
    return side_of_record(f"{sent.archive.path}: {sent.name}", sent.manifest, sent.images, looks, sets=sets)


def _look(result: Result, image_id: str) -> Look:
    sr = _picture(result.sr_path(image_id))
    name = f"{file_name(image_id)}.png"
    lr, hr = (_hash(_picture(result.inputs_folder / kind / name)) for kind in ("lr", "hr"))
    return Look(_hash(sr), sr is not None and _is_constant(sr), _named(lr, hr))


def _hash(picture: Image8 | None) -> str | None:
    return None if picture is None else pixels_sha256(picture)


def _is_constant(picture: Image8) -> bool:
    return bool((picture == picture[0, 0]).all())


def _named(lr: str | None, hr: str | None) -> str | None:
    """A name for the LR picture and the ground truth of an image; None where the first is not known."""
    return None if lr is None else hashlib.sha256(f"{lr} {hr}".encode()).hexdigest()[:16]


def _picture(path: Path) -> Image8 | None:
    """A picture of a result; None where there is none, or a damaged one: a report says that, this says only what is."""
    if not path.is_file():
        return None
    try:
        return read_image(path)
    except DataError:
        return None
