"""Tables to paste: CSV for programs, markdown for an issue, LaTeX (booktabs) for a paper."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Sequence

from facesr_bench.errors import ResultsError
from facesr_bench.summary import Group, MetricInfo, RowSummary, columns, groups, records

FORMATS = ("csv", "markdown", "latex")

DASH = "\N{EN DASH}"
"""What a cell without a value shows."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # After the \\ of the row before, these two would be read as its arguments.
    "[": "{[}",
    "*": "{*}",
    # babel makes it active in German and others.
    '"': r"\char34{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "·": r"$\cdot$",
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "…": r"\dots{}",
    "∞": r"$\infty$",
}


def render(rows: Sequence[RowSummary], format: str) -> str:  # noqa: A002
    """The rows as text ending in a newline.

    `csv` has one row per result in the order given and numbers at full precision; the others have one table per
    (protocol, profile), best first, the best mean bold and the second underlined.

    Raises:
        ResultsError: no such format.
    """
    writers: dict[str, Callable[[Sequence[RowSummary]], str]]
    writers = dict(zip(FORMATS, (_csv, _markdown, _latex), strict=True))
    if format not in writers:
        raise ResultsError(f"no table format is called {format!r}; known: {', '.join(FORMATS)}")
    return writers[format](rows)


def one_line(text: str) -> str:
    """`text` on one line, and safe to print: control characters (terminal escapes, say) become U+FFFD."""
    joined = " ".join(text.split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in joined)


def _csv(rows: Sequence[RowSummary]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records(rows))  # csv writes floats with repr, none as an empty cell
    return stream.getvalue()


def _size(row: RowSummary) -> str:
    return str(row.n) if row.comparable else f"{row.n} (not ranked)"


def _milliseconds(row: RowSummary) -> str:
    return DASH if row.ms_per_image is None else f"{row.ms_per_image:.1f}"


def _markdown(rows: Sequence[RowSummary]) -> str:
    return "\n".join(_markdown_group(group) for group in groups(rows)) or "No results yet.\n"


def _markdown_group(group: Group) -> str:
    caption = f"**{_md(group.protocol)}**, profile {_md(group.profile)}, n = {group.size}"
    header = ["Method", "n", *(_md(metric.header) for metric in group.metrics), "ms/image"]
    lines = [caption, "", _md_row(header), _md_row(["---", *["---:"] * (len(header) - 1)])]
    for row in group.rows:
        cells = [_md_cell(row, metric) for metric in group.metrics]
        lines.append(_md_row([_md(row.label), _size(row), *cells, _milliseconds(row)]))
    notes = [f"- {_md(labels)}: {_md(note)}" for labels, note in group.notes()]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def _md_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _md_cell(row: RowSummary, metric: MetricInfo) -> str:
    if metric.name not in row.means:
        return DASH
    text = metric.format(row.means[metric.name])
    if metric.name in row.best:
        return f"**{text}**"
    return f"<u>{text}</u>" if metric.name in row.second else text


def _md(text: str) -> str:
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text)


def _latex(rows: Sequence[RowSummary]) -> str:
    return "\n".join(_latex_group(group) for group in groups(rows)) or "% no results yet\n"


def _latex_group(group: Group) -> str:
    caption = f"{_tex(group.protocol)}, profile {_tex(group.profile)}, $n = {group.n}$"
    if group.n != group.total:
        caption += f" of {group.total}"
    header = ["Method", "$n$", *(_tex(metric.header) for metric in group.metrics), "ms/image"]
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption}. Best in bold, second underlined.}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"    \toprule",
        f"    {_tex_row(header)}",
        r"    \midrule",
    ]
    for row in group.rows:
        cells = [_tex_cell(row, metric) for metric in group.metrics]
        lines.append(f"    {_tex_row([_tex(row.label), _size(row), *cells, _tex(_milliseconds(row))])}")
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    notes = [rf"  \par\footnotesize {_tex(labels)}: {_tex(note)}" for labels, note in group.notes()]
    return "\n".join([*lines, *notes, r"\end{table}"]) + "\n"


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _tex_cell(row: RowSummary, metric: MetricInfo) -> str:
    value = row.means.get(metric.name)
    if value is None:
        return "--"
    text = metric.format(value)
    if not math.isfinite(value):
        text = r"$\infty$" if value > 0 else r"$-\infty$"
    if metric.name in row.best:
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if metric.name in row.second else text


def _tex(text: str) -> str:
    escaped = "".join(_tex_character(c) for c in one_line(text))
    return re.sub(r"-(?=-)", "-{}", escaped)  # or two hyphens would become a dash


def _tex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    # pdfLaTeX stops at letters its fonts lack; Latin-1 letters it has.
    if character.isascii() or (ord(character) < 0x180 and character.isalpha()):
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"
