"""Helen in iBUG's layout, and DIC's prebuilt pairs of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError
from facesr_bench.data import folders
from facesr_bench.images import files
from facesr_bench.images.folders import by_stem, list_images
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item, Picture

POINTS = 68


class Dataset(DatasetBase):
    """Photographs with landmarks; HR/LR pairs for protocols whose source is `pairs`."""

    def items(self, protocol: ProtocolCard) -> Sequence[Item]:
        if protocol.source == "pairs":
            return folders.pair_items(self.root)
        folder = self.root / "testset" if (self.root / "testset").is_dir() else self.root
        pictures = by_stem(list_images(folder))
        points = by_stem([path for path in folder.iterdir() if path.suffix.lower() == ".pts" and path.name[0] != "."])
        alone = [pictures[stem] for stem in sorted(pictures.keys() - points.keys())]
        alone += [points[stem] for stem in sorted(points.keys() - pictures.keys())]
        if alone:
            shown = "\n".join(f"  {path}" for path in alone[:20])
            more = f"\n  ... and {len(alone) - 20} more" if len(alone) > 20 else ""
            raise DataError(f"{len(alone)} file(s) without a partner (each picture needs its .pts):\n{shown}{more}")
        return [Item(stem, (pictures[stem], points[stem])) for stem in sorted(pictures)]

    def read(self, item: Item, protocol: ProtocolCard) -> Picture:
        if protocol.source == "pairs":
            return folders.read_pair(item)
        picture, points = item.files
        return Picture(hr=files.read_image(picture), landmarks=read_pts(points))


def read_pts(path: Path) -> NDArray[np.float64]:
    """The 68 points of an iBUG .pts file: 68x2, x then y, the centre of the top-left pixel at (0, 0).

    The file counts pixels from 1, as MATLAB does.

    Raises:
        DataError: not a .pts file of 68 points.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows begin files with a BOM
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a .pts file: {error}") from error
    inside = text.partition("{")[2].partition("}")[0]
    try:
        points = np.array([[float(number) for number in line.split()] for line in inside.split("\n") if line.strip()])
    except ValueError as error:
        raise DataError(f"{path}: a line between {{ and }} is not two numbers: {error}") from error
    if points.shape != (POINTS, 2):
        raise DataError(f"{path}: expected {POINTS} points x y between {{ and }}, found shape {points.shape}")
    if len(bad := np.flatnonzero(~np.isfinite(points).all(axis=1))):
        raise DataError(f"{path}: NaN or infinity in {len(bad)} of its points, the first: point {bad[0] + 1}")
    return points - 1
