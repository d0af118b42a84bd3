"""The numbers that the plots are drawn of, as csv at full precision; of curves see `curves.curve_table`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from itertools import accumulate

from facesr_bench.base.text import csv_text
from facesr_bench.report.figures.plots import comparable_means, distributed, parallel_metrics, traded
from facesr_bench.report.figures.style import ranked
from facesr_bench.results.comparison import Comparisons, compare
from facesr_bench.results.leaderboard import Group
from facesr_bench.results.summary import per_image_values
from facesr_bench.results.training import Training

_GROUP = ("protocol", "profile")


def distribution_table(group: Group, metrics: Sequence[str] = ()) -> str:
    """The value of every image: protocol, profile, metric, method, image, value.

    Args and errors: as `plots.distribution`.
    """
    chosen = distributed(group, metrics)
    values = {row.label: per_image_values(row) for row in ranked(group)}
    rows = (
        [group.protocol, group.profile, metric.name, csv_text(label), csv_text(image), value]
        for metric in chosen
        for label, given in values.items()
        for image, value in given.get(metric.name, {}).items()
    )
    return _csv([*_GROUP, "metric", "method", "image", "value"], rows)


def tradeoff_table(
    group: Group, x: str | None = None, y: str | None = None, *, comparisons: Comparisons | None = None
) -> str:
    """Two means of each method with their 95 % intervals, and its parameters.

    Args and errors: as `plots.tradeoff`.
    """
    across, up, points = traded(group, x, y)
    statistics = compare(group) if comparisons is None else comparisons
    header = [*_GROUP, "method"]
    for metric in (across, up):
        header += [metric.name, f"{metric.name}_low", f"{metric.name}_high"]
    rows = []
    for label, (horizontal, vertical, parameters) in points.items():
        cells: list[object] = []
        for metric, mean in ((across, horizontal), (up, vertical)):
            cells += [mean, *(statistics[label, metric.name].interval or ("", ""))]
        rows.append([group.protocol, group.profile, csv_text(label), *cells, parameters if parameters else ""])
    return _csv([*header, "parameters"], rows)


def parallel_table(group: Group, metrics: Sequence[str] = ()) -> str:
    """The means of each method, one column per metric.

    Args and errors: as `plots.parallel`.
    """
    chosen = parallel_metrics(group, metrics)
    means = {metric.name: comparable_means(ranked(group), metric) for metric in chosen}
    rows = (
        [group.protocol, group.profile, csv_text(row.label), *(found.get(row.label, "") for found in means.values())]
        for row in ranked(group)
    )
    return _csv([*_GROUP, "method", *means], rows)


def training_table(found: Training) -> str:
    """Every point of the curves: stage (from 1), samples seen in all stages so far, what, value."""
    starts = [0, *accumulate(stage.samples for stage in found.stages)]
    rows: list[list[object]] = []
    for number, (stage, start) in enumerate(zip(found.stages, starts, strict=False), 1):
        rows += [[number, start + at, "psnr", value] for at, value in stage.psnr]
        rows += [[number, start + at, csv_text(n), value] for n, points in stage.losses.items() for at, value in points]
        rows += [[number, "", "bicubic_psnr", stage.bicubic]] if stage.bicubic is not None else []
    return _csv(["stage", "samples", "what", "value"], rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_number(cell) if isinstance(cell, float) else cell for cell in row])
    return stream.getvalue()


def _number(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else "inf" if value > 0 else "-inf"
