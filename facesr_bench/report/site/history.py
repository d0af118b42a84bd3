"""How one method came to its numbers: its checkpoints, and its earlier results of the same name, in the order run."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.text import csv_text
from facesr_bench.report.site.axis import Axis
from facesr_bench.report.site.pages import format_value
from facesr_bench.report.site.places import Published
from facesr_bench.report.tables.sheet import DASH
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.leaderboard import Group, RankedResult
from facesr_bench.results.statistics import mean_intervals
from facesr_bench.results.store import Result
from facesr_bench.results.summary import ResultSummary, per_image_values, summarise

MOST = 12
"""States that are shown; of more the newest."""
MARGIN = 10
"""Free on each side of a drawing, percent."""


@dataclass(frozen=True)
class Point:
    """One state's mean.

    Attributes:
        number: of the state, from 1.
        x, y: percent from the left and the top; better is higher.
        low, high: of its interval, percent from the top; equal to `y` where there is none.
        words: what it is, in a line.
        current: it is the row that the page is of.
    """

    number: int
    x: float
    y: float
    low: float
    high: float
    words: str
    current: bool


@dataclass(frozen=True)
class Curve:
    """One metric over the states.

    Attributes:
        ends: the worst and the best value drawn, as text.
    """

    info: MetricInfo
    points: list[Point]
    ends: tuple[str, str]

    @property
    def line(self) -> str:
        """The points of a polyline in a box of 100 x 100."""
        return " ".join(f"{point.x},{point.y}" for point in self.points)


@dataclass(frozen=True)
class State:
    """One result of the method.

    Attributes:
        shown: leaderboards show it: no newer result of its row took its place.
        current: it is the row that the page is of.
        values: text by metric, for the curves' metrics; a dash where there is none.
        exact: the same as numbers.
    """

    number: int
    label: str
    shown: bool
    current: bool
    tags: str
    updated: str
    fingerprint: str
    values: list[str]
    exact: list[float | None]


@dataclass(frozen=True)
class Past:
    """The states of one method on one protocol under one profile.

    Attributes:
        curves: the leads of each family.
        left_out: how many others ran on other images or under another definition.
        older: how many older ones are not shown.
    """

    states: list[State]
    curves: list[Curve]
    left_out: int
    older: int

    def table(self) -> str:
        """The states shown as csv, with their means as they are stored."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        metrics = [curve.info.name for curve in self.curves]
        writer.writerow(["number", "method", "superseded", "tags", "updated", "fingerprint", *metrics])
        for state in self.states:
            values = ["" if value is None else repr(value) for value in state.exact]
            said = [csv_text(state.label), "" if state.shown else "yes", csv_text(state.tags)]
            writer.writerow([state.number, *said, state.updated, state.fingerprint, *values])
        return stream.getvalue()


def past(group: Group, row: RankedResult, superseded: Iterable[Result]) -> Past | None:
    """The states of a row's method, whatever its weights; None where there is one alone.

    Args:
        superseded: results whose place in their rows newer ones have taken.
    """
    rows: list[ResultSummary] = [other for other in group.rows if other.method == row.method]
    shown = {other.result.folder for other in rows}
    older = [
        Published(result)
        for result in superseded
        if (result.method, result.protocol, result.profile) == (row.method, group.protocol, group.profile)
    ]
    rows += _readable(older)
    same = sorted((other for other in rows if _compares(other, row)), key=lambda other: other.result.place)
    if len(same) < 2:
        return None
    kept = same[-MOST:]
    infos = _leads(group, kept)
    curves = [curve for info in infos if (curve := _curve(info, kept, row)) is not None]
    states = [
        State(
            number=number,
            label=other.label,
            shown=other.result.folder in shown,
            current=other.result.folder == row.result.folder,
            tags=", ".join(other.result.manifest.tags),
            updated=other.result.manifest.updated,
            fingerprint=other.fingerprint[:8],
            values=[_text(other, curve.info) for curve in curves],
            exact=[other.means.get(curve.info.name) for curve in curves],
        )
        for number, other in enumerate(kept, 1)
    ]
    return Past(states, curves, len(rows) - len(same), len(same) - len(kept))


def _readable(results: Sequence[Result]) -> list[ResultSummary]:
    found: list[ResultSummary] = []
    for result in results:
        try:
            found += summarise([result])
        except ResultsError:
            continue  # `history` says which can't be read
    return found


def _compares(other: ResultSummary, row: ResultSummary) -> bool:
    """Whether it is about the same task and images; a result without images is about nothing."""
    ours, theirs = row.result.manifest, other.result.manifest
    same = (ours.data.hash, ours.definition, row.ids) == (theirs.data.hash, theirs.definition, other.ids)
    return same and bool(other.ids)


def _leads(group: Group, rows: Sequence[ResultSummary]) -> list[MetricInfo]:
    """The lead of each family that two states have a mean of."""
    found: dict[str, MetricInfo] = {}
    for info in sorted(group.metrics, key=lambda info: not info.lead):
        having = [row for row in rows if math.isfinite(row.means.get(info.name, math.nan))]
        if info.higher_is_better is not None and info.aggregate_of is None and len(having) > 1:
            found.setdefault(info.family, info)
    return [info for info in group.metrics if info in found.values()]


def _curve(info: MetricInfo, rows: Sequence[ResultSummary], row: RankedResult) -> Curve | None:
    """Of the states whose values are of the newest version of the metric."""
    having = [other for other in rows if math.isfinite(other.means.get(info.name, math.nan))]
    newest = max(other.metrics[info.name].version for other in having)
    drawn = [other for other in having if other.metrics[info.name].version == newest]
    if len(drawn) < 2:
        return None
    bounds = [_interval(other, info) for other in drawn]
    axis = Axis.over(
        (end for each in bounds for end in each), margin=MARGIN, falling=info.higher_is_better is not False
    )
    step = (100 - 2 * MARGIN) / max(1, len(rows) - 1)
    points = []
    for other, (begins, ends) in zip(drawn, bounds, strict=True):
        number = rows.index(other)
        mean = other.means[info.name]
        spread = f", 95 % interval {format_value(begins, info.digits)} to {format_value(ends, info.digits)}"
        words = f"{number + 1}, {other.label}: {info.title} {format_value(mean, info.digits)} {info.unit}".rstrip()
        points.append(
            Point(
                number=number + 1,
                x=round(MARGIN + number * step, 2),
                y=axis.place(mean),
                low=axis.place(begins),
                high=axis.place(ends),
                words=words + (spread if begins < ends else ""),
                current=other.result.folder == row.result.folder,
            )
        )
    worst, best = (axis.low, axis.high) if info.higher_is_better else (axis.high, axis.low)
    return Curve(info, points, (format_value(worst, info.digits), format_value(best, info.digits)))


def _interval(row: ResultSummary, info: MetricInfo) -> tuple[float, float]:
    """Of the mean; the mean itself at both ends where it has none."""
    mean = row.means[info.name]
    values = per_image_values(row).get(info.name, {}) if info.has_values else {}
    if len(values) < 2 or not all(map(math.isfinite, values.values())):
        return mean, mean
    people = [row.people.get(image_id, ("", image_id)) for image_id in values]
    try:
        ((low, high),) = mean_intervals([[value] for value in values.values()], clusters=people)
    except ResultsError:  # all images show one person
        return mean, mean
    return min(float(low), mean), max(float(high), mean)


def _text(row: ResultSummary, info: MetricInfo) -> str:
    value = row.means.get(info.name)
    return DASH if value is None else format_value(value, info.digits)
