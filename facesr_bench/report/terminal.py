"""The table that a run ends with, in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from facesr_bench.report.tables import DASH, one_line
from facesr_bench.summary import Group, RowSummary, groups


def print_tables(rows: Sequence[RowSummary], console: Console) -> None:
    """One table per (protocol, profile): best bold, second underlined, and what is missing said below."""
    if not rows:
        console.print(Text("No results yet."))
    for group in groups(rows):
        heading = f"{group.protocol} · profile {group.profile} · n = {group.size}"
        console.print(Text(one_line(heading), style="bold"))
        console.print(_table(group))
        for labels, note in group.notes():
            console.print(Text(f"{one_line(labels)}: {one_line(note)}", style="yellow"), soft_wrap=True)
        console.print()


def _table(group: Group) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    # Text, never str: rich would read [brackets] in a name as markup.
    table.add_column(Text("Method"))
    table.add_column(Text("n"), justify="right")
    metrics = [metric for metric in group.metrics if metric.aggregate_of is None]  # a terminal is not that wide
    for metric in metrics:
        table.add_column(Text(one_line(metric.header)), justify="right", overflow="fold")
    failures = any(row.failed for row in group.rows)
    if failures:
        table.add_column(Text("Failed"), justify="right")
    table.add_column(Text("ms/image"), justify="right")
    for row in group.rows:
        cells = [Text(one_line(row.label)), Text(str(row.n) if row.comparable else f"{row.n} (not ranked)")]
        for metric in metrics:
            style = "bold" if metric.name in row.best else "underline" if metric.name in row.second else ""
            value = row.means.get(metric.name)
            # A span, not the style of the whole cell: that would underline the padding too.
            text = DASH if value is None else metric.format(value)
            cells.append(Text.assemble((text, style), row.qualifier(metric)))
        if failures:
            cells.append(Text(str(row.failed), style="bold red" if row.failed else ""))
        cells.append(Text(DASH if row.ms_per_image is None else f"{row.ms_per_image:.1f}"))
        table.add_row(*cells, style="" if row.comparable else "dim")
    return table
