"""A folder of low-quality faces without ground truth."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import read_text
from facesr_bench.data import folders
from facesr_bench.images import files
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item, Picture

NAME = "filename"
POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
COLUMNS = tuple(f"{point}_{axis}" for point in POINTS for axis in "xy")
"""zhengchen1999/NTIRE2025_RealWorld_Face_Restoration@b06055c:face_alignment/test_face.csv; 2026's has the same."""


class Dataset(DatasetBase):
    """The pictures directly in the folder, with the five points of each where a table of them lies beside."""

    def items(self, protocol: ProtocolCard) -> Sequence[Item]:
        del protocol
        items = folders.single_items(self.root)
        table = _table(self.root)
        if table is None:
            return items
        points = _points(table)
        return [
            Item(item.id, (*item.files, table), {"points": points.get(item.id, []), "table": table}) for item in items
        ]

    def read(self, item: Item, protocol: ProtocolCard) -> Picture:
        del protocol
        points = _of_one(item) if item.meta else None
        return Picture(hr=None, lr=files.read_image(item.files[0]), lr_points=points)


def _table(folder: Path) -> Path | None:
    """The table of points in the folder, or None.

    Raises:
        DataError: there are several, or one can't be read.
    """
    found = [path for path in sorted(folder.glob("*.csv")) if set(COLUMNS) <= set(_header(path))]
    if len(found) > 1:
        raise DataError(
            f"{folder}: points of the faces stand in {' and in '.join(path.name for path in found)}: keep one"
        )
    return found[0] if found else None


def _header(path: Path) -> Sequence[str]:
    """Its first row; empty for a file that is no table: it may be anything of the user's."""
    try:
        return next(csv.reader(_lines(path, "latin-1")), [])
    except csv.Error:
        return []


def _lines(path: Path, encoding: str = "utf-8-sig") -> list[str]:
    try:
        return read_text(path, encoding).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error


def _points(path: Path) -> dict[str, list[NDArray[np.float64]]]:
    """Of each picture, by its name without suffix, what its rows say: 5x2 arrays, no two of them equal.

    Raises:
        DataError: it has no column of names, or a row that is not a name and 10 finite numbers, or is no csv.
    """
    found: dict[str, list[NDArray[np.float64]]] = {}
    rows = csv.DictReader(_lines(path))
    if NAME not in (rows.fieldnames or []):
        raise DataError(f"{path}: has columns of points, and none called {NAME}")
    for row in _rows(path, rows):
        values = [row.get(column) or "" for column in COLUMNS]
        try:
            points = np.array([float(value) for value in values]).reshape(len(POINTS), 2)
        except ValueError:
            points = np.full((len(POINTS), 2), np.nan)
        if not np.isfinite(points).all():
            raise DataError(
                f"{path}, line {rows.line_num}: {', '.join(COLUMNS)} must be numbers, not {', '.join(values)}"
            )
        if not row[NAME]:  # a row that ends too early has none
            raise DataError(f"{path}, line {rows.line_num}: nothing stands in the column {NAME}")
        known = found.setdefault(unicodedata.normalize("NFC", row[NAME]), [])
        if not any(np.array_equal(points, other) for other in known):
            known.append(points)
    return found


def _rows(path: Path, rows: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num + 1}: not a csv ({error})") from error


def _of_one(item: Item) -> NDArray[np.float64]:
    points: list[NDArray[np.float64]] = item.meta["points"]
    table = item.meta["table"]
    if len(points) != 1:
        said = "no row" if not points else f"{len(points)} rows with different points"
        raise DataError(f"{table} has {said} for this {NAME}; every picture needs one (or move the table away)")
    return points[0]
