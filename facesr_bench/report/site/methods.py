"""One page per method: what it is, its numbers everywhere, where it is wrong, where it looked."""

from __future__ import annotations

import math
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.base.errors import ResultsError
from facesr_bench.report.attention import Unit
from facesr_bench.report.maps import in_words
from facesr_bench.report.site import attention, downloads
from facesr_bench.report.site.downloads import Picture, draw_plot
from facesr_bench.report.site.gallery import Gallery, Plate
from facesr_bench.report.site.history import Past, past
from facesr_bench.report.site.overview import Cell, anchor_of, cell_of, cost_cell
from facesr_bench.report.site.pages import Pages, link, short_name
from facesr_bench.report.site.section import Section
from facesr_bench.report.site.views import Plot, View
from facesr_bench.results import training
from facesr_bench.results.columns import CostColumn, MetricInfo
from facesr_bench.results.leaderboard import RankedResult
from facesr_bench.results.store import Result


@dataclass(frozen=True)
class Mean:
    """One mean error map.

    Attributes:
        kind: the name of the kind of map.
        top: the value at the bright end of its colours, as text.
        landmarks: x and y in percent of the picture.
    """

    kind: str
    title: str
    picture: str
    count: int
    top: str
    landmarks: list[tuple[float, float]]


@dataclass(frozen=True)
class Figure:
    """One metric's mean.

    Attributes:
        rival: the label of the best other method of the same images, or None.
        lost: where the images are, those first that are worst against it.
    """

    info: MetricInfo
    cell: Cell
    count: int
    rival: str | None = None
    lost: str = ""


@dataclass(frozen=True)
class Part:
    """A method in one section, for its page."""

    view: View
    row: RankedResult
    board: str
    source: str
    numbers: list[Figure]
    costs: list[tuple[CostColumn, Cell]]
    examples: list[tuple[str, Plate]]
    example_metric: MetricInfo | None
    means: list[Mean]
    mean_zoom: int
    mean_page: str | None
    attention: list[attention.Shown]
    attention_count: int
    attention_units: list[Unit]
    plots: list[Plot]
    past: Past | None
    past_files: tuple[downloads.Download, ...]


@dataclass(frozen=True)
class Trained:
    """How the weights of a method's newest row were trained.

    Attributes:
        picture: the curves, or None.
        words: what they show, or why there are none.
    """

    picture: Picture | None
    words: str


def write(pages: Pages, views: Sequence[View], superseded: Sequence[Result] = ()) -> dict[str, Path]:
    """A page for each method's label; their paths.

    Args:
        superseded: results whose place in the leaderboards newer ones have taken.
    """
    members: dict[str, list[tuple[View, RankedResult]]] = {}
    for view in views:
        for row in view.section.group.rows:
            members.setdefault(row.label, []).append((view, row))
    paths = {label: pages.folder / "methods" / f"{short_name(label)}.html" for label in members}
    for label, found in members.items():
        path = paths[label]
        parts = [_part(pages, view, row, path, superseded) for view, row in found]
        newest = max(found, key=lambda pair: pair[1].result.place)[1]
        pages.render(
            path,
            "method.html",
            label=label,
            row=newest,
            manifest=newest.result.manifest,
            parts_of=parts,
            trained=_trained(pages, newest, path),
            downloads=downloads.of_method(pages, path.with_suffix(""), [(view.section, row) for view, row in found]),
            links={other: link(target, path) for other, target in paths.items()},
            page=path,
        )
    return paths


def _trained(pages: Pages, row: RankedResult, page: Path) -> Trained | None:
    """The curves of the very file that the row ran with; None where nothing is known of its training."""
    found = training.kept(row.result.folder)
    if found is None:
        return None
    if found.trouble:
        return Trained(None, f"The curves can't be shown: {found.trouble}")
    from facesr_bench.report.figures.data import training_table
    from facesr_bench.report.figures.training import training as draw

    try:
        drawn = draw_plot(lambda: draw(found), lambda: training_table(found))
    except ResultsError as error:
        return Trained(None, f"The curves can't be shown: {error}.")
    picture = Picture.at(page.with_name(f"{page.stem}-training"))
    picture.write(pages, drawn)
    return Trained(picture, _words(found))


def _words(found: training.Training) -> str:
    """What the curves show, for those who can't see them."""
    psnr = [value for stage in found.stages for _, value in stage.psnr]
    bicubic = [stage.bicubic for stage in found.stages if stage.bicubic is not None]
    words = f"{sum(stage.samples for stage in found.stages):,} samples"
    words += f" in {len(found.stages)} stages" if len(found.stages) > 1 else ""
    if psnr:
        words += f"; PSNR of the held-out faces from {psnr[0]:.2f} to {max(psnr):.2f} dB"
    return words + (f", bicubic {bicubic[-1]:.2f} dB" if bicubic else "") + "."


def _part(pages: Pages, view: View, row: RankedResult, page: Path, superseded: Sequence[Result]) -> Part:
    section = view.section
    metric, examples = _examples(view, row, page)
    shown = attention.shown(section, row, page)
    history = past(section.group, row, superseded)
    return Part(
        view=view,
        row=row,
        board=f"{link(pages.index, page)}#{section.anchor}",
        source=f"{link(pages.provenance, page)}#{anchor_of(row)}",
        numbers=[
            _figure(view, row, info, page)
            for info in section.group.metrics
            # The reason of the metric that a column is made of stands above it already.
            if info.name in row.means or info.aggregate_of is None or info.aggregate_of in row.means
        ],
        costs=[(cost, cost_cell(row, cost)) for cost in section.group.costs("method") if cost.name in row.costs],
        examples=examples,
        example_metric=metric,
        means=_means(view, row, page),
        mean_zoom=max(1, 256 // max(*view.maps.size, 1)),
        mean_page=link(view.mean_page, page) if view.mean_page else None,
        attention=shown,
        attention_units=section.attention_units(row) if shown else [],
        attention_count=sum(not each.is_mean for each in shown),
        plots=view.plots_of(row),
        past=history,
        past_files=_past_files(pages, section, page, history),
    )


def _past_files(pages: Pages, section: Section, page: Path, found: Past | None) -> tuple[downloads.Download, ...]:
    if found is None:
        return ()
    path = page.with_name(f"{page.stem}-history-{short_name(section.anchor)}.csv")
    return (downloads.Download("csv", pages.write(path, found.table())),)


def _figure(view: View, row: RankedResult, info: MetricInfo, page: Path) -> Figure:
    section = view.section
    cell, count = cell_of(section, row, info), row.counts.get(info.name, 0)
    rows = [other for other in section.shown if info.name in other.means] if info in section.shown_metrics else []
    ordered = sorted(rows, key=lambda other: other.means[info.name], reverse=bool(info.higher_is_better))
    rival = next((other.label for other in ordered if other is not row), None)
    if view.gallery_page is None or info.higher_is_better is None or row not in rows or rival is None:
        return Figure(info, cell, count)
    order = "smallest" if info.higher_is_better else "largest"
    chosen = urllib.parse.urlencode({"by": info.name, "method": row.label, "less": rival, "order": order})
    return Figure(info, cell, count, rival, f"{link(view.gallery_page, page)}#{chosen}")


def _examples(view: View, row: RankedResult, page: Path) -> tuple[MetricInfo | None, list[tuple[str, Plate]]]:
    """The best, the median and the worst image by the first metric that has values."""
    section = view.section
    if row not in section.shown:
        return None, []
    images = next(rows for other, rows in section.images if other is row)
    for info in section.image_metrics:
        if info.higher_is_better is None:
            continue
        scored = [
            (image.metrics[info.name], image_id)
            for image_id, image in images.items()
            if image.error is None and info.name in image.metrics and not math.isnan(image.metrics[info.name])
        ]
        if not scored:
            continue
        ordered = [image_id for _, image_id in sorted(scored, reverse=info.higher_is_better)]
        names = dict(zip(("Best", "Median", "Worst"), (0, (len(ordered) - 1) // 2, len(ordered) - 1), strict=True))
        gallery = Gallery(view, page)
        chosen: list[tuple[str, Plate]] = []
        seen: set[int] = set()
        for name, place in names.items():
            if place not in seen:
                seen.add(place)
                chosen += [(name, plate) for plate in gallery.some([ordered[place]], labels=[row.label])]
        return info, chosen
    return None, []


def _means(view: View, row: RankedResult, page: Path) -> list[Mean]:
    section, maps = view.section, view.maps
    means = maps.means.get(row.label, {})
    side = section.manifest.protocol.hr_size or 0
    points: list[tuple[float, float]] = []
    if side and section.aligned:
        points = [(100 * x / side, 100 * y / side) for x, y in section.landmarks()]
    found: list[Mean] = []
    for kind in maps.kinds:
        if kind.name in means:
            picture, count = means[kind.name]
            top = maps.tops[kind.name]
            text = in_words(kind, top)
            found.append(Mean(kind.name, kind.title, link(picture, page), count, text, points))
    return found
