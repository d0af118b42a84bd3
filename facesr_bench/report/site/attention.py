"""The attention maps of a method, as a run has kept them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from facesr_bench.base.files import file_name
from facesr_bench.report.attention import folder_of, paths, units
from facesr_bench.report.site.pages import Pages, link, short_name
from facesr_bench.report.site.section import Section
from facesr_bench.results.leaderboard import RankedResult
from facesr_bench.results.store import FOLDER


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
    if not (row.result.folder / FOLDER).is_dir() or row not in section.shown:
        return []
    found = []
    for image_id in ["", *section.ids]:
        maps = paths(folder_of(row.result, image_id or None))
        if not maps:
            continue
        face = row.result.sr_path(image_id)
        found.append(
            Shown(
                id=image_id,
                is_mean=not image_id,
                face=link(section.placed(face), page) if image_id and face.is_file() else None,
                units=[link(section.placed(unit), page) for unit in maps],
            )
        )
    return found


def write(pages: Pages, section: Section, row: RankedResult) -> dict[str, Any] | None:
    """Write one method's maps as scripts, for the pages of one image and of the mean; None where there are none.

    A browser may not read the pixels of a picture opened from disk: see `facesr_bench.report.site.maps`.

        attention/<label>/<image>.js    the maps of one image, a grayscale PNG for each unit
        attention/<label>.js            their mean over the images kept

    Returns:
        What the pages' script must know: the units, the places of the images that have maps, and where the files are.

    Raises:
        ResultsError: they can't be written.
    """
    known = units(row.result)
    if not known:
        return None
    folder = section.folder / "attention" / short_name(row.label)
    mean = folder.with_name(f"{folder.name}.js")
    kept = []
    for place, image_id in enumerate(section.ids):
        found = paths(folder_of(row.result, image_id))
        if found:
            pages.write(folder / f"{file_name(image_id)}.js", _script(image_id, found))
            kept.append(place)
    means = paths(folder_of(row.result, None))
    if means:
        pages.write(mean, _script(None, means))
    page = section.image_path
    return {
        "files": link(folder, page),
        "mean": link(mean, page) if means else None,
        "images": kept,
        "units": [{"stage": unit.stage, "size": unit.size, "top": round(unit.top, 4)} for unit in known],
    }


def _script(image_id: str | None, found: Sequence[Path]) -> str:
    data = {"id": image_id, "units": [_encoded(path) for path in found]}
    return f"facesr.attention({json.dumps(data, separators=(',', ':'))});\n"


def _encoded(path: Path) -> str | None:
    """A map as a grayscale PNG in base64; None where the file can't be read."""
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            levels = picture.convert("L")
    except OSError:
        return None
    stream = io.BytesIO()
    levels.save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()
