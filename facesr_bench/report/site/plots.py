"""Distributions and curves, drawn once and shown as SVG files beside the pages."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.errors import ResultsError
from facesr_bench.report.site.downloads import Picture, draw_plot
from facesr_bench.report.site.pages import Pages
from facesr_bench.report.site.section import Section
from facesr_bench.report.site.views import Plot, View
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.leaderboard import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERSION = 6
"""Raised whenever the plots change."""
STAMP = "stamp.json"
_Drawn = tuple[list[dict[str, str]], dict[str, str]]
"""The plots that were drawn, and why others could not be, by their titles."""


@dataclass(frozen=True)
class _Drawing:
    name: str
    title: str
    words: str
    draw: Callable[[], Figure]
    numbers: Callable[[], str]
    of_images: bool = False


def build(pages: Pages, section: Section) -> tuple[tuple[Plot, ...], dict[str, str]]:
    """Draw what has changed since an earlier build.

    Returns:
        The plots, and why others could not be drawn, by their titles.

    Raises:
        ResultsError: a plot can't be written.
    """
    folder = section.folder / "plots"
    stamp_path = folder / STAMP
    stamp = _stamp(section)
    found = _read(stamp_path, stamp)
    if found is None:
        found = _draw(pages, section, folder)
        pages.write(stamp_path, json.dumps({"stamp": stamp, "plots": found[0], "missing": found[1]}))
    drawn, missing = found
    pages.keep(stamp_path)
    made = tuple(
        Plot(plot["title"], plot["words"], Picture.at(folder / plot["name"]), plot["of_images"] == "yes")
        for plot in drawn
    )
    for plot in made:
        for path in plot.picture.files:
            pages.keep(path)
    return made, missing


def write(pages: Pages, view: View) -> None:
    """Write the page of the plots, if there are any."""
    path = view.plots_page
    if path is not None:
        pages.render(path, "plots.html", view=view, section=view.section, page=path)


def _draw(pages: Pages, section: Section, folder: Path) -> _Drawn:
    drawn: list[dict[str, str]] = []
    missing: dict[str, str] = {}
    for drawing in _drawings(section):
        try:
            drawn_as = draw_plot(drawing.draw, drawing.numbers)
        except ResultsError as error:  # there is too little to draw: one method, one metric, no finite value
            missing[drawing.title] = str(error)
            continue
        Picture.at(folder / drawing.name).write(pages, drawn_as)
        of_images = "yes" if drawing.of_images else "no"
        drawn.append({"title": drawing.title, "words": drawing.words, "name": drawing.name, "of_images": of_images})
    return drawn, missing


def _drawings(section: Section) -> Iterator[_Drawing]:
    from facesr_bench.report.figures import curves, data, plots

    group = section.group
    labels = ", ".join(row.label for row in group.rows if row.comparable)
    for number, info in enumerate(_with_values(section), 1):

        def distribution(name: str = info.name) -> Figure:
            return plots.distribution(group, [name], comparisons=section.comparisons)

        def values(name: str = info.name) -> str:
            return data.distribution_table(group, [name])

        yield _Drawing(
            f"distribution-{number}",
            f"{info.title}: how the values of the images spread",
            f"The {info.title} of every image, as one violin for each of {labels}. {_means(section, info)}",
            distribution,
            values,
            of_images=True,
        )
    leads = _two_leads(group)
    yield _Drawing(
        "tradeoff",
        " against ".join(leads) if leads else "Distortion against perception",
        f"Mean {' against mean '.join(leads)} of {labels}; a larger point has more parameters.",
        lambda: plots.tradeoff(group, comparisons=section.comparisons),
        lambda: data.tradeoff_table(group, comparisons=section.comparisons),
    )
    for number, info in enumerate(
        (info for info in _with_values(section) if info.aggregates and not info.higher_is_better), 1
    ):

        def curve(name: str = info.name) -> Figure:
            return curves.curve(group, name)

        def corners(name: str = info.name) -> str:
            return curves.curve_table(group, name)

        words = f"Share of images whose {info.title} is at most so much, one curve for each of {labels}."
        yield _Drawing(f"curve-{number}", f"{info.title}: cumulative error", words, curve, corners)
    yield _Drawing(
        "parallel",
        "All metrics side by side",
        f"One line for each of {labels}, one axis for each metric, the best at the top.",
        lambda: plots.parallel(group),
        lambda: data.parallel_table(group),
    )


def _two_leads(group: Group) -> list[str]:
    """The titles of the two metrics that are drawn against each other; none where that can't be done."""
    from facesr_bench.report.figures.plots import traded

    try:
        return [metric.title for metric in traded(group)[:2]]
    except ResultsError:
        return []


def _with_values(section: Section) -> list[MetricInfo]:
    return [info for info in section.image_metrics if any(info.name in row.means for row in section.group.rows)]


def _means(section: Section, info: MetricInfo) -> str:
    means = [
        f"{row.label} {info.format(row.means[info.name])}"
        for row in section.group.rows
        if math.isfinite(row.means.get(info.name, math.nan))
    ]
    return f"Means: {', '.join(means)}."


def _stamp(section: Section) -> str:
    """Changes with any number that a plot shows."""
    parts = [f"{VERSION} {section.group.protocol} {section.group.profile} {section.group.size}"]
    parts += [f"{row.label} {row.comparable} {row.means} {row.costs.get('parameters')}" for row in section.group.rows]
    for _, images in section.images:
        parts += [json.dumps([image.id, image.metrics, image.reasons, image.error]) for image in images.values()]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _read(path: Path, stamp: str) -> _Drawn | None:
    """What an earlier build has drawn of the same numbers; None where there is none, or some of it is gone."""
    folder = path.parent
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        plots: list[dict[str, str]] = old["plots"]
        missing: dict[str, str] = old["missing"]
        there = old["stamp"] == stamp and all(
            path.is_file() for plot in plots for path in Picture.at(folder / plot["name"]).files
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (plots, missing) if there else None
