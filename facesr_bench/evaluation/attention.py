"""Attention maps of the first images of a run, kept as pictures.

    results/<protocol>/<method>/<fingerprint>/attention/<id>/<unit>.png    one attention unit on one image
                                             /attention/%mean/<unit>.png   its mean over the images kept

Each is 8-bit grayscale at the unit's own resolution: level 0 is attention 0, level 255 is 1; a unit with one map per
channel is averaged over its channels. Units are numbered from 1 in forward order. The maps cost a forward pass more,
and so are made of the first images only (`--attention`), which the mean says of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.errors import MethodError, ResultsError
from facesr_bench.base.files import replacing
from facesr_bench.plugins.method import AttentionMaps, MethodBase
from facesr_bench.results.store import MEAN

if TYPE_CHECKING:
    from facesr_bench.evaluation.inputs import Loaded


def offers_maps(method: type[MethodBase]) -> bool:
    """True for the class of a method that can show where it looked."""
    return issubclass(method, AttentionMaps)


def maps_of(method: MethodBase, loaded: Loaded) -> list[NDArray[np.uint8]]:
    """The maps of one image as 8-bit levels, hxw each.

    Raises:
        MethodError: the method returned something else than maps in [0, 1].
    """
    assert isinstance(method, AttentionMaps)  # the caller has seen to it
    name = method.card.name
    batch = method.batch([method.given(loaded.sample.lr)])
    found = []
    for number, unit in enumerate(method.attention_maps(batch), 1):
        if unit.ndim != 4 or unit.shape[0] != 1:
            raise MethodError(f"{name}: attention map {number} has shape {tuple(unit.shape)}; expected 1xCxhxw")
        values = unit[0].float().mean(dim=0).cpu().numpy()
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise MethodError(f"{name}: attention map {number} has values outside [0, 1]")
        found.append(np.rint(values * 255).astype(np.uint8))
    return found


def keep(maps: Sequence[NDArray[np.uint8]], folder: Path) -> None:
    """Keep the maps of one image in `folder`, made if it isn't there.

    Raises:
        ResultsError: they can't be written.
    """
    for number, levels in enumerate(maps, 1):
        _save(folder / f"{number}.png", levels)


def write_mean(folder: Path) -> None:
    """Average the maps of every image kept in `folder` into `MEAN`; nothing without any, or with several sizes.

    Raises:
        ResultsError: a map can't be read, or the mean can't be written.
    """
    sums: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    for path in sorted(folder.glob("*/*.png")):
        if path.parent.name == MEAN:
            continue
        try:
            with Image.open(path) as picture:
                values = np.asarray(picture, dtype=np.float64)
        except OSError as error:
            raise ResultsError(f"{path}: can't be read: {error}; remove the folder and run again") from error
        if path.name in sums and sums[path.name].shape != values.shape:
            return
        sums[path.name] = sums.get(path.name, 0) + values
        counts[path.name] = counts.get(path.name, 0) + 1
    for name, total in sums.items():
        _save(folder / MEAN / name, np.rint(total / counts[name]).astype(np.uint8))


def _save(path: Path, levels: NDArray[np.uint8]) -> None:
    with replacing(path) as partial:
        Image.fromarray(levels).save(partial, format="PNG")
