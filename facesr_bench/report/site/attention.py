"""The attention maps of a method, as a run has kept them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facesr_bench.base.files import file_name
from facesr_bench.report.site.pages import link
from facesr_bench.report.site.section import Section
from facesr_bench.results.leaderboard import RankedResult
from facesr_bench.results.store import FOLDER, MEAN


@dataclass(frozen=True)
class Shown:
    """The maps of one image, or their mean.

    Attributes:
        id: the image's; empty for the mean.
        face: the picture below the maps, or None.
        units: one grayscale picture per unit, in forward order.
    """

    id: str
    is_mean: bool
    face: str | None
    units: list[str]


def shown(section: Section, row: RankedResult, page: Path) -> list[Shown]:
    """The mean, then each image that has maps; empty for methods without attention."""
    folder = row.result.folder / FOLDER
    if not folder.is_dir() or row not in section.shown:
        return []
    found = []
    for image_id in ["", *section.ids]:
        units = _units(folder / (file_name(image_id) if image_id else MEAN))
        if not units:
            continue
        face = row.result.sr_path(image_id)
        found.append(
            Shown(
                id=image_id,
                is_mean=not image_id,
                face=link(section.placed(face), page) if image_id and face.is_file() else None,
                units=[link(section.placed(unit), page) for unit in units],
            )
        )
    return found


def units(row: RankedResult, image_id: str) -> list[Path]:
    """The maps of one image, in forward order; empty where none are kept."""
    return _units(row.result.folder / FOLDER / file_name(image_id))


def tops(row: RankedResult) -> list[float]:
    """The largest attention of each unit in any image kept: the upper end of its colours."""
    found: dict[int, int] = {}
    for folder in (row.result.folder / FOLDER).glob("*"):
        for number, path in enumerate(_units(folder)):
            try:
                with Image.open(path) as picture:
                    top = int(np.asarray(picture).max())
            except OSError:
                continue  # its place on the page stays empty
            found[number] = max(found.get(number, 1), top)
    return [found[number] / 255 for number in sorted(found)]


def _units(folder: Path) -> list[Path]:
    """In forward order: files are called by their number."""
    return sorted((path for path in folder.glob("*.png") if path.stem.isdecimal()), key=lambda path: int(path.stem))
