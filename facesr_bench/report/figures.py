"""The plots of a leaderboard: distributions, trade-offs, error curves, all metrics at once; for papers and pages.

Each function returns a matplotlib Figure that no window shows; `save` writes it. Only rows that ran on the same images
(`RowSummary.comparable`) are drawn. Methods keep their colour, marker and dashes in all plots of a group: seaborn's
`colorblind` palette, and shapes besides, so that no plot is told by colour alone.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesr_bench.errors import ResultsError
from facesr_bench.faces.nme import auc, cumulative_curve, failure_rate
from facesr_bench.ranking import Group
from facesr_bench.report.sheet import chosen_metrics, one_line
from facesr_bench.stats import FEW, Comparisons, compare
from facesr_bench.summary import RowSummary, per_image_values
from facesr_bench.totals import MetricInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png", "svg")
WIDTH = 6.9
"""Inches: the text width of a two-column paper."""
PNG_DPI = 300
MOST_POINTS = 400
"""Up to so many images, a distribution shows each one."""

_MARKERS = "osD^vP*Xhp"
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)), (0, (8, 2)))


@dataclass(frozen=True)
class Look:
    """How a method is drawn in every plot."""

    colour: tuple[float, float, float]
    marker: str
    dashes: Any


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's settings for every figure here; SVG keeps text as text and has no random names in it."""
    import matplotlib as mpl
    import seaborn

    settings = {
        **seaborn.axes_style("ticks"),
        **seaborn.plotting_context("paper", font_scale=0.9),
        "axes.grid": True,
        "grid.color": "0.9",
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "svg.hashsalt": "facesr-bench",
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "figure.facecolor": "white",
    }
    with mpl.rc_context(settings):
        yield


def save(figure: Figure, path: Path, format: str | None = None) -> None:  # noqa: A002
    """Write a figure whole or not at all; the same figure gives the same bytes.

    Args:
        format: `pdf`, `png` or `svg`; none: by the path's suffix.

    Raises:
        ResultsError: another format, or the file can't be written.
    """
    data = to_bytes(figure, format or path.suffix[1:].lower())
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise ResultsError(f"{path}: can't be written: {error.strerror or error}") from error


def to_bytes(figure: Figure, format: str) -> bytes:  # noqa: A002
    """A figure as the bytes of a file, without date.

    Raises:
        ResultsError: no such format.
    """
    if format not in FORMATS:
        raise ResultsError(f"no figure format is called {format!r}; known: {', '.join(FORMATS)}")
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[format]
    stream = io.BytesIO()
    with style():
        dpi = getattr(figure, "exact_dpi", PNG_DPI)
        figure.savefig(stream, format=format, dpi=dpi, metadata=metadata)
    return stream.getvalue()


def plain(text: str) -> str:
    """A stranger's text as matplotlib shall draw it: no formulas in it, on one line, never taken for a hidden label."""
    text = one_line(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def looks(group: Group) -> dict[str, Look]:
    """How each row of a group is drawn, by label; independent of their order in the table."""
    import seaborn

    colours = seaborn.color_palette("colorblind")
    labels = sorted(row.label for row in group.rows)
    return {
        label: Look(
            colours[i % len(colours)],
            _MARKERS[(i + i // len(colours)) % len(_MARKERS)],
            _DASHES[(i + i // len(colours)) % len(_DASHES)],
        )
        for i, label in enumerate(labels)
    }


def ranked(group: Group) -> list[RowSummary]:
    """The rows that may be drawn together, best first.

    Raises:
        ResultsError: there are none.
    """
    rows = [row for row in group.rows if row.comparable]
    if not rows:
        raise ResultsError(
            f"{group.protocol}, profile {group.profile}: no image was scored, so there is nothing to draw"
        )
    return rows


def pick(group: Group, wanted: Sequence[str], names: Sequence[str] | None = None) -> list[MetricInfo]:
    """The metrics of a group that a user's words mean (as in `table --metrics`), in their order.

    No words: all but those made of all values of another.

    Args:
        names: only these can be drawn; none: every metric that a row has a mean of.

    Raises:
        ResultsError: a word means none; the message names those there are.
    """
    infos = {metric.name: metric for metric in group.metrics}
    if names is None:
        names = [name for name in infos if any(name in row.means for row in group.rows)]
    if not wanted:
        return [infos[name] for name in names if infos[name].aggregate_of is None]
    return [infos[name] for name in chosen_metrics(wanted, names)]


def _new(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def _finished(figure: Figure) -> Figure:
    """Settle the layout now, so that the bytes don't depend on what else the figure was written as before."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def _axis_label(metric: MetricInfo) -> str:
    """On two lines if it is long."""
    text = plain(metric.header)
    return text.replace(" (", "\n(", 1) if len(text) > 20 else text


def _caption(group: Group) -> str:
    return plain(f"{group.protocol}, profile {group.profile}, n = {group.size}")


def _inverted(axis: Any, metric: MetricInfo) -> bool:
    """Turn an axis round where lower is better, so that up or right is always better."""
    if metric.higher_is_better is False:
        axis.set_inverted(True)
        return True
    return False


# -- distributions -----------------------------------------------------------------------------------------------------


def distribution(group: Group, metrics: Sequence[str] = (), *, kind: Literal["violin", "ecdf"] = "violin") -> Figure:
    """How the values of each image spread: one panel per metric, one violin or step curve per method.

    Violins end at the least and greatest value and hold a dot for each image (up to `MOST_POINTS`); of fewer than
    `stats.FEW` images there are only the dots. The mean stands in black, with its 95 % bootstrap interval. Infinite
    values are left out, and counted in the panel's title.

    Raises:
        ResultsError: nothing to draw, an unknown metric, or one that has no values per image.
    """
    rows = ranked(group)
    values = {row.label: per_image_values(row) for row in rows}
    names = [m.name for m in group.metrics if any(values[row.label].get(m.name) for row in rows)]
    chosen = pick(group, metrics, names)
    if not chosen:
        raise ResultsError(f"{group.protocol}: no metric has values per image, so there is nothing to draw")
    with style():
        columns = min(len(chosen), 3)
        lines = math.ceil(len(chosen) / columns)
        height = 1.2 + 0.34 * len(rows) if kind == "violin" else 2.5
        figure, axes = _new(
            WIDTH * (columns / 3 if columns < 3 else 1) + (1.2 if columns < 3 else 0), height * lines, lines, columns
        )
        statistics: Comparisons = compare(group) if kind == "violin" else {}
        for axis, metric in zip(axes, chosen, strict=False):
            given = {row.label: _finite(values[row.label].get(metric.name, {})) for row in rows}
            infinite = sum(len(values[row.label].get(metric.name, {})) - len(given[row.label]) for row in rows)
            if kind == "violin":
                _violins(axis, group, given, metric.name, statistics)
            else:
                _steps(axis, group, given)
            axis.set_xlabel(_axis_label(metric))
            axis.set_title(f"{infinite} infinite not drawn" if infinite else "", fontsize="small")
        for axis in axes[len(chosen) :]:
            axis.remove()
        for i in range(len(chosen)):
            if i % columns:
                axes[i].tick_params(labelleft=kind != "violin")
                axes[i].set_ylabel("")
        if kind == "ecdf":
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
        figure.suptitle(_caption(group), fontsize="medium")
        return _finished(figure)


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
            axis.plot([cell.mean], [place], marker="o", markersize=3.5, color="black", zorder=4)
            if cell.interval is not None:
                axis.plot(cell.interval, [place, place], color="black", linewidth=1.4, zorder=3)
    axis.set_yticks(range(len(given)), [plain(label) for label in given])
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


def tradeoff(group: Group, x: str = "psnr", y: str = "lpips") -> Figure:
    """Means of two metrics against each other, the area of a point by the method's parameters; up and right is better.

    Bars are 95 % bootstrap intervals. A hollow point has no parameters (interpolation) or none that its card states.

    Raises:
        ResultsError: nothing to draw, or no method has a finite mean of both metrics; names the metrics there are.
    """
    rows = ranked(group)
    try:
        (across,), (up,) = pick(group, [x])[:1], pick(group, [y])[:1]
    except ResultsError as error:
        raise ResultsError(f"{error}\n  choose with --x and --y") from error
    points = {
        row.label: (row.means[across.name], row.means[up.name], row.parameters)
        for row in rows
        if math.isfinite(row.means.get(across.name, math.nan)) and math.isfinite(row.means.get(up.name, math.nan))
    }
    if not points:
        raise ResultsError(f"{group.protocol}: no method has a finite mean of both {across.title} and {up.title}")
    statistics, look = compare(group), looks(group)
    with style():
        figure, (axis,) = _new(5.2, 3.4)
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
                color=colour if parameters else "white",
                edgecolors=colour,
                linewidths=1.2,
                zorder=2,
                label=plain(_with_parameters(label, parameters)),
            )
        axis.set_xlabel(_axis_words(across, _inverted(axis.xaxis, across)))
        axis.set_ylabel(_axis_words(up, _inverted(axis.yaxis, up)))
        axis.margins(0.08)
        figure.legend(loc="outside right center", fontsize="small", title="Area: parameters", title_fontsize="small")
        figure.suptitle(f"{_caption(group)}\nup and to the right is better", fontsize="medium")
        return _finished(figure)


def _area(parameters: int | None) -> float:
    """Points squared; proportional to the parameters from 1 to 100 million, so that areas can be compared."""
    return 26 + 6 * min(parameters or 0, 100_000_000) / 1e6


def _with_parameters(label: str, parameters: int | None) -> str:
    return label if not parameters else f"{label} ({parameters / 1e6:.1f} M)"


def _axis_words(metric: MetricInfo, inverted: bool) -> str:
    return plain(metric.header) + (", axis inverted" if inverted else "")


# -- landmarks ---------------------------------------------------------------------------------------------------------


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


def landmark_errors(group: Group, metric: str = "nme", limit: float | None = None) -> Errors:
    """The errors behind `curve`; arguments and errors are its own."""
    rows = ranked(group)
    values = {row.label: per_image_values(row) for row in rows}
    names = [m.name for m in group.metrics if any(values[row.label].get(m.name) for row in rows)]
    lower = [m.name for m in group.metrics if m.name in names and m.higher_is_better is False]
    try:
        info = pick(group, [metric], lower)[0]
    except ResultsError as error:
        known = ", ".join(lower) or "none of these results has values of one"
        raise ResultsError(
            f"{group.protocol}: an error curve needs a metric like `nme`, with lower values better and one value per "
            f"image, and {metric!r} is none here; there is: {known}"
        ) from error
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


def curve_table(group: Group, metric: str = "nme", *, limit: float | None = None) -> str:
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
                [group.protocol, group.profile, errors.info.name, label, repr(float(error)), repr(float(share))]
            )
    return stream.getvalue()


def curve(group: Group, metric: str = "nme", *, limit: float | None = None) -> Figure:
    """Cumulative error curves: the share of images whose error is at most x; area under it and failures in the legend.

    An image whose face was not found counts as an infinite error. Images that a method has neither a value nor a lost
    face of are left out for all; the title counts the others.

    Args:
        limit: where the curves end, in the metric's unit; above it an image is a failure; none: the greatest limit that
            the metric's own areas have, or 10.

    Raises:
        ResultsError: nothing to draw, no such metric, one where higher is better, or a limit that is not positive.
    """
    errors = landmark_errors(group, metric, limit)
    info, limit, ids = errors.info, errors.limit, errors.ids
    look = looks(group)
    with style():
        figure, (axis,) = _new(5.2, 3.2)
        for name, given in errors.values.items():
            across, shares = cumulative_curve(given, limit)
            area, failures = 100 * auc(given, limit), 100 * failure_rate(given, limit)
            label = plain(f"{name}: AUC {area:.2f} %, failures {failures:.1f} %")
            axis.plot(across, shares, label=label, color=look[name].colour, linestyle=look[name].dashes)
        axis.set(xlim=(0, limit), ylim=(0, 1.01), xlabel=plain(info.header), ylabel="Share of images")
        figure.legend(loc="outside lower center", ncols=2, fontsize="small")
        unit = f" {info.unit}" if info.unit else ""
        failing = f"failure: above {limit:g}{unit}, or no face found"
        size = group.size if len(ids) == group.n else f"{len(ids)} of {group.total}"
        title = plain(f"{group.protocol}, profile {group.profile}, n = {size}")
        figure.suptitle(f"{title}\n{plain(failing)}", fontsize="medium")
        return _finished(figure)


def _errors(row: RowSummary, metric: str, values: Mapping[str, float]) -> dict[str, float]:
    lost = (image.id for image in row.result.rows().values() if metric in image.undetected)
    return {**dict.fromkeys(lost, math.inf), **values}


# -- all metrics at once -----------------------------------------------------------------------------------------------


def parallel(group: Group, metrics: Sequence[str] = ()) -> Figure:
    """One vertical axis per metric, from the worst mean drawn to the best, and one line per method; up is better.

    The axes show what is gained where, not how much: each has its own scale, written at its ends.

    Raises:
        ResultsError: fewer than two methods, or than two metrics with a direction and finite means of two methods.
    """
    rows = ranked(group)
    chosen = [m for m in pick(group, metrics) if m.higher_is_better is not None and len(_means(rows, m)) > 1]
    if len(rows) < 2 or len(chosen) < 2:
        raise ResultsError(
            f"{group.protocol}: a parallel plot needs at least two methods and two metrics with finite means; "
            f"there are {len(rows)} method(s) and {len(chosen)} metric(s)"
        )
    look = looks(group)
    with style():
        figure, (axis,) = _new(max(4.2, 1.25 * len(chosen) + 1.2), 3.4)
        heights: dict[str, list[float]] = {row.label: [math.nan] * len(chosen) for row in rows}
        for place, metric in enumerate(chosen):
            means = _means(rows, metric)
            worst, best = min(means.values()), max(means.values())
            if not metric.higher_is_better:
                worst, best = best, worst
            for label, mean in means.items():
                heights[label][place] = 0.5 if best == worst else (mean - worst) / (best - worst)
            axis.axvline(place, color="0.75", linewidth=0.8, zorder=0)
            for end, height, side in ((best, 1, "bottom"), (worst, 0, "top")):
                text = metric.format(end) if best != worst or height else ""
                offset = 5 if height else -5
                axis.annotate(
                    text, (place, height), (0, offset), textcoords="offset points", ha="center", va=side,
                    fontsize="small", color="0.25", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
                )  # fmt: skip
        for label, line in heights.items():
            axis.plot(
                range(len(chosen)), line, label=plain(label), color=look[label].colour, linestyle=look[label].dashes,
                marker=look[label].marker, markersize=5, linewidth=1.4, clip_on=False,
            )  # fmt: skip
        axis.set_xticks(range(len(chosen)), [plain(m.header).replace(" (", "\n(") for m in chosen])
        axis.set(xlim=(-0.3, len(chosen) - 0.7), ylim=(-0.12, 1.12), yticks=[])
        axis.set_ylabel("worst mean \N{RIGHTWARDS ARROW} best mean")
        axis.grid(visible=False)
        axis.spines["left"].set_visible(False)
        axis.spines["bottom"].set_visible(False)
        axis.tick_params(axis="x", length=0)
        figure.legend(loc="outside right center")
        figure.suptitle(_caption(group), fontsize="medium")
        return _finished(figure)


def _means(rows: Sequence[RowSummary], metric: MetricInfo) -> dict[str, float]:
    found = {row.label: row.means.get(metric.name, math.nan) for row in rows}
    return {label: mean for label, mean in found.items() if math.isfinite(mean)}
