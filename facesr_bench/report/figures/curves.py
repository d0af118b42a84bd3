"""Cumulative error curves of landmarks, as a figure and as data."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.text import csv_text
from facesr_bench.report.figures.form import give_title
from facesr_bench.report.figures.style import (
    finished,
    legend_below,
    looks,
    new_figure,
    pick,
    plain,
    ranked,
    style,
    wide,
)
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.curves import auc, cumulative_curve, failure_rate
from facesr_bench.results.leaderboard import Group, RankedResult
from facesr_bench.results.summary import per_image_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Errors:
    """What cumulative error curves are made of.

    Attributes:
        limit: where the curves end, in the metric's unit.
        ids: the images that every method has a value of, or a lost face.
        values: per row label an error per image, in the order of `ids`; infinite where no face was found.
    """

    info: MetricInfo
    limit: float
    ids: list[str]
    values: dict[str, list[float]]


def landmark_errors(group: Group, metric: str | None = None, limit: float | None = None) -> Errors:
    """The errors behind `curve`; arguments and errors are its own."""
    rows = ranked(group)
    values = {row.label: per_image_values(row) for row in rows}
    names = [m.name for m in group.metrics if any(values[row.label].get(m.name) for row in rows)]
    lower = [m.name for m in group.metrics if m.name in names and m.higher_is_better is False]
    if metric is None:
        drawn = [m for m in group.metrics if m.name in lower and (m.aggregates or m.family == "landmarks")]
        if not drawn:
            raise ResultsError(f"{_needs(group)}, by default one of landmarks; {_known(lower)}")
        metric = min(drawn, key=lambda m: not m.aggregates).name
    try:
        info = pick(group, [metric], lower)[0]
    except ResultsError as error:
        raise ResultsError(f"{_needs(group)}, and {metric!r} is none here; {_known(lower)}") from error
    if limit is None:
        limits = [float(a.partition("-")[2]) for a in info.aggregates if a.startswith("auc-")]
        limit = max(limits, default=10.0)
    if not 0 < limit < math.inf:
        raise ResultsError(f"limit {limit:g}: it must be a positive number")
    errors = {row.label: _errors(row, info.name, values[row.label].get(info.name, {})) for row in rows}
    errors = {label: found for label, found in errors.items() if found}
    ids = sorted(set.intersection(*(set(found) for found in errors.values())))
    if not ids:
        raise ResultsError(f"{group.protocol}: no image has {info.title} of every method")
    return Errors(info, limit, ids, {label: [found[i] for i in ids] for label, found in errors.items()})


def _needs(group: Group) -> str:
    return f"{group.protocol}: an error curve needs a metric with lower values better and one value per image"


def _known(names: Sequence[str]) -> str:
    return f"there is {', '.join(names)}" if names else "none of these results has values of one"


def curve_table(group: Group, metric: str | None = None, *, limit: float | None = None) -> str:
    """The cumulative error curves as csv: method, error, share of images; the corners of the exact step curves.

    Args and errors: as `curve`.
    """
    errors = landmark_errors(group, metric, limit)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["protocol", "profile", "metric", "method", "error", "share"])
    for label, given in errors.values.items():
        for error, share in zip(*cumulative_curve(given, errors.limit), strict=True):
            writer.writerow(
                [
                    group.protocol,
                    group.profile,
                    errors.info.name,
                    csv_text(label),
                    repr(float(error)),
                    repr(float(share)),
                ]
            )
    return stream.getvalue()


def curve(group: Group, metric: str | None = None, *, limit: float | None = None) -> Figure:
    """Cumulative error curves: the share of images whose error is at most x; area under it and failures in the legend.

    An image whose face was not found counts as an infinite error. Images that a method has neither a value nor a lost
    face of are left out for all; the title counts the others.

    Args:
        metric: as in `table --metrics`; None: the first that has areas under its curve, or one of landmarks.
        limit: where the curves end, in the metric's unit; above it an image is a failure; None: the greatest limit that
            the metric's own areas have, or 10.

    Raises:
        ResultsError: nothing to draw, no such metric, one where higher is better, or a limit that is not positive.
    """
    errors = landmark_errors(group, metric, limit)
    info, limit, ids = errors.info, errors.limit, errors.ids
    look = looks(group)
    with style():
        figure, (axis,) = new_figure(wide(5.2), 3.2)
        labels = []
        for name, given in errors.values.items():
            across, shares = cumulative_curve(given, limit)
            area, failures = 100 * auc(given, limit), 100 * failure_rate(given, limit)
            label = plain(f"{name}: AUC {area:.2f} %, failures {failures:.1f} %")
            labels.append(label)
            axis.plot(across, shares, label=label, color=look[name].colour, linestyle=look[name].dashes)
        axis.set(xlim=(0, limit), ylim=(0, 1.01), xlabel=plain(info.header), ylabel="Share of images")
        legend_below(figure, axis.lines, labels, fontsize="small")
        unit = f" {info.unit}" if info.unit else ""
        failing = f"failure: above {limit:g}{unit}, or no face found"
        size = group.size if len(ids) == group.n else f"{len(ids)} of {group.total}"
        title = plain(f"{group.protocol}, profile {group.profile}, n = {size}")
        give_title(figure, f"{title}\n{plain(failing)}")
        return finished(figure)


def _errors(row: RankedResult, metric: str, values: Mapping[str, float]) -> dict[str, float]:
    lost = (image.id for image in row.result.images.values() if metric in image.undetected)
    return {**dict.fromkeys(lost, math.inf), **values}
