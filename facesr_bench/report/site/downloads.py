"""What a reader takes away: tables as csv, LaTeX and BibTeX, plots as svg and csv; files beside the pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.report.citations import Bibliography, bibliography
from facesr_bench.report.figures.form import Form, in_dark, in_form
from facesr_bench.report.published import AnchorFile
from facesr_bench.report.site.pages import Pages, link
from facesr_bench.report.site.section import Section
from facesr_bench.report.tables.render import Options, render
from facesr_bench.results.leaderboard import RankedResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Download:
    """One file to take away; `words` is what its link says."""

    words: str
    path: Path

    def link(self, page: Path) -> str:
        """Its address on a page."""
        return link(self.path, page)


def table(pages: Pages, section: Section, anchors: AnchorFile) -> tuple[Download, ...]:
    """Write a leaderboard, and the published numbers beside it, as files."""
    references = bibliography(section.group.rows, {a.source: source for a, source in anchors.of(section.group)})
    return _write(pages, section.folder / "table", section.group.rows, [section], references, published=True)


def of_method(pages: Pages, stem: Path, parts: Sequence[tuple[Section, RankedResult]]) -> tuple[Download, ...]:
    """Write one method's numbers on every protocol as files.

    Args:
        stem: their path without suffix.
    """
    rows = [row for _, row in parts]
    return _write(pages, stem, rows, [section for section, _ in parts], bibliography(rows), published=False)


def _write(
    pages: Pages,
    stem: Path,
    rows: Sequence[RankedResult],
    sections: Sequence[Section],
    references: Bibliography,
    *,
    published: bool,
) -> tuple[Download, ...]:
    known = {(section.group.protocol, section.group.profile): section.comparisons for section in sections}
    options = Options(
        intervals=True,
        significance=True,
        published=published,
        cite=references.cite,
        compare=lambda group: known[group.protocol, group.profile],
    )
    texts = {"csv": render(rows, "csv", options), "LaTeX": render(rows, "latex", options), "BibTeX": references.text()}
    suffixes = {"csv": "csv", "LaTeX": "tex", "BibTeX": "bib"}
    return tuple(
        Download(words, pages.write(stem.with_name(f"{stem.name}.{suffixes[words]}"), text))
        for words, text in texts.items()
    )


@dataclass(frozen=True)
class Picture:
    """A plot as files: for light pages, for dark ones, and its numbers."""

    light: Path
    dark: Path
    data: Path

    @classmethod
    def at(cls, stem: Path) -> Picture:
        """The files of a plot whose path without suffix is given."""
        return cls(*(stem.with_name(stem.name + end) for end in (".svg", "-dark.svg", ".csv")))

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files on disk."""
        return self.light, self.dark, self.data

    @property
    def downloads(self) -> tuple[Download, ...]:
        """What a page offers of it."""
        return Download("svg", self.light), Download("csv", self.data)

    def write(self, pages: Pages, drawn: tuple[str, str]) -> None:
        """Write all of its files.

        Args:
            drawn: what `draw_plot` gave.

        Raises:
            ResultsError: one can't be written.
        """
        svg, numbers = drawn
        pages.write(self.light, svg)
        pages.write(self.dark, in_dark(svg))
        pages.write(self.data, numbers)


def draw_plot(draw: Callable[[], Figure], numbers: Callable[[], str]) -> tuple[str, str]:
    """A plot as SVG for light pages, and its numbers as csv.

    Raises:
        ResultsError: there is too little to draw.
    """
    from facesr_bench.report.figures.style import to_bytes

    with in_form(Form(transparent=True)):
        return to_bytes(draw(), "svg").decode("utf-8"), numbers()
