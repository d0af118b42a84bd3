"""Figures made of pictures: the comparison grid of a paper, and the mean error map of a set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import file_name
from facesr_bench.base.suggest import unknown
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.luma import FULL_FLOAT32
from facesr_bench.report.figures.form import form
from facesr_bench.report.figures.style import WIDTH, pick, plain, rows_of, style, wide
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.leaderboard import Group, RankedResult, places
from facesr_bench.results.summary import per_image_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Box = tuple[int, int, int, int]
"""x, y, width, height in px of HR, from the top left."""

_CELL = 320
"""Least width of a picture in the grid, in px of the PNG."""
_LEAST_LETTERS = 5.0
"""Points: what can still be read in print."""
_FRAME = (0.90, 0.62, 0.0)
"""Okabe and Ito's orange: seen on skin and hair, and with any common colour blindness."""


@dataclass(frozen=True)
class _Column:
    """One column of the grid.

    Attributes:
        pictures: by image id, all of the size of HR (LR is repeated to it).
        words: what stands below each picture, by image id; best: the images whose words are bold.
        factor: HR's side over the picture's own, by image id; only of LR.
    """

    title: str
    pictures: Mapping[str, Image8]
    words: Mapping[str, str]
    best: frozenset[str] = frozenset()
    factor: Mapping[str, int] = field(default_factory=dict)


def comparison(
    group: Group,
    images: Sequence[str] = (),
    methods: Sequence[str] = (),
    *,
    zoom: Box | Literal["auto"] | None = "auto",
    metrics: Sequence[str] = (),
) -> Figure:
    """The grid of a super-resolution paper: LR, every method and HR side by side, with a part of each enlarged below.

    Pixels are squares of whole pixels in a PNG, and not smoothed in PDF and SVG. Below each method's picture stand its
    values, the best of the row of pictures in bold.

    Args:
        images: ids; none given: those at the quartiles of the first metric's mean over the methods (at most three).
        methods: labels, in the order of the columns; none given: all, as ranked.
        zoom: the part to enlarge, in px of HR; `auto`: see `auto_zoom`; None: no enlargement.
        metrics: which values stand below; none given: the leads of fidelity, or the first two there are.

    Raises:
        ResultsError: unknown image, method or metric, a picture that is not on disk, or a zoom outside of it.
    """
    rows = rows_of(group, methods)
    values = {row.label: per_image_values(row) for row in rows}
    names = [m.name for m in group.metrics if any(values[row.label].get(m.name) for row in rows)]
    shown = {m.name for m in group.metrics if m.family == "fidelity" and m.lead}
    wanted = metrics or [name for name in names if name in shown] or names[:2]
    below = pick(group, wanted, names) if wanted else []
    ids = _images(rows, images, values, names[0] if names else None)
    columns = _columns(rows, ids, below, values)
    boxes = {i: _box(zoom, i, columns) for i in ids} if zoom is not None else {}
    return _grid(group, columns, ids, boxes)


def _images(
    rows: Sequence[RankedResult],
    wanted: Sequence[str],
    values: Mapping[str, Mapping[str, Mapping[str, float]]],
    metric: str | None,
) -> list[str]:
    known = [row.id for row in rows[0].result.images.values() if row.error is None]
    for name in wanted:
        if name not in known:
            raise ResultsError(_unknown_image(name, known))
    if wanted:
        return list(wanted)
    if metric is None:
        return known[:3]

    def mean(image: str) -> float:
        return float(np.mean([values[row.label].get(metric, {}).get(image, np.nan) for row in rows]))

    ordered = sorted((i for i in known if np.isfinite(mean(i))), key=lambda i: (mean(i), i)) or known
    places = dict.fromkeys(round(share * (len(ordered) - 1)) for share in (0.75, 0.5, 0.25))
    return [ordered[place] for place in places]


def _unknown_image(name: str, known: Sequence[str]) -> str:
    text = unknown("image", name, known)
    head, _, tail = text.partition("\n")
    return text if len(tail) < 400 else f"{head}\n  known: {', '.join(sorted(known)[:12])} ... ({len(known)} in all)"


def _columns(
    rows: Sequence[RankedResult],
    ids: Sequence[str],
    metrics: Sequence[MetricInfo],
    values: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> list[_Column]:
    folder = rows[0].result.inputs_folder
    lr = {i: _read(folder / "lr" / f"{file_name(i)}.png") for i in ids}
    for row in rows:
        row.result.require_pictures("a figure")
    sr = {row.label: {i: _read(row.result.sr_path(i)) for i in ids} for row in rows}
    first = sr[rows[0].label]
    factor = {i: max(1, first[i].shape[1] // lr[i].shape[1]) for i in ids}
    enlarged = {i: lr[i].repeat(factor[i], axis=0).repeat(factor[i], axis=1) for i in ids}
    sizes = {f"{image.shape[1]}\N{MULTIPLICATION SIGN}{image.shape[0]}" for image in lr.values()}
    size = sizes.pop() if len(sizes) == 1 else ""
    columns = [_Column("LR", enlarged, dict.fromkeys(ids, size), factor=factor)]
    best = _best(rows, ids, metrics, values)
    for row in rows:
        words = {i: _words(values[row.label], i, metrics) for i in ids}
        columns.append(_Column(row.label, sr[row.label], words, frozenset(i for i in ids if row.label in best[i])))
    if (folder / "hr" / f"{file_name(ids[0])}.png").is_file():
        hr = {i: _read(folder / "hr" / f"{file_name(i)}.png") for i in ids}
        legend = " / ".join(metric.title + (f" ({metric.unit})" if metric.unit else "") for metric in metrics)
        columns.append(_Column("HR", hr, dict.fromkeys(ids, legend)))
    for i in ids:
        shapes = {column.pictures[i].shape for column in columns}
        if len(shapes) > 1:
            raise ResultsError(f"image {i}: pictures of several sizes, so they can't be put side by side")
    return columns


def _read(path: object) -> Image8:
    from pathlib import Path

    try:
        return read_image(Path(str(path)))
    except FaceSRBenchError as error:
        raise ResultsError(f"{error}\n  run again with the same --out to make the picture anew") from error


def _words(values: Mapping[str, Mapping[str, float]], image: str, metrics: Sequence[MetricInfo]) -> str:
    found = (values.get(metric.name, {}).get(image) for metric in metrics)
    return " / ".join(
        "\N{EN DASH}" if value is None else metric.format(value) for value, metric in zip(found, metrics, strict=True)
    )


def _best(
    rows: Sequence[RankedResult],
    ids: Sequence[str],
    metrics: Sequence[MetricInfo],
    values: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> dict[str, frozenset[str]]:
    """Image -> labels of the methods that are best in its first metric; none where there is nothing to compare."""
    if not metrics:
        return {i: frozenset() for i in ids}
    name, direction = metrics[0].name, metrics[0].higher_is_better
    given = {i: {row.label: values[row.label].get(name, {}).get(i) for row in rows} for i in ids}
    return {i: places({k: v for k, v in given[i].items() if v is not None}, direction)[0] for i in ids}


def _box(zoom: Box | Literal["auto"], image: str, columns: Sequence[_Column]) -> Box:
    height, width = columns[0].pictures[image].shape[:2]
    if zoom == "auto":
        return auto_zoom([column.pictures[image] for column in columns[1:]], columns[0].factor[image])
    x, y, w, h = zoom
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
        raise ResultsError(f"zoom {x},{y},{w},{h}: it must lie inside the picture of {width}x{height} px ({image})")
    return zoom


def auto_zoom(pictures: Sequence[Image8], step: int = 1) -> Box:
    """The window, 3/8 of the sides wide and high, where the luma of the pictures varies most between them.

    What lies far from the middle counts less (a Gaussian, sigma a quarter of the side): hair and background differ
    most, but the face is in the middle.

    Args:
        pictures: the methods', and HR if there is one; all of one size.
        step: px between the places tried, so that a window begins where an LR pixel does.
    """
    luma = np.stack([picture.astype(np.float32) @ FULL_FLOAT32 for picture in pictures])
    differ = luma.var(axis=0) if len(pictures) > 1 else np.abs(np.gradient(luma[0])).sum(axis=0)
    height, width = differ.shape
    across, down = (np.exp(-8 * ((np.arange(side) + 0.5) / side - 0.5) ** 2) for side in (width, height))
    h, w = max(1, 3 * height // 8), max(1, 3 * width // 8)
    sums = np.zeros((height + 1, width + 1))
    sums[1:, 1:] = (differ * down[:, None] * across).cumsum(axis=0).cumsum(axis=1)
    windows = (sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w])[::step, ::step]
    y, x = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(x) * step, int(y) * step, w, h


def _grid(group: Group, columns: Sequence[_Column], ids: Sequence[str], boxes: Mapping[str, Box]) -> Figure:
    """Lay the pictures out in whole pixels of the PNG, `exact_dpi` of which make an inch."""
    from matplotlib.figure import Figure

    pictures = [columns[0].pictures[i] for i in ids]
    width = max(picture.shape[1] for picture in pictures)
    factor = max(1, -(-_CELL // width))
    cell = width * factor
    gap, text = max(4, cell // 32), round(cell * 0.16)
    left = text + gap
    total = left + len(columns) * (cell + gap)
    heights = [picture.shape[0] * factor for picture in pictures]
    zooms = [_zoom_size(boxes[i], cell) if i in boxes else (0, 0) for i in ids]
    above = 2 if form().title else 1
    high = sum(heights) + sum(z[1] + gap for z in zooms if z[1]) + len(ids) * (text + gap) + above * text
    # Letters are sized for the printed width: six columns of a paper's text width, or as much each.
    inches = wide(WIDTH * max(1.0, len(columns) / 7))
    dpi = total / inches
    with style():
        figure = Figure(figsize=((total + 0.01) / dpi, (high + 0.01) / dpi), dpi=dpi)
        figure.exact_dpi = dpi  # type: ignore[attr-defined]
        size = max(_LEAST_LETTERS, 72 / dpi * cell * 0.075)

        def put(image: Image8, x: int, y: int, w: int, h: int) -> Axes:
            axis = figure.add_axes((x / total, 1 - (y + h) / high, w / total, h / high))
            axis.imshow(image, interpolation="none", extent=(0, image.shape[1], image.shape[0], 0), aspect="auto")
            axis.set_axis_off()
            return axis

        def write(words: str, x: float, y: float, *, bold: bool = False, upright: bool = False) -> None:
            figure.text(
                x / total, 1 - y / high, plain(words), size=size, ha="center", va="center",
                weight="bold" if bold else "normal", rotation=90 if upright else 0,
            )  # fmt: skip

        from matplotlib.patches import Rectangle

        words, legend = f"{group.protocol}, profile {group.profile}", columns[-1].words[ids[0]]
        crowded = 0.5 * size * len(legend) > 72 / dpi * cell
        if crowded and columns[-1].title == "HR":  # the legend of the numbers below the others
            columns = [*columns[:-1], replace(columns[-1], words=dict.fromkeys(ids, ""))]
            words += f"; below each picture: {legend}"
        figure.said = words  # type: ignore[attr-defined]
        if form().title:
            write(words, total / 2, text / 2)
        for place, column in enumerate(columns):
            write(column.title, left + place * (cell + gap) + cell / 2, text * (above - 0.5))
        top = above * text
        for i, height, (zoomed, zoom_high) in zip(ids, heights, zooms, strict=True):
            write(i if len(i) <= 24 else f"{i[:22]}\N{HORIZONTAL ELLIPSIS}", text / 2, top + height / 2, upright=True)
            for place, column in enumerate(columns):
                x = left + place * (cell + gap)
                axis = put(column.pictures[i], x, top, column.pictures[i].shape[1] * factor, height)
                below = top + height
                if i in boxes:
                    bx, by, bw, bh = boxes[i]
                    axis.add_patch(Rectangle((bx, by), bw, bh, fill=False, edgecolor=_FRAME, linewidth=1.0))
                    part = column.pictures[i][by : by + bh, bx : bx + bw]
                    inset = put(part, x + (cell - zoomed) // 2, below + gap, zoomed, zoom_high)
                    inset.add_patch(
                        Rectangle((0, 0), 1, 1, transform=inset.transAxes, fill=False, edgecolor=_FRAME, linewidth=1.6)
                    )
                    below += gap + zoom_high
                write(column.words[i], x + cell / 2, below + text / 2, bold=i in column.best)
            top += height + (gap + zoom_high if i in boxes else 0) + text + gap
    return figure


def _zoom_size(box: Box, cell: int) -> tuple[int, int]:
    """Width and height of the enlarged part, px of the PNG: its greatest whole multiple that fits below a picture."""
    times = max(1, min(cell // box[2], 2 * cell // box[3]))
    return box[2] * times, box[3] * times
