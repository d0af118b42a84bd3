"""Distributions and curves, drawn once and shown as SVG files beside the pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facesr_bench.report.site.pages import Pages
from facesr_bench.report.site.section import Section
from facesr_bench.summary import RowSummary


@dataclass(frozen=True)
class Plot:
    """One picture of curves.

    Attributes:
        words: what it shows, for those who can't see it.
    """

    title: str
    words: str
    picture: str


def write(pages: Pages, section: Section) -> None:
    """The plots of a section, on a page of their own."""


def of_method(pages: Pages, section: Section, row: RowSummary, page: Path) -> list[Plot]:
    """The plots for a method's own page."""
    return []
