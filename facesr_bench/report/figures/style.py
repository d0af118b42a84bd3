"""What every figure shares: its style, how a method is drawn, which rows and metrics it shows, and writing it.

Figures are matplotlib's, shown in no window; `save` writes them. Only rows that ran on the same images
(`RankedResult.comparable`) are drawn. Methods keep their colour, marker and dashes in all plots of a results folder,
whichever of them a plot shows: seaborn's `colorblind` palette (two of it darkened), and shapes besides, so that no
plot depends on colour alone.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from facesr_bench.base.errors import FaceSRBenchWarning, ResultsError
from facesr_bench.base.files import replacing
from facesr_bench.base.grammar import Column
from facesr_bench.base.suggest import unknown
from facesr_bench.base.text import one_line
from facesr_bench.report.figures.form import NARROW, form
from facesr_bench.report.tables.sheet import chosen_metrics
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.leaderboard import Group, RankedResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png", "svg")
WIDTH = 6.9
"""Inches: the text width of a two-column paper."""
PNG_DPI = 300

PALETTE = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#9a6fb0", "#949494", "#9d9300", "#56b4e9",
)  # fmt: skip
"""The colours of methods: seaborn's `colorblind`, but for two that are too light for white paper."""
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

    ink, ground = form().ink, "none" if form().transparent else form().ink.ground
    settings = {
        **seaborn.axes_style("ticks"),
        **seaborn.plotting_context("paper", font_scale=0.9),
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), ink.text),
        "axes.grid": True,
        "axes.facecolor": "none",
        "grid.color": ink.grid,
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.facecolor": ink.ground,
        "font.family": form().fonts,
        "font.serif": ["STIXGeneral", "DejaVu Serif"],
        "mathtext.fontset": "stix" if form().serif else "dejavusans",
        "svg.hashsalt": "facesr-bench",
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "figure.facecolor": ground,
    }
    with mpl.rc_context(settings):
        yield


def save(figure: Figure, path: Path, format: str | None = None) -> None:  # noqa: A002
    """Write a figure whole or not at all; the same figure gives the same bytes.

    Args:
        format: `pdf`, `png` or `svg`; None: by the path's suffix.

    Raises:
        ResultsError: another format, or the file can't be written.
    """
    data = to_bytes(figure, format or path.suffix[1:].lower())
    with replacing(path) as partial:
        partial.write_bytes(data)


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
        with _in_our_words():
            figure.savefig(stream, format=format, dpi=dpi, metadata=metadata)
    return stream.getvalue()


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Say which characters the font lacks; what else matplotlib warns of is about its own ways of laying out.

    Warns:
        FaceSRBenchWarning: a character was drawn as a box.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    codes = {int(found[1]) for each in caught if (found := re.match(r"Glyph (\d+) .*missing", str(each.message)))}
    if codes:
        lacking = ", ".join(repr(chr(code)) for code in sorted(codes))
        said = f"the font of figures has no {lacking}: drawn as boxes"
        warnings.warn(said, FaceSRBenchWarning, stacklevel=4)


def plain(text: str) -> str:
    """Text from outside, for matplotlib to draw: on one line, without formulas, never taken for a hidden label."""
    text = one_line(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def palette() -> list[tuple[float, float, float]]:
    """`PALETTE` as red, green and blue in [0, 1]."""
    return [(int(c[1:3], 16) / 255, int(c[3:5], 16) / 255, int(c[5:7], 16) / 255) for c in PALETTE]


def colours_of(group: Group) -> dict[str, str]:
    """The colour of each row of a group as `#0173b2`, by label: that of its look in every plot."""
    return {label: PALETTE[place % len(PALETTE)] for label, place in _places(group).items()}


def _places(group: Group) -> dict[str, int]:
    dealt = _dealt({*group.among, *(row.label for row in group.rows)}, len(PALETTE))
    return {row.label: dealt[row.label] for row in group.rows}


def looks(group: Group) -> dict[str, Look]:
    """How each row of a group is drawn, by label: the same in every plot of one results folder."""
    colours = palette()
    return {
        label: Look(
            colours[place % len(colours)],
            _MARKERS[(place + place // len(colours)) % len(_MARKERS)],
            _DASHES[(place + place // len(colours)) % len(_DASHES)],
        )
        for label, place in _places(group).items()
    }


def _dealt(labels: Iterable[str], count: int) -> dict[str, int]:
    """A place for each label, no two alike; the first `count` places are used up before the next `count`.

    Where a label goes is its own hash's affair, or the next free place: so one more label seldom moves another.
    """
    found: dict[str, int] = {}
    taken: set[int] = set()
    for number, label in enumerate(sorted(labels)):
        wanted, round_of = crc32(label.encode()) % count, number // count * count
        place = next(p for step in range(count) if (p := round_of + (wanted + step) % count) not in taken)
        found[label] = place
        taken.add(place)
    return found


def ranked(group: Group) -> list[RankedResult]:
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
        names: only these can be drawn; None: every metric that a row has a mean of.

    Raises:
        ResultsError: a word means none; the message names those there are, and why the one meant has no value.
    """
    infos = {metric.name: metric for metric in group.metrics}
    if names is None:
        names = [name for name in infos if any(name in row.means for row in group.rows)]
    if not wanted:
        return [infos[name] for name in names if infos[name].aggregate_of is None]
    try:
        return [infos[name] for name in chosen_metrics(wanted, names)]
    except ResultsError as error:
        meant = [info for word in wanted for info in infos.values() if word in Column.parse(info.name).names()]
        reasons = {
            f"{info.title}: {why}" for info in meant for row in group.rows for why in row.reasons.get(info.name, ())
        }
        raise ResultsError("\n  ".join([str(error), *sorted(reasons)])) from error


def wide(natural: float) -> float:
    """The width of a figure, inches: the one asked for, or else what it needs."""
    return form().width or natural


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """An empty figure of a size in inches, drawn without a window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


LINE_INCHES, LETTER_INCHES = 0.6, 0.07
"""What the line of a legend's entry takes with the space around it, and a letter of its text, about."""
ROW_INCHES, ROWS = 0.18, 3
"""Height of a line of a legend, about; how many a figure has room for below its plot, or loses above one beside it."""


def legend(figure: Figure, **more: Any) -> None:
    """A legend beside the plot; below it where the figure is too narrow for that. Long names are wrapped."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if figure.get_figwidth() < NARROW:
        legend_below(figure, handles, [str(label) for label in labels], **more)
        return
    letters = max(22, letters_of_entry(figure.get_figwidth() / 3))
    wrapped = [textwrap.fill(str(each), letters) for each in labels]
    lines = sum(1 + each.count("\n") for each in wrapped)
    figure.set_figheight(max(figure.get_figheight(), ROW_INCHES * (lines + ROWS)))
    figure.legend(handles, wrapped, loc="outside right center", **more)


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str], **more: Any) -> None:
    """A legend below the plots: as many entries abreast as have room, and two at least.

    Long names are wrapped, and the figure is made higher by what more than a few lines take.
    """
    width, longest = figure.get_figwidth(), max(map(len, labels))
    fitting = [n for n in range(2, len(labels) + 1) if letters_of_entry(width / n) >= longest]
    abreast = max(fitting, default=min(2, len(labels)))
    wrapped = [textwrap.fill(each, letters_of_entry(width / abreast)) for each in labels]
    rows = -(-len(wrapped) // abreast)  # filled column by column
    columns = [wrapped[start : start + rows] for start in range(0, len(wrapped), rows)]
    lines = max(sum(1 + each.count("\n") for each in column) for column in columns)
    figure.set_figheight(figure.get_figheight() + ROW_INCHES * max(0, lines - ROWS))
    figure.legend(handles, wrapped, loc="outside lower center", ncols=abreast, **more)


def letters_of_entry(width: float) -> int:
    """How many letters an entry of a legend has room for.

    Args:
        width: of the entry, inches.
    """
    return max(8, int((width - LINE_INCHES) / LETTER_INCHES))


def finished(figure: Figure) -> Figure:
    """Settle the layout now, so that the bytes don't depend on what else the figure was written as before."""
    with _in_our_words():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def axis_label(metric: MetricInfo) -> str:
    """On two lines if it is long."""
    text = plain(metric.header)
    return text.replace(" (", "\n(", 1) if len(text) > 20 else text


def caption(group: Group) -> str:
    """What a figure shows, in one line: protocol, profile, n."""
    return plain(f"{group.protocol}, profile {group.profile}, n = {group.size}")


def invert_if_lower_is_better(axis: Any, metric: MetricInfo) -> bool:
    """Turn an axis round where lower is better, so that up or right is always better."""
    if metric.higher_is_better is False:
        axis.set_inverted(True)
        return True
    return False


def rows_of(group: Group, methods: Sequence[str]) -> list[RankedResult]:
    """These methods' rows in this order, or (none given) all that are ranked.

    Raises:
        ResultsError: a method that has no row, or none that can be drawn with the others.
    """
    rows = ranked(group)
    if not methods:
        return rows
    chosen: list[RankedResult] = []
    for name in methods:
        meant = [row for row in rows if name in {row.label, row.method}]
        if not meant:
            why = [f"{row.label}: {row.unranked}" for row in group.rows if name in {row.label, row.method}]
            if why:
                raise ResultsError(f"{group.protocol}: can't be drawn with the others: {'; '.join(why)}")
            raise ResultsError(unknown("method with results", name, [row.label for row in rows]))
        chosen += [row for row in meant if row not in chosen]
    return chosen
