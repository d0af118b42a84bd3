"""The plots of a leaderboard: distributions, trade-offs, all metrics at once; for papers and pages.

Each function returns a matplotlib Figure; `style` says what they share, and writes it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.text import counted
from facesr_bench.report.figures.form import NARROW, form, give_title
from facesr_bench.report.figures.style import (
    WIDTH,
    axis_label,
    caption,
    finished,
    invert_if_lower_is_better,
    legend,
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
from facesr_bench.results.comparison import Comparisons, compare
from facesr_bench.results.leaderboard import Group, RankedResult
from facesr_bench.results.statistics import FEW
from facesr_bench.results.summary import per_image_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 400
"""Up to so many images, a distribution shows each one."""


# -- distributions -----------------------------------------------------------------------------------------------------


def distribution(
    group: Group,
    metrics: Sequence[str] = (),
    *,
    kind: Literal["violin", "ecdf"] = "violin",
    comparisons: Comparisons | None = None,
) -> Figure:
    """How the values of each image spread: one panel per metric, one violin or step curve per method.

    Violins end at the least and greatest value and hold a dot for each image (up to `MOST_POINTS`); of fewer than
    `statistics.FEW` images there are only the dots. The mean stands in black, with its 95 % bootstrap interval.
    Infinite values are left out, and counted in the panel's title.

    Args:
        comparisons: what `comparison.compare` has found for the group; None: it is found here.

    Raises:
        ResultsError: nothing to draw, an unknown metric, or one that has no values per image.
    """
    rows, chosen = ranked(group), distributed(group, metrics)
    values = {row.label: per_image_values(row) for row in rows}
    with style():
        columns = min(len(chosen), 3 if form().width is None else max(1, int(wide(WIDTH) / 2.2)))
        lines = math.ceil(len(chosen) / columns)
        height = 1.2 + 0.34 * len(rows) if kind == "violin" else 2.5
        natural = WIDTH * (columns / 3 if columns < 3 else 1) + (1.2 if columns < 3 else 0)
        figure, axes = new_figure(wide(natural), height * lines, lines, columns)
        statistics: Comparisons = {}
        if kind == "violin":
            statistics = compare(group) if comparisons is None else comparisons
        for axis, metric in zip(axes, chosen, strict=False):
            given = {row.label: _finite(values[row.label].get(metric.name, {})) for row in rows}
            infinite = sum(len(values[row.label].get(metric.name, {})) - len(given[row.label]) for row in rows)
            if kind == "violin":
                _violins(axis, group, given, metric.name, statistics)
            else:
                _steps(axis, group, given)
            axis.set_xlabel(axis_label(metric))
            axis.set_title(f"{infinite} infinite not drawn" if infinite else "", fontsize="small")
        for axis in axes[len(chosen) :]:
            axis.remove()
        for i in range(len(chosen)):
            if i % columns:
                axes[i].tick_params(labelleft=kind != "violin")
                axes[i].set_ylabel("")
        if kind == "ecdf":
            handles, labels = axes[0].get_legend_handles_labels()
            legend_below(figure, handles, [str(label) for label in labels])
        give_title(figure, caption(group))
        return finished(figure)


def distributed(group: Group, metrics: Sequence[str] = ()) -> list[MetricInfo]:
    """The metrics that `distribution` draws.

    Raises:
        ResultsError: as `distribution`.
    """
    values = [per_image_values(row) for row in ranked(group)]
    chosen = pick(group, metrics, [m.name for m in group.metrics if any(found.get(m.name) for found in values)])
    if not chosen:
        raise ResultsError(f"{group.protocol}: no metric has values per image, so there is nothing to draw")
    return chosen


def _finite(values: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array([value for value in values.values() if math.isfinite(value)])


def _violins(
    axis: Axes, group: Group, given: Mapping[str, NDArray[np.float64]], metric: str, statistics: Comparisons
) -> None:
    look = looks(group)
    random = np.random.default_rng(0)  # spreads the dots; the same each time
    for place, (label, values) in enumerate(given.items()):
        few = len(values) < FEW
        if not few and np.ptp(values) > 0:
            body = axis.violinplot([values], [place], orientation="horizontal", widths=0.85, showextrema=False)
            for part in body["bodies"]:  # type: ignore[attr-defined]
                part.set(facecolor=look[label].colour, edgecolor=look[label].colour, alpha=0.35, linewidth=0.8)
        if len(values) <= MOST_POINTS:
            spread = place + random.uniform(-0.14, 0.14, len(values))
            axis.scatter(
                values, spread, s=12 if few else 3, color=look[label].colour, alpha=0.7, linewidths=0, zorder=2
            )
        cell = statistics.get((label, metric))
        if cell is not None and math.isfinite(cell.mean):
            axis.plot([cell.mean], [place], marker="o", markersize=3.5, color=form().ink.strong, zorder=4)
            if cell.interval is not None:
                axis.plot(cell.interval, [place, place], color=form().ink.strong, linewidth=1.4, zorder=3)
    axis.set_yticks(range(len(given)), [textwrap.fill(plain(label), 22) for label in given])
    axis.set_ylim(len(given) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")


def _steps(axis: Axes, group: Group, given: Mapping[str, NDArray[np.float64]]) -> None:
    look = looks(group)
    for label, values in given.items():
        if len(values):
            axis.ecdf(values, label=plain(label), color=look[label].colour, linestyle=look[label].dashes)
    axis.set_ylabel("Share of images")
    axis.set_ylim(0, 1.01)


# -- trade-off ---------------------------------------------------------------------------------------------------------


def lead(group: Group, family: str) -> MetricInfo:
    """The metric of a family that a figure shows: one that has means, if possible the one whose card says so.

    Raises:
        ResultsError: the group has no metric of this family; names those it has.
    """
    found = [metric for metric in group.metrics if metric.family == family and metric.aggregate_of is None]
    if not found:
        known = ", ".join(metric.name for metric in group.metrics)
        raise ResultsError(f"{group.protocol}: no metric of these results is of family {family!r}\n  known: {known}")
    return min(found, key=lambda metric: (not any(metric.name in row.means for row in group.rows), not metric.lead))


def tradeoff(
    group: Group, x: str | None = None, y: str | None = None, *, comparisons: Comparisons | None = None
) -> Figure:
    """Means of two metrics against each other, the area of a point by the method's parameters; up and right is better.

    Bars are 95 % bootstrap intervals. A hollow point has no parameters (interpolation) or none that its card states.

    Args:
        x: the metric to the right, as in `table --metrics`; None: the lead of fidelity (`lead`).
        y: the one upwards; None: the lead of perception, of identity where nothing of perception was computed.
        comparisons: what `comparison.compare` has found for the group; None: it is found here.

    Raises:
        ResultsError: nothing to draw, or no method has a finite mean of both metrics; names the metrics there are.
    """
    across, up, points = traded(group, x, y)
    statistics, look = compare(group) if comparisons is None else comparisons, looks(group)
    with style():
        figure, (axis,) = new_figure(wide(5.2), 3.4)
        for label, (horizontal, vertical, parameters) in points.items():
            colour = look[label].colour
            for metric, along in ((across, "x"), (up, "y")):
                interval = statistics[label, metric.name].interval
                if interval is not None and along == "x":
                    axis.plot(interval, [vertical] * 2, color=colour, linewidth=0.8, alpha=0.6, zorder=1)
                elif interval is not None:
                    axis.plot([horizontal] * 2, interval, color=colour, linewidth=0.8, alpha=0.6, zorder=1)
            axis.scatter(
                [horizontal],
                [vertical],
                s=_area(parameters),
                marker=look[label].marker,
                color=colour if parameters else form().ink.ground,
                edgecolors=colour,
                linewidths=1.2,
                zorder=2,
                label=plain(_with_parameters(label, parameters)),
            )
        axis.set_xlabel(_axis_words(across, invert_if_lower_is_better(axis.xaxis, across)))
        axis.set_ylabel(_axis_words(up, invert_if_lower_is_better(axis.yaxis, up)))
        axis.margins(0.08)
        legend(figure, fontsize="small", title="Area: parameters", title_fontsize="small")
        left = [plain(row.label) for row in ranked(group) if row.label not in points]
        words = f"not drawn, for want of a finite mean: {', '.join(left)}" if left else ""
        give_title(figure, "\n".join([caption(group), "up and to the right is better", *textwrap.wrap(words, 60)]))
        return finished(figure)


def traded(
    group: Group, x: str | None = None, y: str | None = None
) -> tuple[MetricInfo, MetricInfo, dict[str, tuple[float, float, float | None]]]:
    """The two metrics that `tradeoff` draws, and by label its means of both and the method's parameters.

    Raises:
        ResultsError: as `tradeoff`.
    """
    rows = ranked(group)
    try:
        (across,) = pick(group, [x or lead(group, "fidelity").name])[:1]
        (up,) = pick(group, [y or _perceived(group).name])[:1]
    except ResultsError as error:
        raise ResultsError(f"{error}\n  choose with --x and --y of `facesr-bench figure tradeoff`") from error
    points = {
        row.label: (row.means[across.name], row.means[up.name], row.costs.get("parameters"))
        for row in rows
        if math.isfinite(row.means.get(across.name, math.nan)) and math.isfinite(row.means.get(up.name, math.nan))
    }
    if not points:
        raise ResultsError(f"{group.protocol}: no method has a finite mean of both {across.title} and {up.title}")
    return across, up, points


def _perceived(group: Group) -> MetricInfo:
    """What stands upwards unless chosen: perception, or identity where nothing of perception was computed."""
    leads = [metric for family in ("perception", "identity") if (metric := _lead_or_none(group, family)) is not None]
    computed = (metric for metric in leads if any(metric.name in row.means for row in group.rows))
    return next(computed, None) or (leads[0] if leads else lead(group, "perception"))


def _lead_or_none(group: Group, family: str) -> MetricInfo | None:
    try:
        return lead(group, family)
    except ResultsError:
        return None


def _area(parameters: float | None) -> float:
    """Points squared; proportional to the parameters from 1 to 100 million, so that areas can be compared."""
    return 26 + 6 * min(parameters or 0, 100_000_000) / 1e6


def _with_parameters(label: str, parameters: float | None) -> str:
    return label if not parameters else f"{label} ({parameters / 1e6:.1f} M)"


def _axis_words(metric: MetricInfo, inverted: bool) -> str:
    words = plain(metric.header) + (", axis inverted" if inverted else "")
    return words.replace(" (", "\n(", 1) if wide(NARROW) < NARROW else words


# -- all metrics at once -----------------------------------------------------------------------------------------------


def parallel(group: Group, metrics: Sequence[str] = ()) -> Figure:
    """One vertical axis per metric, from the worst mean drawn to the best, and one line per method; up is better.

    The axes show what is gained where, not how much: each has its own scale, written at its ends.

    Raises:
        ResultsError: fewer than two methods, or than two metrics with a direction and finite means of two methods.
    """
    rows, chosen = ranked(group), parallel_metrics(group, metrics)
    look = looks(group)
    with style():
        figure, (axis,) = new_figure(wide(max(4.2, 1.25 * len(chosen) + 1.2)), 3.4)
        crowded = figure.get_figwidth() / len(chosen) < 1.1
        heights: dict[str, list[float]] = {row.label: [math.nan] * len(chosen) for row in rows}
        for place, metric in enumerate(chosen):
            means = comparable_means(rows, metric)
            worst, best = min(means.values()), max(means.values())
            if not metric.higher_is_better:
                worst, best = best, worst
            for label, mean in means.items():
                heights[label][place] = 0.5 if best == worst else (mean - worst) / (best - worst)
            axis.axvline(place, color=form().ink.rule, linewidth=0.8, zorder=0)
            for end, height, side in ((best, 1, "bottom"), (worst, 0, "top")):
                text = metric.format(end) if best != worst or height else ""
                offset = 5 if height else -5
                axis.annotate(
                    text, (place, height), (0, offset), textcoords="offset points", ha="center", va=side,
                    fontsize="small", color=form().ink.quiet,
                    bbox={"facecolor": form().ink.ground, "edgecolor": "none", "pad": 1.5},
                )  # fmt: skip
        for label, line in heights.items():
            axis.plot(
                range(len(chosen)), line, label=plain(label), color=look[label].colour, linestyle=look[label].dashes,
                marker=look[label].marker, markersize=5, linewidth=1.4, clip_on=False,
            )  # fmt: skip
        titles = [plain(m.header) if crowded else textwrap.fill(plain(m.header), 15) for m in chosen]
        axis.set_xticks(range(len(chosen)), titles)
        if crowded:
            axis.tick_params(axis="x", rotation=30)
            for tick in axis.get_xticklabels():
                tick.set(ha="right", rotation_mode="anchor")
        axis.set(xlim=(-0.3, len(chosen) - 0.7), ylim=(-0.12, 1.12), yticks=[])
        axis.set_ylabel("worst mean \N{RIGHTWARDS ARROW} best mean")
        axis.grid(visible=False)
        axis.spines["left"].set_visible(False)
        axis.spines["bottom"].set_visible(False)
        axis.tick_params(axis="x", length=0)
        legend(figure)
        give_title(figure, caption(group))
        return finished(figure)


def parallel_metrics(group: Group, metrics: Sequence[str] = ()) -> list[MetricInfo]:
    """The metrics that `parallel` draws.

    Raises:
        ResultsError: as `parallel`.
    """
    rows = ranked(group)
    wanted = [m for m in pick(group, metrics) if m.higher_is_better is not None]
    chosen = [m for m in wanted if len(comparable_means(rows, m)) > 1]
    if len(rows) < 2 or len(chosen) < 2:
        raise ResultsError(
            f"{group.protocol}: a parallel plot needs at least two methods and two metrics with finite means; "
            f"there are {counted(len(rows), 'method')} and {counted(len(chosen), 'metric')}"
        )
    return chosen


def comparable_means(rows: Sequence[RankedResult], metric: MetricInfo) -> dict[str, float]:
    """The finite means of a metric, by label."""
    found = {row.label: row.means.get(metric.name, math.nan) for row in rows}
    return {label: mean for label, mean in found.items() if math.isfinite(mean)}
