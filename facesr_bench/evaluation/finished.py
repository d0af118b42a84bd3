"""Finished pictures, scored as a run would: with what a protocol's dataset knows of its faces, or with landmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import read_text
from facesr_bench.base.text import counted
from facesr_bench.data.protocols import catalogue
from facesr_bench.evaluation.folders import Reading
from facesr_bench.evaluation.inputs import Source, open_source
from facesr_bench.images.files import Image8, read_only
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.pictures import ID, PictureFolder
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.samples import SAMPLES, read_samples

POINTS = 68


def given_by(protocol: ProtocolCard) -> set[str]:
    """What samples of a protocol may have beside the finished picture."""
    return {"input", "landmarks"} | (set() if protocol.source == "lr" else {"reference"})


def readings_of(protocol: ProtocolCard, data: Mapping[str, Path], sr: Path, suffix: str | None = None) -> list[Reading]:
    """The images of a protocol, each with the picture of a folder that is called by its id.

    Args:
        data: where the user has datasets.
        suffix: what stands behind the id in the pictures' names.

    Raises:
        FaceSRBenchError: the protocol's data is missing, the folder is, or it has pictures of no image of the protocol.
    """
    if not sr.is_dir():
        raise DataError(f"{sr}: no such folder")
    source = open_source(protocol, data, catalogue([protocol.name]))
    pictures = PictureFolder(sr, f"{ID}{suffix or ''}")
    ids = list(source.items)
    if strangers := pictures.unpaired(ids):
        shown = "".join(f"\n  {name}" for name in strangers[:20])
        more = f"\n  ... and {len(strangers) - 20} more" if len(strangers) > 20 else ""
        hint = pictures.hint(ids) if len(pictures.missing(ids)) == len(ids) else ""
        raise DataError(
            f"{sr}: {counted(len(strangers), 'picture')} of no image of {protocol.name}{hint}:{shown}{more}"
        )
    return [(image_id, partial(_read, image_id, source, pictures)) for image_id in ids]


def _read(image_id: str, source: Source, pictures: PictureFolder) -> tuple[Image8, Sample]:
    pictures.path(image_id)  # an image without a picture need not be prepared
    sample = source.read(image_id)
    height, width = sample.lr.shape[:2]
    scale = source.protocol.scale
    return read_only(pictures.read(image_id, (height * scale, width * scale))), sample


def read_landmarks(folder: Path, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The landmarks of faces, by the names of their pictures: Nx2, x then y, px of HR.

    Args:
        folder: of NAME.pts, 68 points in iBUG's form, which counts px from 1; or the inputs of a run, whose
            samples.jsonl has what the dataset said, to the last digit.
        names: of the pictures.

    Raises:
        DataError: no such folder, nothing in it that belongs to a picture, or a file that can't be read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if (folder / SAMPLES).is_file():
        records = read_samples(folder)
        found = {name: np.array(record.landmarks) for name, record in records.items() if record.landmarks}
    else:
        found = {path.stem: read_pts(path) for path in sorted(folder.iterdir()) if path.suffix.lower() == ".pts"}
    mine = {name: points for name, points in found.items() if name in set(names)}
    if not mine:
        such_as = f" such as {names[0]}.pts" if names else ""
        raise DataError(f"{folder}: no landmarks of any picture: looked for {SAMPLES} and for NAME.pts{such_as}")
    return mine


def read_pts(path: Path) -> NDArray[np.float64]:
    """The points of an iBUG .pts file: 68x2, x then y, the centre of the top-left pixel at (0, 0).

    Raises:
        DataError: it can't be read, or is not such a file.
    """
    try:
        inside = read_text(path, "utf-8-sig").partition("{")[2].partition("}")[0]
        points = np.array([[float(number) for number in line.split()] for line in inside.split("\n") if line.strip()])
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a .pts file that can be read: {error}") from error
    if points.shape != (POINTS, 2) or not np.isfinite(points).all():
        raise DataError(f"{path}: expected {POINTS} finite points x y between {{ and }}, found shape {points.shape}")
    return points - 1
