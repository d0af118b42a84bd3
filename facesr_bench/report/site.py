"""The pages that a person looks at: a leaderboard per protocol, and every image side by side.

    results/index.html
    results/_pages/<protocol>/<profile>/<number>.html       `PER_PAGE` images each

Every page stands alone (style and script are inlined) and opens from disk; it refers to nothing but the pictures in
the results folder, by relative links. Protocol names can't begin with an underscore, so `_pages` clashes with none.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from facesr_bench.errors import ResultsError
from facesr_bench.plugins import bundled_folder
from facesr_bench.report import heatmap
from facesr_bench.report.tables import DASH
from facesr_bench.report.words import profile_in_words, protocol_in_words
from facesr_bench.store import ImageRow, file_name, newest_results
from facesr_bench.summary import Group, MetricInfo, RowSummary, groups, summarise

PER_PAGE = 50
ON_INDEX = 8
"""Images shown below each leaderboard; the others are a click away."""
PAGES = "_pages"
LARGEST_SIDE = 192
"""A picture is shown at its own size up to this side, px, and larger ones at this size (before zooming)."""


def build(results_root: Path) -> Path:
    """Write the site for every result in a results folder.

    Returns:
        The path of index.html.

    Raises:
        ResultsError: the folder doesn't exist, can't be written, or holds results that can't be read.
    """
    rows = summarise(newest_results(results_root))
    site = _Site(results_root)
    sections = [_Section(group, results_root) for group in groups(rows)]
    written = set()
    for section in sections:
        written |= site.write_image_pages(section)
    _remove_stale(results_root, written)
    return site.write(results_root / "index.html", "index.html", sections=sections, updated=_last_update(rows))


class _Site:
    """The templates, and the writing of pages from them."""

    def __init__(self, root: Path) -> None:
        folder = bundled_folder("reports") / "site"
        self._root = root
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,  # names and messages are strangers' text
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        script = (folder / "site.js").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        self._environment.globals.update(
            css=(folder / "site.css").read_text(encoding="utf-8"),
            script=script,
            script_hash=f"sha256-{digest}",
            colour_bar=heatmap.colour_bar_css(),
            colour_scale=heatmap.SCALE,
            dash=DASH,
            plates_on_index=ON_INDEX,
        )
        self._environment.filters.update(number=format_value, count=_thousands, moment=_moment)

    def write(self, path: Path, template: str, **context: Any) -> Path:
        """Render straight to disk, so that memory doesn't grow with the page; readers never see half of it."""
        partial = path.with_name(path.name + ".partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8", newline="\n", errors="backslashreplace") as stream:
                stream.writelines(self._environment.get_template(template).generate(**context))
            os.replace(partial, path)
        except OSError as error:
            raise ResultsError(f"{path}: can't be written: {error.strerror or error}") from error
        return path

    def write_image_pages(self, section: _Section) -> set[Path]:
        written = set()
        gallery = section.gallery()
        for number in range(1, section.page_count + 1):
            path = section.page_path(number)
            written.add(self.write(path, "images.html", section=section, number=number, gallery=gallery))
        return written


def format_value(value: float, digits: int) -> str:
    """A number for a person: `∞` for infinity."""
    if math.isinf(value):
        return "∞" if value > 0 else "\N{MINUS SIGN}∞"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _thousands(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _moment(iso: str) -> str:
    """`2026-11-22 09:47 UTC` from an ISO time; anything else as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::[\d.]+)?(?:Z|\+00:00)", iso)
    return f"{found[1]} {found[2]} UTC" if found else iso


def _last_update(rows: Sequence[RowSummary]) -> str:
    return max((str(row.result.manifest["updated"]) for row in rows), default="")


def _link(target: Path, page: Path) -> str:
    """A relative URL from a page to a file."""
    relative = Path(os.path.relpath(target, page.parent)).as_posix()
    return urllib.parse.quote(relative)


def _remove_stale(root: Path, written: set[Path]) -> None:
    """Pages of an earlier, larger build would show results that are gone."""
    for page in (root / PAGES).glob("*/*/*.html"):
        if page not in written and page.stem.isdecimal():
            page.unlink(missing_ok=True)


def _in_reading_order(ids: Iterable[str]) -> list[str]:
    """Sorted with numbers by value: 2 before 10."""
    return sorted(ids, key=lambda text: [(len(part), part) if part.isdecimal() else (0, part) for part in _PARTS(text)])


_PARTS = re.compile(r"\d+|\D+").findall


class _Section:
    """One (protocol, profile) for the templates."""

    def __init__(self, group: Group, root: Path) -> None:
        self.group = group
        self.index = root / "index.html"
        self._pages = root / PAGES / file_name(group.protocol) / file_name(group.profile)
        self.lead = next((row for row in group.rows if row.comparable), group.rows[0])
        self.anchor = f"{file_name(group.protocol)}--{file_name(group.profile)}"

    @property
    def manifest(self) -> dict[str, Any]:
        return self.lead.result.manifest

    @property
    def protocol_words(self) -> list[tuple[str, str]]:
        return protocol_in_words(self.manifest)

    @property
    def profile_words(self) -> list[tuple[str, str]]:
        return profile_in_words(self.manifest["profile"])

    @cached_property
    def shown(self) -> list[RowSummary]:
        """The rows whose pictures belong beside each other: those that ran on the same data."""
        data = self.manifest["data"]["hash"]
        return [row for row in self.group.rows if row.result.manifest["data"]["hash"] == data and row.error is None]

    @property
    def left_out(self) -> list[RowSummary]:
        return [row for row in self.group.rows if row not in self.shown]

    @cached_property
    def ids(self) -> list[str]:
        return _in_reading_order({image_id for row in self.shown for image_id in row.result.rows()})

    @property
    def page_count(self) -> int:
        return -(-len(self.ids) // PER_PAGE)

    def page_path(self, number: int) -> Path:
        return self._pages / f"{number}.html"

    def first_page_link(self) -> str:
        return _link(self.page_path(1), self.index)

    def page_link(self, number: int) -> str:
        return f"{number}.html"

    def index_link(self) -> str:
        return f"{_link(self.index, self.page_path(1))}#{urllib.parse.quote(self.anchor)}"

    def folder_link(self, row: RowSummary) -> str:
        return _link(row.result.folder, self.index) + "/"

    def error_details(self, row: RowSummary) -> str:
        """The traceback of a method that could not be loaded; empty where there is none."""
        return str(row.result.manifest.get("error_details") or "")

    def gallery(self) -> _Gallery:
        return _Gallery(self)


@dataclass(frozen=True)
class _Number:
    """One metric of one image."""

    info: MetricInfo
    value: float | None
    reason: str
    best: bool


@dataclass(frozen=True)
class _Tile:
    """One method's answer to one image."""

    label: str
    picture: str | None
    map: str | None
    numbers: list[_Number]
    trouble: str


@dataclass(frozen=True)
class _Plate:
    """One image: its low resolution, every method's answer, and the ground truth."""

    id: str
    position: int
    lr: str | None
    hr: str | None
    lr_size: tuple[int, int] | None
    size: tuple[int, int]
    shown_size: tuple[int, int]
    tiles: list[_Tile]

    @property
    def true_pixels(self) -> bool:
        return self.shown_size == self.size


class _Gallery:
    """Hands out the images of a section one by one."""

    def __init__(self, section: _Section) -> None:
        self._section = section
        self._images = [(row, row.result.rows()) for row in section.shown]
        self.has_truth = section.manifest["protocol"].get("source") != "lr"
        self._scale = int(section.manifest["protocol"]["scale"])

    def first(self, count: int) -> Iterator[_Plate]:
        """The first images, for the index page."""
        for position, image_id in enumerate(self._section.ids[:count], 1):
            yield self._plate(image_id, position, self._section.index)

    def plates(self, number: int) -> Iterator[_Plate]:
        """The images of one page."""
        start = (number - 1) * PER_PAGE
        page = self._section.page_path(number)
        for position, image_id in enumerate(self._section.ids[start : start + PER_PAGE], start + 1):
            yield self._plate(image_id, position, page)

    def _plate(self, image_id: str, position: int, page: Path) -> _Plate:
        inputs = self._section.lead.result.inputs_folder
        name = f"{file_name(image_id)}.png"
        lr, hr = inputs / "lr" / name, inputs / "hr" / name
        lr_size = _picture_size(lr)
        size = (self._scale * lr_size[0], self._scale * lr_size[1]) if lr_size else (LARGEST_SIDE, LARGEST_SIDE)
        shrink = min(1.0, LARGEST_SIDE / max(size))
        bests = self._bests(image_id)
        return _Plate(
            id=image_id,
            position=position,
            lr=_link(lr, page) if lr_size else None,
            hr=_link(hr, page) if self.has_truth and hr.is_file() else None,
            lr_size=lr_size,
            size=size,
            shown_size=(round(size[0] * shrink), round(size[1] * shrink)),
            tiles=[self._tile(row, rows.get(image_id), image_id, page, bests) for row, rows in self._images],
        )

    def _tile(
        self, row: RowSummary, image: ImageRow | None, image_id: str, page: Path, bests: Mapping[str, float]
    ) -> _Tile:
        if image is None or image.error is not None:
            return _Tile(row.label, None, None, [], "not run" if image is None else f"failed: {image.error}")
        picture, error_map = row.result.sr_path(image_id), row.result.map_path(image_id)
        numbers = []
        for info in self._section.group.metrics:
            value = image.metrics.get(info.name)
            best = value is not None and bests.get(info.name) == value
            numbers.append(_Number(info, value, image.reasons.get(info.name, "not computed in this run"), best))
        return _Tile(
            label=row.label,
            picture=_link(picture, page) if picture.is_file() else None,
            map=_link(error_map, page) if self.has_truth and error_map.is_file() else None,
            numbers=numbers,
            trouble="",
        )

    def _bests(self, image_id: str) -> dict[str, float]:
        """The best value of each metric for one image, where there is something to compare."""
        bests = {}
        found = [rows[image_id] for _, rows in self._images if image_id in rows]
        for info in self._section.group.metrics:
            values = [row.metrics[info.name] for row in found if info.name in row.metrics and row.error is None]
            if len(values) > 1 and info.higher_is_better is not None:
                bests[info.name] = max(values) if info.higher_is_better else min(values)
        return bests


def _picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height from the file's header; none if it is missing or no picture."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError:
        return None
