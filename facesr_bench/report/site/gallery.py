"""Images side by side: what the methods were given, what each made of it, the truth; and numbers for the scripts."""

from __future__ import annotations

import math
import urllib.parse
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from facesr_bench.base.files import file_name
from facesr_bench.images.maps import DIVERGING_MAP, hex_colours
from facesr_bench.report.maps import ERROR
from facesr_bench.report.site import attention
from facesr_bench.report.site.pages import Pages, format_value, link, script_data, short_name
from facesr_bench.report.site.section import FIT_SIDE, PER_PAGE, Section
from facesr_bench.report.site.views import View
from facesr_bench.report.words import drawn as words
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import RankedResult
from facesr_bench.results.samples import read_samples

COLOUR_STOPS = 64


class Number(NamedTuple):
    """One metric of one image: its value as text, or why there is none."""

    title: str
    text: str | None
    reason: str
    best: bool


class Picture(NamedTuple):
    """One picture: where it is (None: it was not saved), what it shows, and its classes."""

    source: str | None
    words: str
    kind: str


class Tile(NamedTuple):
    """What stands beside others of one image: the input, a method's answer with its PSNR map, or the ground truth.

    Attributes:
        note: what is said of it in place of numbers.
        trouble: why there are no pictures.
        attention: where its maps of attention are, one for each unit.
        same: it hands its input back.
    """

    label: str
    pictures: tuple[Picture, ...]
    numbers: list[Number]
    note: str = ""
    trouble: str = ""
    attention: tuple[str, ...] = ()
    same: bool = False


@dataclass(frozen=True)
class Plate:
    """One image: its low resolution, every method's answer, and the ground truth if there is one, from left to right.

    Attributes:
        size: width and height of its ground truth, px.
    """

    id: str
    position: int
    link: str
    size: tuple[int, int]
    input: Tile
    answers: list[Tile]
    truth: Tile | None

    @property
    def tiles(self) -> list[Tile]:
        """Every picture of it, inputs first."""
        return [self.input, *self.answers, *([self.truth] if self.truth else [])]

    @property
    def names(self) -> list[Number]:
        """Numbers of the metrics that all answers have."""
        return next((tile.numbers for tile in self.answers if tile.numbers), [])

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height on the page, CSS px."""
        shrink = min(1.0, FIT_SIDE / max(self.size))
        return round(self.size[0] * shrink), round(self.size[1] * shrink)


class Gallery:
    """Hands out the images of a section one by one, for one page.

    Args:
        for_hero: say where the maps of attention are, and which methods hand their input back.
    """

    def __init__(self, view: View, page: Path, *, for_hero: bool = False) -> None:
        self._section, self._maps, self._page = view.section, view.maps, page
        self._for_hero = for_hero
        self._own = link(self._section.image_path, page)
        self.has_truth = self._section.has_truth
        inputs = self._section.inputs
        self._lr, self._hr = self._folder(inputs / "lr"), self._folder(inputs / "hr")
        self._shown = [
            _Shown(row, rows, self._folder(row.result.folder / "sr"), self._folder(view.maps.folders.get(row.label)))
            for row, rows in self._section.images
        ]
        self._infos = self._section.shown_metrics

    def first(self, count: int) -> Iterator[Plate]:
        """The first images."""
        return self.some(self._section.ids[:count])

    def numbered(self, number: int) -> Iterator[Plate]:
        """The images of one page of the gallery."""
        start = (number - 1) * PER_PAGE
        return self.some(self._section.ids[start : start + PER_PAGE], start + 1)

    def some(self, ids: Iterable[str], first: int = 1, labels: Iterable[str] | None = None) -> Iterator[Plate]:
        """These images, of all methods or of those with these labels."""
        chosen = None if labels is None else set(labels)
        for position, image_id in enumerate(ids, first):
            yield self._plate(image_id, position, chosen)

    def _plate(self, image_id: str, position: int, labels: set[str] | None) -> Plate:
        section = self._section
        name = f"{file_name(image_id)}.png"
        lr_size = section.lr_sizes[image_id]
        size = section.size(image_id)
        best = section.best(image_id) if labels is None else {}
        map_name, map_classes = self._place_of_map(image_id)
        lr = Picture(self._lr.link_to(name) if lr_size else None, f"{image_id}, low resolution", "px lr")
        hr = Picture(self._hr.link_to(name), f"{image_id}, ground truth", "px")
        return Plate(
            id=image_id,
            position=position,
            link=f"{self._own}#{_fragment(image_id)}",
            size=size,
            input=Tile("Input", (lr,), [], _size(lr_size)),
            answers=[
                self._answer(shown, image_id, name, map_name, map_classes, best)
                for shown in self._shown
                if labels is None or shown.row.label in labels
            ],
            truth=Tile("Ground truth", (hr,), [], _size(size)) if self.has_truth else None,
        )

    def pattern(self) -> Plate:
        """A plate of every method without anything of an image: what the scripts clone."""
        numbers = [Number(info.title, None, "", best=False) for info in self._infos]
        empty = Picture("#", "", "px")
        pictures = (empty, *([Picture("#", "", "map px")] if self.has_truth else []))
        answers = [Tile(shown.row.label, pictures, numbers) for shown in self._shown]
        size = _size((1, 1))
        truth = Tile("Ground truth", (empty,), [], size) if self.has_truth else None
        return Plate("", 0, "#", (1, 1), Tile("Input", (Picture("#", "", "px lr"),), [], size), answers, truth)

    def _answer(
        self,
        shown: _Shown,
        image_id: str,
        name: str,
        map_name: str,
        map_classes: str,
        best: Mapping[str, Collection[str]],
    ) -> Tile:
        row, image = shown.row, shown.images.get(image_id)
        label = row.label
        if image is None or image.error is not None:
            return Tile(label, (), [], trouble="not run" if image is None else f"failed: {image.error}")
        pictures = [Picture(shown.pictures.link_to(name), f"{image_id}, by {label}", "px")]
        if self.has_truth:
            source = None if image_id in self._maps.without.get(label, ()) else shown.maps.link_to(map_name)
            pictures.append(Picture(source, f"{ERROR.title} of {label} on {image_id}", map_classes))
        return Tile(
            label,
            tuple(pictures),
            [_number(info, image, label in best.get(info.name, ())) for info in self._infos],
            attention=self._attention(row, image_id) if self._for_hero else (),
            same=self._for_hero and self._section.hands_back(row, image_id),
        )

    def _attention(self, row: RankedResult, image_id: str) -> tuple[str, ...]:
        return tuple(link(path, self._page) for path in attention.pictures(self._section, row, image_id))

    def _place_of_map(self, image_id: str) -> tuple[str, str]:
        """The file that an image's map is in, of each method, and the classes of its picture: they say where in it."""
        block = self._maps.block
        number, place = divmod(self._section.places[image_id], block)
        return f"{number}.png", f"map px of{block} at{place}"

    def _folder(self, folder: Path | None) -> _Folder:
        """Where a folder is, from the page, and what is in it."""
        if folder is None:
            return _Folder("", frozenset())
        # The site's own folders are in their places, those of results where the site has them.
        own = folder.is_relative_to(self._section.folder)
        there = self._section.files(folder)
        return _Folder(link(folder if own else self._section.placed(folder), self._page), there)


def _size(size: tuple[int, int] | None) -> str:
    return f"{size[0]} \N{MULTIPLICATION SIGN} {size[1]}" if size else ""


def _number(info: MetricInfo, image: ImageRecord, best: bool) -> Number:
    value = image.metrics.get(info.name)
    if value is None:
        return Number(info.title, None, image.reasons.get(info.name, "not computed in this run"), best=False)
    return Number(info.title, format_value(value, info.digits), "", best)


@dataclass(frozen=True)
class _Folder:
    link: str
    names: frozenset[str]

    def link_to(self, name: str) -> str | None:
        """The address of a picture; None where there is none."""
        return f"{self.link}/{_quoted(name)}" if name in self.names else None


_quoted = lru_cache(maxsize=64)(urllib.parse.quote)
"""Of one image, several folders have a picture by the same name."""


@dataclass(frozen=True)
class _Shown:
    """A method of the section: its images by id, and where its pictures and maps are."""

    row: RankedResult
    images: Mapping[str, ImageRecord]
    pictures: _Folder
    maps: _Folder


def _fragment(image_id: str) -> str:
    """What image.html reads an image's id from."""
    return urllib.parse.urlencode({"image": image_id})


def write_pages(pages: Pages, view: View) -> None:
    """The gallery, the page of one image, and that of the mean maps."""
    section = view.section
    for number in range(1, section.page_count + 1):
        path = section.page_path(number)
        gallery = Gallery(view, path)
        pages.render(path, "images.html", section=section, number=number, gallery=gallery, page=path)
    if not section.page_count:
        return
    gallery = Gallery(view, section.image_path)
    pages.render(section.image_path, "image.html", view=view, section=section, gallery=gallery, page=section.image_path)
    if view.mean_page is not None:
        pages.render(view.mean_page, "mean.html", view=view, section=section, page=view.mean_page)


def write_data(pages: Pages, view: View) -> None:
    """The numbers behind the image pages, and where the pictures are."""
    section = view.section
    page = section.image_path
    inputs = section.placed(section.inputs)
    sizes = [section.size(image_id) for image_id in section.ids]
    pages.write(
        section.folder / "data.js",
        script_data(
            "section",
            {
                "protocol": section.group.protocol,
                "profile": section.group.profile,
                "truth": section.has_truth,
                "scale": section.scale,
                "ids": section.ids,
                "files": [file_name(image_id) for image_id in section.ids],
                "sizes": sizes[0] if len(set(sizes)) == 1 else sizes,
                "perPage": PER_PAGE,
                "inputs": link(inputs, page),
                "unsaved": {part: _unsaved(section, section.inputs / part) for part in ("lr", "hr")},
                "block": view.maps.block,
                "best": {info.name: _best(section, info) for info in section.shown_metrics},
                "metrics": [_metric(info) for info in section.shown_metrics],
                "methods": [
                    _method(view, row, rows, page) | {"attention": attention.write(pages, section, row)}
                    for row, rows in section.images
                ],
                "kinds": [
                    {"name": kind.name, "title": kind.title, "words": kind.words, "end": kind.end}
                    for kind in view.maps.kinds
                ],
                "colours": hex_colours(COLOUR_STOPS),
                "versus": hex_colours(COLOUR_STOPS - 1, DIVERGING_MAP),
                "drawn": _drawn(section),
                "landmarks": [[round(x, 2), round(y, 2)] for x, y in section.landmarks()],
            },
        ),
    )


def _drawn(section: Section) -> list[str | None]:
    """What was drawn to degrade each image, in words; None where nothing was, or none of it is known."""
    samples = read_samples(section.lead.result.inputs_folder)
    name = section.lead.result.manifest.protocol.degradation
    drawn = [samples[image_id].degradation if image_id in samples else None for image_id in section.ids]
    return [None if each is None else f"Degraded by {name}: {words(each)}" for each in drawn]


def _unsaved(section: Section, folder: Path) -> list[int]:
    """The places in `ids` of the images that a folder has no picture of."""
    there = section.files(folder)
    return [place for place, image_id in enumerate(section.ids) if f"{file_name(image_id)}.png" not in there]


def _best(section: Section, info: MetricInfo) -> list[list[int]]:
    """For each image the places of the methods that are best in one metric."""
    labels = [row.label for row, _ in section.images]
    found = [section.best(image_id).get(info.name, frozenset()) for image_id in section.ids]
    return [[place for place, label in enumerate(labels) if label in best] for best in found]


def _metric(info: MetricInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "title": info.title,
        "higher": info.higher_is_better,
        "digits": info.digits,
    }


def _method(view: View, row: RankedResult, rows: Mapping[str, ImageRecord], page: Path) -> dict[str, Any]:
    """One method's numbers, image by image in the order of `ids`; null where there is none."""
    section = view.section
    found = [rows.get(image_id) for image_id in section.ids]
    values: dict[str, list[float | str | None]] = {
        info.name: [_value(image, info.name) for image in found] for info in section.shown_metrics
    }
    reasons: dict[str, dict[int, str]] = {}
    for place, image in enumerate(found):
        for name, reason in (image.reasons if image is not None and image.error is None else {}).items():
            reasons.setdefault(name, {})[place] = reason
    folder = view.maps.folders.get(row.label)
    means = section.folder / "means" / f"{short_name(row.label)}.js"
    return {
        "label": row.label,
        "sr": link(section.placed(row.result.folder / "sr"), page),
        "maps": link(folder, page) if folder else None,
        "mean": link(means, page) if row.label in view.maps.means else None,
        "unsaved": {
            "sr": _unsaved(section, row.result.folder / "sr"),
            "maps": [place for place, each in enumerate(section.ids) if each in view.maps.without.get(row.label, ())],
        },
        "values": values,
        # A reason that holds for every image is said once.
        "reasons": {name: _shortest(found) for name, found in reasons.items() if name in values},
        "errors": {
            place: "not run" if image is None else f"failed: {image.error}"
            for place, image in enumerate(found)
            if image is None or image.error is not None
        },
    }


def _shortest(reasons: dict[int, str]) -> str | dict[int, str]:
    different = set(reasons.values())
    return different.pop() if len(different) == 1 else reasons


def _value(image: ImageRecord | None, name: str) -> float | str | None:
    value = image.metrics.get(name) if image is not None and image.error is None else None
    if value is None or math.isfinite(value):
        # Ten digits: more than any table shows, and the file stays small.
        return value if value is None else float(f"{value:.10g}")
    return "inf" if value > 0 else "-inf"
