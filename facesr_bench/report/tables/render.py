"""Tables to paste: CSV and JSON for programs, markdown for an issue, LaTeX (booktabs) for a paper, HTML for a page.

Markdown, LaTeX and HTML are three spellings of one `Sheet`; CSV and JSON hold the same numbers at full precision.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Protocol

from facesr_bench.base.as_json import json_text
from facesr_bench.base.errors import ResultsError
from facesr_bench.base.text import csv_text, one_line
from facesr_bench.plugins.loading import bundled_folder
from facesr_bench.report.published import read_anchors
from facesr_bench.report.tables.sheet import (
    DASH,
    MARKS,
    PUBLISHED,
    UNSURE,
    Cell,
    Line,
    Options,
    Sheet,
    chosen_metrics,
    make_sheet,
    table_records,
)
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.summary import ResultSummary, metrics_of

__all__ = [
    "DASH",
    "FORMATS",
    "Options",
    "md",
    "md_cell",
    "md_row",
    "render",
    "split_title",
    "tex",
    "tex_cell",
    "tex_number",
    "tex_row",
]

FORMATS = ("csv", "markdown", "latex", "html", "json")

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
    "°": r"$^\circ$",
    # babel makes it active in German and others.
    '"': r"\char34{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "·": r"$\cdot$",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{DAGGER}": r"\textdagger{}",
    "…": r"\dots{}",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "∞": r"$\infty$",
    "\N{GREEK SMALL LETTER SIGMA}": r"$\sigma$",
}


def render(rows: Sequence[ResultSummary], format: str, options: Options | None = None) -> str:  # noqa: A002
    """The rows as text ending in a newline.

    `csv` and `json` (a list of objects) have one row per result in the order given and numbers at full precision; the
    others have one table per (protocol, profile), best first, the best mean bold and the second underlined.

    Raises:
        ResultsError: no such format or metric, or the images of a result can't be read.
        CardError: the published numbers can't be read.
    """
    options = options or Options()
    if format not in FORMATS:
        raise ResultsError(f"no table format is called {format!r}; known: {', '.join(FORMATS)}")
    if options.metrics:
        chosen_metrics(options.metrics, metrics_of(rows))
    if format == "csv":
        return _csv(rows, options)
    if format == "json":
        names, found = table_records(rows, options)
        return json_text([{name: row.get(name) for name in names} for row in found])
    writers: dict[str, Callable[[Sheet], str]] = {"markdown": _markdown, "latex": _latex, "html": _html}
    nothing = {"markdown": "No results yet.\n", "latex": "% no results yet\n", "html": "<p>No results yet.</p>\n"}
    anchors = read_anchors() if options.published else None
    sheets = (make_sheet(group, options, anchors) for group in groups(rows))
    return "\n".join(writers[format](sheet) for sheet in sheets) or nothing[format]


def _csv(rows: Sequence[ResultSummary], options: Options) -> str:
    names, found = table_records(rows, options)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    for row in found:  # csv writes floats with repr, none as an empty cell
        writer.writerow({name: csv_text(cell) if isinstance(cell, str) else cell for name, cell in row.items()})
    return stream.getvalue()


def _markdown(sheet: Sheet) -> str:
    protocol, comma, rest = sheet.head.partition(", ")
    header = ["Method", *sheet.count, *(md(metric.header) for metric in sheet.metrics), *sheet.costs]
    lines = [f"**{md(protocol)}**{comma}{md(rest)}", "", md_row(header)]
    lines.append(md_row(["---", *["---:"] * (len(header) - 1)]))
    lines += [_md_line(line) for line in sheet.lines]
    if sheet.published:
        lines.append(md_row([f"*{PUBLISHED}:*", *[""] * (len(header) - 1)]))
        lines += [_md_line(line, published=True) for line in sheet.published]
    legend = sheet.legend[1:] if sheet.legend[:1] == (MARKS,) else sheet.legend
    lines += ["", md(" ".join(legend))] if legend else []
    lines += ["", *(f"- {md(labels)}: {md(note)}" for labels, note in sheet.notes)] if sheet.notes else []
    return "\n".join(lines) + "\n"


def _md_line(line: Line, *, published: bool = False) -> str:
    label = f"*{md(line.label)}*" if published else md(line.label)
    return md_row([label, *line.n, *(md_cell(cell) for cell in line.cells), *line.costs])


def md_row(cells: Sequence[str]) -> str:
    """A line of a markdown table."""
    return f"| {' | '.join(cells)} |"


def md_cell(cell: Cell) -> str:
    """A number in markdown, with its marks and further lines."""
    text = f"**{cell.text}**" if cell.best else f"<u>{cell.text}</u>" if cell.second else cell.text
    text += cell.qualifier + (f" {UNSURE}" if cell.unsure else "")
    return "<br>".join([text, *(md(line) for line in cell.lines if line)])


def md(text: str) -> str:
    """A text that markdown shows as it is."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text)


def _html(sheet: Sheet) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(bundled_folder("reports")),
        autoescape=True,  # names and messages are strangers' text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(line=one_line, exact=repr)
    return environment.get_template("table.html").render(
        sheet=sheet,
        caption=" ".join([f"{sheet.head}.", *sheet.legend]),
        header=["Method", *sheet.count, *(metric.header for metric in sheet.metrics), *sheet.costs],
        unsure=UNSURE,
        published=PUBLISHED,
    )


def _latex(sheet: Sheet) -> str:
    titles = [split_title(metric.header) for metric in sheet.metrics]
    return latex_table(
        environment="table",
        caption=re.sub(r"n = (\d+)", r"$n = \1$", tex(sheet.head), count=1),
        titles=[*((f"${name}$", "") for name in sheet.count), *tex_titles([*titles, *map(split_title, sheet.costs)])],
        sheet=sheet,
    )


class Tabled(Protocol):
    """What a LaTeX table is made of, apart from its titles."""

    @property
    def legend(self) -> Sequence[str]:
        """Sentences that explain the marks."""

    @property
    def lines(self) -> Sequence[Line]:
        """The measured rows."""

    @property
    def published(self) -> Sequence[Line]:
        """The rows of papers, apart."""

    @property
    def notes(self) -> Sequence[tuple[str, str]]:
        """(labels, note) of what a reader must know."""


def latex_table(
    *, environment: str, caption: str, titles: Sequence[tuple[str, str]], sheet: Tabled, heads: Iterable[str] = ()
) -> str:
    """A float for `booktabs` and `graphicx`, made narrower where it is wider than the line.

    Args:
        caption: its first sentence, in LaTeX, without the full stop.
        titles: of each column but the methods', on two lines, in LaTeX.
        heads: rows above the titles, in LaTeX.
    """
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        rf"\begin{{{environment}}}",
        r"  \centering",
        r"  \setlength{\belowcaptionskip}{6pt}",
        rf"  \caption{{{' '.join([caption + '.', *(tex(sentence) for sentence in sheet.legend)])}}}",
        r"  \small",
        r"  \setlength{\tabcolsep}{4pt}",
        r"  \sbox0{%",
        rf"  \begin{{tabular}}{{l{'r' * len(titles)}}}",
        r"    \toprule",
        *(f"    {text}" for text in heads),
        f"    {tex_row(['Method', *(first for first, _ in titles)])}",
    ]
    if any(second for _, second in titles):
        lines.append(f"    {tex_row(['', *(second for _, second in titles)])}")
    lines.append(r"    \midrule")
    lines += [f"    {text}" for text in _tex_lines(sheet.lines)]
    if sheet.published:
        lines += [r"    \midrule", rf"    \multicolumn{{{1 + len(titles)}}}{{l}}{{\itshape {PUBLISHED}}} \\"]
        lines += [f"    {text}" for text in _tex_lines(sheet.published, published=True)]
    lines += [r"    \bottomrule", r"  \end{tabular}}%"]
    lines.append(r"  \ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi")
    if sheet.notes:
        notes = (rf"    {tex(labels)}: {tex(note)}\par" for labels, note in sheet.notes)
        lines += [r"  \par\smallskip", r"  \begin{minipage}{\linewidth}\footnotesize", *notes, r"  \end{minipage}"]
    return "\n".join([*lines, rf"\end{{{environment}}}"]) + "\n"


def tex_titles(titles: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Two lines of titles: what stands above and below."""
    return [(tex(first), tex(second)) for first, second in titles]


def split_title(header: str) -> tuple[str, str]:
    """A column's title on two lines, so that a long one does not make it wide: `PSNR`, `(dB) ↑`."""
    first, bracket, rest = header.partition(" (")
    if bracket:
        return first, f"({rest}"
    if header.endswith((" ↑", " ↓")):
        return header[:-2], header[-1]
    return header, ""


def _tex_lines(lines: Iterable[Line], *, published: bool = False) -> Iterable[str]:
    spaced = False
    for line in lines:
        if spaced:
            yield r"\addlinespace[2pt]"
        label = rf"\textit{{{tex(line.label)}}}" if published else tex(line.label)
        if line.cite:
            label += rf"~\cite{{{line.cite}}}"
        cells = [tex_cell(cell) for cell in line.cells]
        yield tex_row([label, *map(tex, line.n), *cells, *(tex(cost) for cost in line.costs)])
        for texts in zip_longest(*(cell.lines for cell in line.cells), fillvalue=""):
            spaced = True
            if any(texts):
                small = [rf"\scriptsize {tex_number(text)}" if text else "" for text in texts]
                yield tex_row(["", *[""] * len(line.n), *small, *[""] * len(line.costs)])


def tex_row(cells: Sequence[str]) -> str:
    """A line of a LaTeX table."""
    return " & ".join(cells) + r" \\"


def tex_cell(cell: Cell) -> str:
    """A number in LaTeX, with its marks."""
    if cell.value is None:
        return "--"
    text = tex_number(cell.text)
    if not math.isfinite(cell.value):
        text = r"$\infty$" if cell.value > 0 else r"$-\infty$"
    if cell.best:
        text = rf"\textbf{{{text}}}"
    elif cell.second:
        text = rf"\underline{{{text}}}"
    text += tex(f"x{cell.qualifier}")[1:]  # x: the blank in front stays
    return text + r"\rlap{\textsuperscript{\textdagger}}" if cell.unsure else text


def tex_number(text: str) -> str:
    """A number in LaTeX, minus signs set as such."""
    return tex(text.replace("-", "\N{MINUS SIGN}"))


def tex(text: str) -> str:
    """`text` as LaTeX source that prints it, whatever it holds."""
    escaped = "".join(_tex_character(c) for c in one_line(text))
    return re.sub(r"-(?=-)", "-{}", escaped)  # or two hyphens would become a dash


def _tex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    # pdfLaTeX stops at letters its fonts lack; Latin-1 letters it has.
    if character.isascii() or (ord(character) < 0x180 and character.isalpha()):
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"
