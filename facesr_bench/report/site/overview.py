"""The first page: what ran, and a leaderboard per protocol and profile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facesr_bench.report.published import AnchorFile, read_anchors
from facesr_bench.report.site import downloads
from facesr_bench.report.site.axis import Axis
from facesr_bench.report.site.gallery import Gallery
from facesr_bench.report.site.pages import Pages, format_value, link
from facesr_bench.report.site.scatter import scatter
from facesr_bench.report.site.section import Section
from facesr_bench.report.site.views import View
from facesr_bench.results import statistics
from facesr_bench.results.columns import CostColumn, MetricInfo
from facesr_bench.results.comparison import Comparison
from facesr_bench.results.leaderboard import RankedResult
from facesr_bench.results.record import MethodRecord

ON_INDEX = 4
"""Images shown below each leaderboard; the others are a click away."""


@dataclass(frozen=True)
class Cell:
    """One number of a leaderboard.

    Attributes:
        text: None where there is no value.
        qualifier: what must stand right behind a value of a whole set.
        order: what the column is sorted by.
        place: `best`, `second` or empty.
        interval: `24.9 to 26.1`, or empty.
        tied: the difference from the best is not significant.
        words: all that is known of it, in a sentence or two.
        against: how it stands against the best; empty for the best itself.
        bounds: of the interval; None where there is none.
        whisker: where the interval begins, its mean lies and it ends, in percent of its column's span.
    """

    text: str | None
    order: str
    qualifier: str = ""
    place: str = ""
    interval: str = ""
    tied: bool = False
    words: str = ""
    against: str = ""
    bounds: tuple[float, float] | None = None
    whisker: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Line:
    """One row of a leaderboard."""

    row: RankedResult
    page: str | None
    source: str
    cells: list[Cell]
    costs: list[Cell]


class Board:
    """The leaderboard of one section."""

    def __init__(self, pages: Pages, view: View, method_pages: Mapping[str, Path], anchors: AnchorFile) -> None:
        self.view, self.section = view, view.section
        section = view.section
        self.gallery = Gallery(view, pages.index, for_hero=True)
        self._pages, self._method_pages = pages, method_pages
        self.comparisons = section.comparisons
        self.anchors = anchors.of(section.group)
        self.anchor_checks = anchors.checks(section.group)
        self.costs = section.group.costs("board")
        self.lines = _with_whiskers([self._line(row) for row in section.group.rows])
        self.scatter = scatter(section.group)
        self.downloads = downloads.table(pages, section, anchors)
        self.tied = any(cell.tied for line in self.lines for cell in line.cells)

    def link(self, page: Path | None) -> str | None:
        """To one of the section's pages, if there is one."""
        return None if page is None else link(page, self._pages.index)

    @property
    def tradeoff(self) -> tuple[downloads.Download, ...]:
        """The scatter as files: the plot of the same numbers."""
        found = (plot.picture for plot in self.view.plots if plot.picture.light.stem == "tradeoff")
        return next((picture.downloads for picture in found), ())

    def plates(self) -> Any:
        """The first images."""
        return self.gallery.first(ON_INDEX)

    @property
    def uneven(self) -> bool:
        """Rows are means over different numbers of images, or over a part."""
        return any(not row.whole or row.n != self.section.group.n for row in self.section.group.rows)

    @property
    def families(self) -> dict[str, str]:
        """The family of columns that begins with a metric, by the metric's name; of columns that have a value."""
        found: dict[str, str] = {}
        for info in self.section.group.metrics:
            shown = info.aggregate_of is None and any(info.name in row.means for row in self.section.group.rows)
            if shown and info.family not in found.values():
                found[info.name] = info.family
        return found

    def _line(self, row: RankedResult) -> Line:
        cells = [cell_of(self.section, row, info) for info in self.section.group.metrics]
        page = self._method_pages.get(row.label)
        source = f"{link(self._pages.provenance, self._pages.index)}#{anchor_of(row)}"
        costs = [cost_cell(row, cost) for cost in self.costs]
        return Line(row, link(page, self._pages.index) if page else None, source, cells, costs)


def cell_of(section: Section, row: RankedResult, info: MetricInfo) -> Cell:
    """One metric of one row."""
    value = row.means.get(info.name)
    if value is None:
        return Cell(None, "", words="; ".join(row.reasons.get(info.name, {})) or "not computed in this run")
    found = section.comparisons.get((row.label, info.name))
    against = comparison_words(found, info.digits)
    return Cell(
        text=format_value(value, info.digits),
        order=repr(value),
        qualifier=row.qualifier(info),
        place="best" if info.name in row.best else "second" if info.name in row.second else "",
        interval=interval_text(found, info.digits),
        tied=found is not None and found.best is not None and not found.significant,
        words="; ".join(part for part in (interval_words(found, info.digits), against) if part),
        against=against,
        bounds=found.interval if found is not None else None,
    )


def _with_whiskers(lines: list[Line]) -> list[Line]:
    """Each column's intervals on one scale, from the least bound to the greatest."""
    columns = [[line.cells[i] for line in lines] for i in range(len(lines[0].cells))] if lines else []
    drawn = [_drawn(column) for column in columns]
    return [replace(line, cells=[column[i] for column in drawn]) for i, line in enumerate(lines)]


def _drawn(column: list[Cell]) -> list[Cell]:
    ends = [end for cell in column if cell.bounds for end in cell.bounds if math.isfinite(end)]
    if not ends or min(ends) == max(ends):
        return column
    axis = Axis.over(ends, margin=0)
    return [replace(cell, whisker=_whisker(cell, axis)) for cell in column]


def _whisker(cell: Cell, axis: Axis) -> tuple[float, float, float] | None:
    if cell.bounds is None:
        return None
    low, mean, high = cell.bounds[0], float(cell.order), cell.bounds[1]
    if not all(map(math.isfinite, (low, mean, high))):
        return None
    return axis.place(low), axis.place(mean), axis.place(high)


def interval_text(found: Comparison | None, digits: int) -> str:
    """`24.91 to 26.10`; empty where there is no interval."""
    if found is None or found.interval is None:
        return ""
    low, high = (format_value(end, digits) for end in found.interval)
    return f"{low} to {high}"


def interval_words(found: Comparison | None, digits: int) -> str:
    """How sure a mean is."""
    if found is not None and found.interval is not None:
        of = "" if found.persons is None else f" of {found.persons} persons"
        return f"95 % interval {interval_text(found, digits)} over {found.n} images{of}"
    return f"no interval: {found.no_interval}" if found is not None and found.no_interval else ""


def comparison_words(found: Comparison | None, digits: int) -> str:
    """How a mean stands against the best; empty for the best itself."""
    if found is None or found.best is None or found.p_holm is None or found.effect is None:
        return ""
    p = "p < 0.0001" if found.p_holm < 0.0001 else f"p = {found.p_holm:.2g}"
    words = (
        f"{'significant' if found.significant else 'not significant'}: Wilcoxon {p} after Holm, "
        f"effect size {format_value(found.effect, 2)}"
    )
    if found.difference is not None:
        words = f"{format_value(found.difference, digits)} against {found.best}, {words}"
    return f"{words}; {found.note}" if found.note else words


def cost_cell(row: RankedResult, cost: CostColumn) -> Cell:
    """One cost of one row."""
    text = row.cost_text(cost)
    return Cell(None, "") if text is None else Cell(text, repr(row.costs[cost.name]))


def anchor_of(row: RankedResult) -> str:
    """Where a row is on the provenance page."""
    return f"r-{row.fingerprint[-16:]}-{sum(row.label.encode()):x}"


@dataclass(frozen=True)
class Place:
    """A machine, in words, and what ran there."""

    words: str
    labels: list[str]


def where(section: Section) -> list[Place]:
    """What of a section ran on which machine."""
    found: dict[str, list[str]] = {}
    for row in section.group.rows:
        if row.error is not None:
            continue
        found.setdefault(row.machine, []).append(row.label)
    return [Place(words, labels) for words, labels in found.items()]


def write(
    pages: Pages, views: Sequence[View], method_pages: Mapping[str, Path], unreadable: Sequence[str] = ()
) -> Path:
    """Write index.html; its path.

    Args:
        unreadable: why results are left out, one text for each.
    """
    anchors = read_anchors()
    boards = [Board(pages, view, method_pages, anchors) for view in views]
    rows = [row for view in views for row in view.section.group.rows]
    methods: dict[str, MethodRecord] = {}
    for row in rows:
        methods.setdefault(row.label, row.result.manifest.method)
    return pages.render(
        pages.index,
        "index.html",
        page=pages.index,
        boards=boards,
        methods=methods,
        method_links={label: link(path, pages.index) for label, path in method_pages.items()},
        places={board.section.anchor: where(board.section) for board in boards},
        updated=max((row.result.manifest.updated for row in rows), default=""),
        few=statistics.FEW,
        unreadable=unreadable,
    )
