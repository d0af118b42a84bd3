"""One table of methods x protocols: a row per method, and beside each other what it reached on each protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from facesr_bench.base.errors import ResultsError
from facesr_bench.report.published import read_anchors
from facesr_bench.report.tables.render import latex_table, md, md_cell, md_row, split_title, tex, tex_row, tex_titles
from facesr_bench.report.tables.sheet import DASH, PUBLISHED, Cell, Line, Options, Sheet, chosen_metrics, make_sheet
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.leaderboard import Group, groups
from facesr_bench.results.summary import ResultSummary, metrics_of

FORMATS = ("markdown", "latex")
_OWN = "parameters"
"""The one cost that is a method's own, whatever the protocol."""


@dataclass(frozen=True)
class Block:
    """The columns of one protocol under one profile."""

    title: str
    facts: str
    metrics: tuple[MetricInfo, ...]


@dataclass(frozen=True)
class Joint:
    """Several sheets beside each other, in plain text.

    Attributes:
        lines: what was measured, in the order of the first block, with cells of all blocks; published: what was read.
    """

    blocks: tuple[Block, ...]
    costs: tuple[str, ...]
    lines: tuple[Line, ...]
    published: tuple[Line, ...]
    legend: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]

    @property
    def metrics(self) -> list[MetricInfo]:
        """Of all its protocols, in the order of columns."""
        return [metric for block in self.blocks for metric in block.metrics]


def render_joint(rows: Sequence[ResultSummary], format: str, options: Options | None = None) -> str:  # noqa: A002
    """All rows as one table, as text that ends in a newline. Best and second are found within each protocol.

    Raises:
        ResultsError: a format that has none, a cost that is not the method's own, no such metric, or no results.
    """
    options = options or Options(costs=(_OWN,))
    if format not in FORMATS:
        raise ResultsError(
            f"a table of methods x protocols is made in {' and '.join(FORMATS)}, not in {format}; "
            "the csv has a row per method and protocol already"
        )
    if options.costs is not None and set(options.costs) - {_OWN}:
        others = ", ".join(sorted(set(options.costs) - {_OWN}))
        raise ResultsError(f"{others}: each protocol has its own; a table of several shows `parameters` or `none`")
    if options.metrics:
        chosen_metrics(options.metrics, metrics_of(rows))
    table = join(groups(rows), replace(options, costs=(_OWN,) if options.costs is None else options.costs))
    return _markdown(table) if format == "markdown" else _latex(table)


def join(found: Sequence[Group], options: Options) -> Joint:
    """Groups as one table.

    Raises:
        ResultsError: there is none, or the images of a result can't be read.
    """
    if not found:
        raise ResultsError("no results yet, so there is nothing to join")
    anchors = read_anchors() if options.published else None
    sheets = [make_sheet(group, options, anchors) for group in found]
    blocks = [
        Block(group.protocol, f"{group.profile}, n = {group.size}", sheet.metrics)
        for group, sheet in zip(found, sheets, strict=True)
    ]
    costs = tuple(dict.fromkeys(name for sheet in sheets for name in sheet.costs))
    named = len({group.protocol for group in found}) == len(found)
    notes: dict[tuple[str, str], list[str]] = {}
    for group, sheet in zip(found, sheets, strict=True):
        for note in sheet.notes:
            notes.setdefault(note, []).append(group.protocol if named else f"{group.protocol}, {group.profile}")
    return Joint(
        tuple(blocks),
        costs,
        _lines([sheet.lines for sheet in sheets], sheets, found, costs),
        _lines([sheet.published for sheet in sheets], sheets, found, costs),
        tuple(dict.fromkeys(sentence for sheet in sheets for sentence in sheet.legend)),
        tuple(
            (labels if len(on) == len(found) else f"{labels} on {', '.join(on)}", note)
            for (labels, note), on in notes.items()
        ),
    )


def _lines(
    parts: Sequence[Sequence[Line]], sheets: Sequence[Sheet], found: Sequence[Group], costs: Sequence[str]
) -> tuple[Line, ...]:
    """The rows of all parts by label, with dashes where a method did not run."""
    labels = dict.fromkeys(line.label for part in parts for line in part)
    return tuple(_line(label, parts, sheets, found, costs) for label in labels)


def _line(
    label: str,
    parts: Sequence[Sequence[Line]],
    sheets: Sequence[Sheet],
    found: Sequence[Group],
    costs: Sequence[str],
) -> Line:
    cells: list[Cell] = []
    known: dict[str, str] = {}
    counts, cite = [], ""
    for part, sheet, group in zip(parts, sheets, found, strict=True):
        line = next((line for line in part if line.label == label), None)
        cells += line.cells if line else [Cell(DASH)] * len(sheet.metrics)
        if line:
            cite = cite or line.cite
            known.update((k, v) for k, v in zip(sheet.costs, line.costs, strict=True) if v != DASH)
            counts += [f"n = {n} on {group.protocol}" for n in line.n if n not in {group.size, str(group.total)}]
    shown = f"{label} ({', '.join(counts)})" if counts else label
    return Line(shown, (), tuple(cells), tuple(known.get(name, DASH) for name in costs), cite)


def _markdown(table: Joint) -> str:
    header = ["Method"]
    for block in table.blocks:
        header += [f"{md(block.title)}<br>{md(metric.header)}" for metric in block.metrics]
    header += table.costs
    facts = "; ".join(f"**{md(block.title)}**: {md(block.facts)}" for block in table.blocks)
    lines = [facts, "", md_row(header), md_row(["---", *["---:"] * (len(header) - 1)])]
    lines += [md_row([md(line.label), *map(md_cell, line.cells), *line.costs]) for line in table.lines]
    if table.published:
        lines.append(md_row([f"*{PUBLISHED}:*", *[""] * (len(header) - 1)]))
        lines += [md_row([f"*{md(line.label)}*", *map(md_cell, line.cells), *line.costs]) for line in table.published]
    lines += ["", md(" ".join(table.legend))] if table.legend else []
    lines += ["", *(f"- {md(labels)}: {md(note)}" for labels, note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


def _latex(table: Joint) -> str:
    titles = [split_title(metric.header) for metric in table.metrics]
    return latex_table(
        environment="table*",
        caption="; ".join(tex(f"{block.title}: {block.facts}") for block in table.blocks),
        titles=tex_titles([*titles, *map(split_title, table.costs)]),
        sheet=replace(table, lines=_without_n(table.lines), published=_without_n(table.published)),
        heads=_heads(table),
    )


def _without_n(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(replace(line, n=()) for line in lines)


def _heads(table: Joint) -> Iterable[str]:
    """The protocols, each over its columns, with a rule below."""
    cells, rules, at = [""], [], 2
    for block in table.blocks:
        if not block.metrics:
            continue
        cells.append(rf"\multicolumn{{{len(block.metrics)}}}{{c}}{{{tex(block.title)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + len(block.metrics) - 1}}}")
        at += len(block.metrics)
    yield tex_row([*cells, *[""] * len(table.costs)])
    yield "".join(rules)
