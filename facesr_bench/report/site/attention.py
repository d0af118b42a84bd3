"""The attention maps of a method, as a run has kept them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.files import file_name
from facesr_bench.images.maps import gray_png, indexed
from facesr_bench.report.attention import folder_of, paths
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
        units: one picture in colours per unit, in forward order.
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
        maps = pictures(section, row, image_id)
        if not maps:
            continue
        face = row.result.sr_path(image_id)
        found.append(
            Shown(
                id=image_id,
                is_mean=not image_id,
                face=link(section.placed(face), page) if image_id and face.is_file() else None,
                units=[link(unit, page) for unit in maps],
            )
        )
    return found


def pictures(section: Section, row: RankedResult, image_id: str) -> list[Path]:
    """Where `write` puts one image's maps in colours, or (empty id) their mean, in forward order."""
    count = len(paths(folder_of(row.result, image_id or None)))
    base = _base(section, row, image_id)
    return [base.with_name(f"{base.name}-{number}.png") for number in range(1, count + 1)]


def _base(section: Section, row: RankedResult, image_id: str) -> Path:
    """The path of one image's files, or the mean's, but for how they end."""
    folder = section.folder / "attention" / short_name(row.label)
    return folder / file_name(image_id) if image_id else folder


def write(pages: Pages, section: Section, row: RankedResult) -> dict[str, Any] | None:
    """Write one method's maps as pictures and scripts; None where there are none.

    A browser may not read the pixels of a picture opened from disk: see `facesr_bench.report.site.maps`.

        attention/<label>/<image>.js    the maps of one image, a grayscale PNG for each unit
        attention/<label>/<image>-<unit>.png    each in colours, from 0 to the unit's largest value in any image kept
        attention/<label>.js, <label>-<unit>.png    their mean over the images kept

    Returns:
        What the pages' script must know: the units, the places of the images that have maps, and where the files are.

    Raises:
        ResultsError: they can't be written.
    """
    known = section.attention_units(row)
    if not known:
        return None
    tops = [unit.top for unit in known]
    kept = [place for place, image_id in enumerate(section.ids) if _write(pages, section, row, image_id, tops)]
    page, folder = section.image_path, _base(section, row, "")
    return {
        "files": link(folder, page),
        "mean": link(_ended(folder, ".js"), page) if _write(pages, section, row, "", tops) else None,
        "images": kept,
        "units": [{"stage": unit.stage, "size": unit.size, "top": round(unit.top, 4)} for unit in known],
    }


def _write(pages: Pages, section: Section, row: RankedResult, image_id: str, tops: Sequence[float]) -> bool:
    """One image's files, or (empty id) the mean's; False where none of its maps are kept."""
    found = [_read(path) for path in paths(folder_of(row.result, image_id or None))]
    if not found:
        return False
    for levels, top, path in zip(found, tops, pictures(section, row, image_id), strict=False):
        if levels is not None:
            shares = np.clip(levels / 255 / (top or 1), 0, 1)
            pages.write(path, indexed(np.rint(255 * shares).astype(np.uint8)))
    data = {"id": image_id or None, "units": [None if each is None else _encoded(each) for each in found]}
    script = f"facesr.attention({json.dumps(data, separators=(',', ':'))});\n"
    pages.write(_ended(_base(section, row, image_id), ".js"), script)
    return True


def _ended(base: Path, end: str) -> Path:
    return base.with_name(f"{base.name}{end}")


def _read(path: Path) -> NDArray[np.uint8] | None:
    """The levels of a map; None where the file can't be read."""
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return np.asarray(picture.convert("L"))
    except OSError:
        return None


def _encoded(levels: NDArray[np.uint8]) -> str:
    """A map as a grayscale PNG in base64."""
    return base64.b64encode(gray_png(levels)).decode()
