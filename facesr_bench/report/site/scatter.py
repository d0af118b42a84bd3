"""Two metrics against each other beside a leaderboard: a drawing that needs no script and names every point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from facesr_bench.report.figures.style import colours_of
from facesr_bench.report.site.axis import Axis
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.leaderboard import Group, RankedResult

MARGIN = 8
"""Free on each side, percent."""


@dataclass(frozen=True)
class Point:
    """One method; the top right is best in both.

    Attributes:
        x: place from the left, percent.
        y: place from the top, percent.
        words: its two numbers.
        colour: that of the method in every plot.
    """

    label: str
    x: float
    y: float
    words: str
    colour: str

    @property
    def to_the_left(self) -> bool:
        """Its name stands to the left of it, so that it ends inside of the drawing."""
        return self.x > 50


@dataclass(frozen=True)
class Scatter:
    """Two metrics and the methods that have a finite mean of both.

    Attributes:
        left_out: labels of those that have not.
    """

    across: MetricInfo
    upwards: MetricInfo
    points: list[Point]
    left_out: list[str]


def scatter(group: Group) -> Scatter | None:
    """The leads of fidelity and perception; of identity, or else another of fidelity, where it has none of perception.

    Returns:
        None where fewer than two methods can be drawn.
    """
    rows = [row for row in group.rows if row.comparable]
    across = _lead(group, "fidelity", ())
    upwards = next(
        (found for family in ("perception", "identity", "fidelity") if (found := _lead(group, family, (across,)))), None
    )
    if across is None or upwards is None:
        return None
    shown = [row for row in rows if all(math.isfinite(row.means.get(m.name, math.nan)) for m in (across, upwards))]
    if len(shown) < 2:
        return None
    x, y = _axis(across, shown), _axis(upwards, shown)
    colours = colours_of(group)
    points = [
        Point(
            label=row.label,
            x=x.place(row.means[across.name]),
            y=round(100 - y.place(row.means[upwards.name]), 2),
            words=f"{_words(across, row)}, {_words(upwards, row)}",
            colour=colours[row.label],
        )
        for row in shown
    ]
    drawn = {point.label for point in points}
    return Scatter(across, upwards, points, [row.label for row in rows if row.label not in drawn])


def _words(metric: MetricInfo, row: RankedResult) -> str:
    return f"{metric.title} {metric.format(row.means[metric.name])} {metric.unit}".strip()


def _lead(group: Group, family: str, but: Sequence[MetricInfo | None]) -> MetricInfo | None:
    found = [
        metric
        for metric in group.metrics
        if metric.family == family
        and metric.aggregate_of is None
        and metric.higher_is_better is not None
        and metric not in but
        and any(metric.name in row.means for row in group.rows)
    ]
    return min(found, key=lambda metric: not metric.lead, default=None)


def _axis(metric: MetricInfo, rows: Sequence[RankedResult]) -> Axis:
    """From the worse end to the better one."""
    values = [row.means[metric.name] for row in rows]
    return Axis.over(values, margin=MARGIN, falling=metric.higher_is_better is False)
