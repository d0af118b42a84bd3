"""What was made of one section for its pages: maps, plots, and which pages there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facesr_bench.report.maps import Kind
from facesr_bench.report.site.downloads import Picture
from facesr_bench.report.site.section import Section
from facesr_bench.results.leaderboard import RankedResult


@dataclass(frozen=True)
class SectionMaps:
    """What there is of maps in one section.

    Attributes:
        folders: where each row's are, by label.
        without: the ids of the images that have none, by label.
        block: so many images' maps are in one file, in the order of the section's ids.
        kinds: the kinds that some image has.
        means: label -> kind -> (picture, images in it).
        tops: the upper end of the colours of the mean maps, by kind; one for all methods.
        size: height and width of the mean maps, px.
        trouble: why there are none though there is ground truth; empty where there are.
    """

    folders: Mapping[str, Path] = field(default_factory=dict)
    without: Mapping[str, frozenset[str]] = field(default_factory=dict)
    block: int = 1
    kinds: tuple[Kind, ...] = ()
    means: Mapping[str, Mapping[str, tuple[Path, int]]] = field(default_factory=dict)
    tops: Mapping[str, float] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    trouble: str = ""


@dataclass(frozen=True)
class Plot:
    """One picture of curves.

    Attributes:
        words: what it shows, for those who can't see it.
        of_images: it shows how the values of the images spread.
    """

    title: str
    words: str
    picture: Picture
    of_images: bool


@dataclass(frozen=True)
class View:
    """A section and all that its pages show.

    Attributes:
        missing: why other plots could not be drawn, by title.
    """

    section: Section
    maps: SectionMaps
    plots: tuple[Plot, ...]
    missing: Mapping[str, str]

    @property
    def gallery_page(self) -> Path | None:
        """The first page of the images, where there are any; that of one image, and of the means, come with it."""
        return self.section.page_path(1) if self.section.page_count else None

    @property
    def mean_page(self) -> Path | None:
        """The page of the mean maps, where there are any."""
        return self.section.folder / "mean.html" if self.section.page_count and self.maps.means else None

    @property
    def plots_page(self) -> Path | None:
        """The page of the plots, where there are any."""
        return self.section.folder / "plots.html" if self.plots else None

    def plots_of(self, row: RankedResult) -> list[Plot]:
        """The plots for a method's own page."""
        return [plot for plot in self.plots if plot.of_images] if row.comparable else []
