"""Attention maps as a run has kept them: which units there are, and which part of the network each is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facesr_bench.base.files import file_name
from facesr_bench.results.store import FOLDER, MEAN, Result


@dataclass(frozen=True)
class Unit:
    """One attention unit of a network.

    Attributes:
        number: from 1, in forward order.
        stage: `encoder`, `body` or `decoder`.
        size: width and height of its maps, px.
        top: its largest attention in any image kept, 0 to 1: the upper end of its colours.
    """

    number: int
    stage: str
    size: tuple[int, int]
    top: float


def folder_of(result: Result, image_id: str | None) -> Path:
    """Where the maps of one image are, or (None) their mean over the images kept."""
    return result.folder / FOLDER / (MEAN if image_id is None else file_name(image_id))


def paths(folder: Path) -> list[Path]:
    """The maps in a folder, in forward order: files are called by their number. Empty where none are kept."""
    return sorted((path for path in folder.glob("*.png") if path.stem.isdecimal()), key=lambda path: int(path.stem))


def stages(sides: Sequence[int], side: int | None) -> list[str]:
    """The part of the network that each unit is in, by how its side differs from that of the one before.

    A smaller one belongs to the encoder, one of the same size to the body, a larger one to the decoder.

    Args:
        sides: of the units' maps, px, in forward order.
        side: of the network's input; None: that of the largest map.
    """
    before = [side or max(sides, default=0), *sides][: len(sides)]
    return [
        "encoder" if own < last else "decoder" if own > last else "body"
        for own, last in zip(sides, before, strict=True)
    ]


def units(result: Result) -> list[Unit]:
    """The units of a result's method; empty where no maps are kept.

    Of a unit whose files can't be read the size is (0, 0), its part of the network that of the one before.
    """
    tops: dict[int, int] = {}
    sizes: dict[int, tuple[int, int]] = {}
    for folder in sorted((result.folder / FOLDER).glob("*")):
        for number, path in enumerate(paths(folder), 1):
            tops.setdefault(number, 1)
            try:
                with Image.open(path, formats=("PNG",)) as picture:
                    tops[number] = max(tops[number], int(np.asarray(picture.convert("L")).max()))
                    sizes.setdefault(number, (picture.width, picture.height))
            except OSError:
                continue  # its place on the page stays empty
    numbers = sorted(tops)
    sides: list[int] = []
    for number in numbers:
        sides.append(sizes[number][1] if number in sizes else sides[-1] if sides else 0)
    parts = stages(sides, result.manifest.protocol.hr_size)
    return [
        Unit(number, part, sizes.get(number, (0, 0)), tops[number] / 255)
        for number, part in zip(numbers, parts, strict=True)
    ]
