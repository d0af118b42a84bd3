"""Where a method with attention looked: its units side by side, a row for each face, as in SPARNet's paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import file_name
from facesr_bench.base.suggest import unknown
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.maps import colours
from facesr_bench.report import attention as attention_maps
from facesr_bench.report.figures.form import give_title
from facesr_bench.report.figures.style import WIDTH, plain, ranked, style, wide
from facesr_bench.results.leaderboard import Group, RankedResult
from facesr_bench.results.store import FOLDER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_UNITS = 6
"""Drawn unless others are asked for: evenly spaced from the first to the last."""
_LEAST_SIDE = 0.62
"""Inches of a face, where it is for the figure to choose how many there are."""
MEAN_ROW = "mean"
_OVER = 0.6
"""How much of a map covers the face below it."""

Levels = NDArray[np.uint8]


def attention(
    group: Group, images: Sequence[str] = (), units: Sequence[int] = (), methods: Sequence[str] = ()
) -> Figure:
    """Attention maps over the faces they are of: the input, one column per unit, the output; a last row is their mean.

    The colours of a unit run from 0 to its largest value in the rows shown, which stands above it with the unit's own
    resolution and its part of the network: a unit that is smaller than the one before it belongs to the encoder, one of
    the same size to the body, a larger one to the decoder.

    Args:
        images: ids of images whose maps were kept (`run --attention N` keeps those of the first N); none given: the
            first two.
        units: numbers from 1, in the network's order; none given: `MOST_UNITS` of them, evenly spaced.
        methods: one method with attention; none given: the first there is.

    Raises:
        ResultsError: no method has maps, an image or unit that has none, or a file that can't be read.
    """
    row = _row(group, methods)
    kept = [image.id for image in row.result.images.values() if attention_maps.folder_of(row.result, image.id).is_dir()]
    for name in images:
        if name not in kept:
            raise ResultsError(
                f"{unknown('image with attention maps', name, kept)}\n  more of them: facesr-bench run --attention N"
            )
    chosen = list(images) or kept[:2]
    sizes = [levels.shape[:2] for levels in _maps(row, chosen[0])]
    fitting = min(MOST_UNITS, len(sizes), max(1, int(wide(WIDTH) / _LEAST_SIDE) - 2))
    numbers = list(units) or sorted({int(n) for n in np.linspace(1, len(sizes), fitting).round()})
    for number in numbers:
        if not 1 <= number <= len(sizes):
            raise ResultsError(f"{row.label} has attention units 1 to {len(sizes)}; there is no unit {number}")
    shown = {name: _maps(row, name) for name in chosen}
    if attention_maps.folder_of(row.result, None).is_dir():
        shown[MEAN_ROW] = _maps(row, None)
    tops = {n: max(int(maps[n - 1].max()) for maps in shown.values()) or 1 for n in numbers}
    stages = attention_maps.stages([size[0] for size in sizes], row.result.manifest.protocol.hr_size)
    titles = [_title(n, stages[n - 1], sizes[n - 1], tops[n]) for n in numbers]
    rows = [(name, _pictures(row, name, maps, numbers, tops)) for name, maps in shown.items()]
    return _drawn(group, row, titles, rows)


def _title(number: int, stage: str, size: tuple[int, ...], top: int) -> str:
    height, width = size[:2]
    resolution = f"{width}\N{MULTIPLICATION SIGN}{height}"
    return f"unit {number}, {stage}\n{resolution}, \N{LESS-THAN OR EQUAL TO} {top / 255:.2f}"


def _row(group: Group, methods: Sequence[str]) -> RankedResult:
    rows = [row for row in ranked(group) if (row.result.folder / FOLDER).is_dir()]
    if not rows:
        raise ResultsError(
            f"{group.protocol}: no method here has attention maps; `facesr-bench run --attention 8` keeps those of "
            "methods that have attention"
        )
    if not methods:
        return rows[0]
    if len(methods) > 1:
        raise ResultsError("a figure of attention is of one method; give one of --methods")
    meant = [row for row in rows if methods[0] in {row.label, row.method}]
    if not meant:
        raise ResultsError(unknown("method with attention maps", methods[0], [row.label for row in rows]))
    return meant[0]


def _maps(row: RankedResult, image: str | None) -> list[Levels]:
    """The units' maps in forward order, of one image or (None) their mean."""
    folder = attention_maps.folder_of(row.result, image)
    found = []
    for path in attention_maps.paths(folder):
        try:
            with Image.open(path, formats=("PNG",)) as picture:
                found.append(np.asarray(picture.convert("L")))
        except OSError as error:
            raise ResultsError(f"{path}: can't be read: {error}; remove its folder and run again") from error
    if not found:
        raise ResultsError(f"{folder}: no attention maps; remove the folder and run again")
    return found


def _pictures(
    row: RankedResult, image: str, maps: Sequence[Levels], numbers: Sequence[int], tops: dict[int, int]
) -> list[Image8 | None]:
    """Input, units, output; of the mean there are units alone."""
    if image == MEAN_ROW and image not in row.result.images:
        return [None, *(_heat(maps[n - 1], tops[n]) for n in numbers), None]
    sr = _read(row, image)
    lr = _picture(row.result.inputs_folder / "lr" / f"{file_name(image)}.png")
    size = (sr.shape[1], sr.shape[0])
    over = [_blend(sr, np.asarray(Image.fromarray(_heat(maps[n - 1], tops[n])).resize(size, 0))) for n in numbers]
    return [lr, *over, sr]


def _heat(levels: Levels, top: int) -> Image8:
    shares = np.minimum(levels.astype(np.float64) / top, 1)
    heat: Image8 = colours()[np.rint(shares * 255).astype(int)]
    return heat


def _blend(face: Image8, heat: Image8) -> Image8:
    grey = face.mean(axis=2, keepdims=True)
    mixed: Image8 = np.rint((1 - _OVER) * grey + _OVER * heat).astype(np.uint8)
    return mixed


def _read(row: RankedResult, image: str) -> Image8:
    return _picture(row.result.sr_path(image))


def _picture(path: Path) -> Image8:
    try:
        return read_image(path)
    except FaceSRBenchError as error:
        raise ResultsError(f"{error}\n  run again with the same --out to make the picture anew") from error


def _drawn(
    group: Group, row: RankedResult, titles: Sequence[str], rows: Sequence[tuple[str, list[Image8 | None]]]
) -> Figure:
    from matplotlib.figure import Figure

    columns = ["input", *titles, plain(row.label)]
    with style():
        width = wide(WIDTH * max(1.0, len(columns) / 8))
        side = width / (len(columns) + 0.4)
        lines = 0.75 if side > _LEAST_SIDE * 1.2 else 0.95
        figure = Figure(figsize=(width, side * len(rows) + lines), layout="constrained")
        axes = figure.subplots(len(rows), len(columns), squeeze=False)
        for line, (name, pictures) in zip(axes, rows, strict=True):
            for axis, picture in zip(line, pictures, strict=True):
                axis.set_xticks([])
                axis.set_yticks([])
                axis.grid(visible=False)
                for spine in axis.spines.values():
                    spine.set_visible(False)
                if picture is not None:
                    axis.imshow(picture, interpolation="none")
            short = name if len(name) <= 18 else f"{name[:16]}\N{HORIZONTAL ELLIPSIS}"
            line[0].set_ylabel(plain(short), fontsize="x-small")
        for axis, title in zip(axes[0], columns, strict=True):
            axis.set_title(title if side > _LEAST_SIDE * 1.2 else title.replace(", ", "\n"), fontsize="x-small")
        words = f"{group.protocol}: attention of {row.label}, from 0 (dark) to the unit's largest value (light)"
        give_title(figure, plain(words), size="small")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure
