"""The table that a run ends with, in the terminal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facesr_bench.base.text import one_line
from facesr_bench.report.tables.render import DASH
from facesr_bench.results.columns import MetricInfo, Totals
from facesr_bench.results.leaderboard import Group, RankedResult, groups
from facesr_bench.results.summary import ResultSummary

GAP = 2
"""Blanks between columns."""


@dataclass
class Column:
    """One column: its header wraps between words, its cells never wrap."""

    header: str
    cells: list[Text]

    @property
    def width(self) -> int:
        """Characters that its longest line takes."""
        return max([*map(cell_len, self.header.split()), *(cell.cell_len for cell in self.cells)], default=1)


def print_tables(rows: Sequence[ResultSummary], console: Console, asked: Collection[str] | None = None) -> None:
    """One table per (protocol, profile), cut into as many as the terminal's width asks for.

    Best bold, second underlined, and what is missing said below.

    Args:
        asked: only these columns; None: all that the results hold, less those made of all values of a metric (areas,
            failure rates).
    """
    if not rows:
        console.print(Text("No results yet."))
    for group in groups(rows):
        heading = f"{group.protocol} · profile {group.profile} · n = {group.size}"
        shown = [m.name for m in group.metrics if (not m.unasked if asked is None else m.name in asked)]
        first, others = _columns(group, shown)
        print_columns(heading, first, others, [not row.comparable for row in group.rows], console)
        for labels, note in group.notes(shown):
            # A note may hold lines to copy.
            lines = "\n    ".join(one_line(line) for line in note.splitlines())
            console.print(Text(f"{one_line(labels)}: {lines}", style="yellow"), soft_wrap=True)
        console.print()


def print_totals(heading: str, label: str, infos: Mapping[str, MetricInfo], totals: Totals, console: Console) -> None:
    """A table of one row: the numbers of pictures that no run has made."""
    columns = [
        Column(one_line(info.header), [Text(info.format(totals.means[name]) + totals.qualifier(info))])
        for name, info in infos.items()
        if name in totals.means
    ]
    print_columns(heading, Column("Pictures", [Text(one_line(label))]), columns, [False], console)
    console.print()


def print_columns(heading: str, first: Column, others: Sequence[Column], dim: Sequence[bool], console: Console) -> None:
    """A heading and a table, cut into as many as the width asks for."""
    console.print(Text(one_line(heading), style="bold"), soft_wrap=True)
    if not others:
        return
    for part in _parts(first, others, console.width):
        console.print(_table([first, *part], dim))


def _columns(group: Group, shown: Collection[str]) -> tuple[Column, list[Column]]:
    """The methods' names, and the columns of numbers."""
    first = Column("Method", [Text.assemble(one_line(row.label), (_badge(row), "dim")) for row in group.rows])
    counts = [row.size if row.comparable else f"{row.size} (not ranked)" for row in group.rows]
    columns = [Column("n", [Text(count) for count in counts])]
    for metric in group.metrics:
        if metric.name in shown:
            cells = [_cell(row, metric) for row in group.rows]
            if any(cell.plain != DASH for cell in cells):  # a note names what nobody has a number of
                columns.append(Column(one_line(metric.header), cells))
    if any(row.failed for row in group.rows):
        styles = ["bold red" if row.failed else "" for row in group.rows]
        failed = [Text(str(row.failed), style) for row, style in zip(group.rows, styles, strict=True)]
        columns.append(Column("Failed", failed))
    for cost in group.costs("terminal"):
        texts = [row.cost_text(cost) or DASH for row in group.rows]
        columns.append(Column(cost.header, [Text(text) for text in texts]))
    return first, columns


def _badge(row: RankedResult) -> str:
    return f" · {row.badge}" if row.badge else ""


def _cell(row: RankedResult, metric: MetricInfo) -> Text:
    value = row.means.get(metric.name)
    style = "bold" if metric.name in row.best else "underline" if metric.name in row.second else ""
    return Text.assemble((DASH if value is None else metric.format(value), style), row.qualifier(metric))


def _parts(first: Column, others: Sequence[Column], width: int) -> list[list[Column]]:
    """The columns in portions that fit beside the first."""
    parts: list[list[Column]] = [[]]
    left = width - first.width
    for column in others:
        needed = column.width + GAP
        if needed > left and parts[-1]:
            parts.append([])
            left = width - first.width
        parts[-1].append(column)
        left -= needed
    return parts


def _table(columns: Sequence[Column], dim: Sequence[bool]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
    for number, column in enumerate(columns):
        # Text, never str: rich would read [brackets] in a name as markup.
        header = Text(column.header)
        table.add_column(header, justify="right" if number else "left", min_width=column.width, max_width=column.width)
    for number, faint in enumerate(dim):
        table.add_row(*(column.cells[number] for column in columns), style="dim" if faint else "")
    return table
