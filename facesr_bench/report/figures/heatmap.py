"""Where on the face each method is wrong: its mean map of one kind, all on one scale of colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import file_name
from facesr_bench.base.suggest import unknown
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.maps import COLOUR_MAP, read_map
from facesr_bench.plugins.profile import Profile
from facesr_bench.report.figures.form import form, give_title
from facesr_bench.report.figures.style import WIDTH, plain, rows_of, style, wide
from facesr_bench.report.maps import ERROR, KINDS, Kind, Mapper, Sums, Values, in_words, metric_kind
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import Group, RankedResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def heatmap(group: Group, methods: Sequence[str] = (), kind: str | None = None) -> Figure:
    """The mean map of each method: the maps of the pages, by the same definition and on the same rule of scale.

    Colours run from 0 to the largest value of any method drawn. It says something only where faces stand in the same
    place in every picture: aligned or landmark crops.

    Args:
        methods: labels, in the order of the columns; none given: all, as ranked.
        kind: `psnr`, `ssim`, or a metric whose maps the runs have kept, such as `lpips`; None: `psnr`.

    Raises:
        ResultsError: unknown method or kind, no ground truth, pictures that are missing or of several sizes.
    """
    from matplotlib.figure import Figure

    rows = rows_of(group, methods)
    if group.rows[0].result.manifest.protocol.source == "lr":
        raise ResultsError(f"{group.protocol}: without ground truth there is no error to draw")
    for row in rows:
        row.result.require_pictures("a figure")
    chosen = _kind(rows, kind)
    maps = {row.label: mean_map(row, chosen) for row in rows}
    top = max(float(np.nanmax(values)) for values in maps.values()) or 1.0
    columns = min(len(maps), 5 if form().width is None else max(1, int((wide(WIDTH) - 0.8) / 1.1)))
    lines = -(-len(maps) // columns)
    with style():
        width = wide(min(WIDTH, 1.5 * columns + 0.8))
        figure = Figure(figsize=(width, lines * ((width - 1.1) / columns + 0.35) + 0.3), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis, (label, values) in zip(axes, maps.items(), strict=False):
            drawn = axis.imshow(values, cmap=COLOUR_MAP, vmin=0, vmax=top, interpolation="none")
            axis.set_title(f"{plain(label)}\n{_short(chosen, values)}", fontsize="small")
            axis.set_axis_off()
        for axis in axes[len(maps) :]:
            axis.remove()
        ticks = [0, top / 2, top]
        bar = figure.colorbar(drawn, ax=list(axes[: len(maps)]), shrink=0.8, pad=0.02, ticks=ticks)
        bar.ax.set_yticklabels([in_words(chosen, tick) for tick in ticks], fontsize="x-small")
        bar.set_label(plain(f"mean {chosen.title}"), fontsize="small")
        bar.outline.set_visible(False)
        give_title(figure, plain(f"{group.protocol}, n = {group.size}"))
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def mean_map(row: RankedResult, kind: Kind) -> Values:
    """One method's mean map, HxW, NaN where there is no value; one image in memory at a time.

    Raises:
        ResultsError: a picture or map is missing, the profile can't be read, or the pictures differ in size.
    """
    sums = Sums()
    for values in _maps(row, kind):
        sums.add({kind.name: values})
    mean = sums.mean(kind.name)
    if len(sums.sizes) > 1:
        raise ResultsError(f"{row.protocol}: pictures of several sizes have no mean map")
    if mean is None:
        raise ResultsError(f"{row.label}: no image was scored")
    return mean


def _kind(rows: Sequence[RankedResult], name: str | None) -> Kind:
    if name is None:
        return ERROR
    kept = {
        key: metric_kind(key, described.title or key)
        for row in rows
        for key, described in row.result.manifest.metrics.items()
        if (row.result.folder / "maps" / file_name(key)).is_dir()
    }
    known = kept | KINDS
    if name not in known:
        raise ResultsError(
            f"{unknown('kind of map', name, list(known))}\n  a metric's maps are kept by runs that have it"
        )
    return known[name]


def _maps(row: RankedResult, kind: Kind) -> Iterator[Values]:
    images = [image for image in row.result.images.values() if image.error is None]
    if kind.metric is not None:
        for image in images:
            yield _read_map(row.result.metric_map_path(kind.metric, image.id))
        return
    manifest = row.result.manifest
    try:
        mapper = Mapper(Profile.recorded(manifest.profile), manifest.protocol.scale)
    except (ValidationError, FaceSRBenchError) as error:
        raise ResultsError(f"{row.label}: this release can't read the profile: {error}") from error
    for image in images:
        yield _made(row, image, kind, mapper)


def _made(row: RankedResult, image: ImageRecord, kind: Kind, mapper: Mapper) -> Values:
    sr = _read(row.result.sr_path(image.id))
    hr = _read(row.result.inputs_folder / "hr" / f"{file_name(image.id)}.png")
    try:
        found = mapper.maps(sr, mapper.reference(hr))
    except FaceSRBenchError as error:
        raise ResultsError(f"{row.label}, image {image.id}: {error}") from error
    if kind.name not in found:
        raise ResultsError(f"{row.label}, image {image.id}: too small for a {kind.title}")
    return found[kind.name]


def _read(path: Path) -> Image8:
    try:
        return read_image(path)
    except FaceSRBenchError as error:
        raise ResultsError(f"{error}\n  run again with the same --out to make the picture anew") from error


def _read_map(path: Path) -> Values:
    try:
        return read_map(path).astype(np.float64)
    except FaceSRBenchError as error:
        raise ResultsError(f"{error}\n  run again with the same --out to make the map anew") from error


def _short(kind: Kind, values: Values) -> str:
    """The mean in few letters: `23.5 dB`, without what it is in levels, which the scale says."""
    return in_words(kind, _mean(kind, values)).partition(" (")[0]


def _mean(kind: Kind, values: Values) -> float:
    """Over the pixels: of errors the root of the mean square, so that it is the PSNR of the mean error."""
    return float(np.sqrt(np.nanmean(np.square(values))) if kind is ERROR else np.nanmean(values))
