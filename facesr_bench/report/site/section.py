"""One (protocol, profile) as the pages need it: which rows, which images, where everything is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import file_name
from facesr_bench.images.files import read_image
from facesr_bench.report.attention import Unit, units
from facesr_bench.report.site.ownership import FOLDER
from facesr_bench.report.site.pages import link
from facesr_bench.report.words import profile_in_words, protocol_in_words
from facesr_bench.results import comparison
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import Group, RankedResult, places
from facesr_bench.results.record import Manifest
from facesr_bench.results.samples import read_landmarks

FIT_SIDE = 192
"""The longest side, px, of a picture that is shown in full beside others; a larger one is first made to fit."""
PAIR_SIDE = 384
"""So wide, px, a face can be judged by."""
PER_PAGE = 50
"""Images on one page of the gallery."""


@dataclass(frozen=True, eq=False)
class Section:
    """One group of results.

    Attributes:
        results_root: the results folder.
        root: the folder of the site.
    """

    group: Group
    results_root: Path
    root: Path

    @property
    def index(self) -> Path:
        """The site's first page."""
        return self.root / "index.html"

    @cached_property
    def lead(self) -> RankedResult:
        """The row whose inputs and cards stand for all."""
        return next((row for row in self.group.rows if row.comparable), self.group.rows[0])

    @cached_property
    def anchor(self) -> str:
        """The section's place on the first page."""
        return f"{file_name(self.group.protocol)}--{file_name(self.group.profile)}"

    @cached_property
    def folder(self) -> Path:
        """Where its pages are, inside the site's folder."""
        return self.root / FOLDER / "boards" / file_name(self.group.protocol) / file_name(self.group.profile)

    @property
    def manifest(self) -> Manifest:
        """The manifest of one of its results: protocol, profile and data are those of all."""
        return self.lead.result.manifest

    @cached_property
    def inputs(self) -> Path:
        """The folder of what the methods were given."""
        return self.lead.result.inputs_folder

    def files(self, folder: Path) -> frozenset[str]:
        """The names of what a folder holds when it is first asked for; empty where there is no such folder."""
        if folder not in self._files:
            self._files[folder] = frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()
        return self._files[folder]

    @cached_property
    def _files(self) -> dict[Path, frozenset[str]]:
        return {}

    def hands_back(self, row: RankedResult, image_id: str) -> bool:
        """Whether a method's picture of an image is the input, pixel by pixel."""
        if self.scale != 1:
            return False
        try:
            given, made = (
                read_image(path)
                for path in (self.inputs / "lr" / f"{file_name(image_id)}.png", row.result.sr_path(image_id))
            )
        except DataError:
            return False
        return bool(np.array_equal(given, made))

    def attention_units(self, row: RankedResult) -> list[Unit]:
        """The attention units of a row's method, read once; empty where none of their maps are kept."""
        if row.label not in self._units:
            self._units[row.label] = units(row.result)
        return self._units[row.label]

    @cached_property
    def _units(self) -> dict[str, list[Unit]]:
        return {}

    @property
    def has_truth(self) -> bool:
        """Whether its images have a ground truth."""
        return self.manifest.protocol.source != "lr"

    @property
    def scale(self) -> int:
        """HR side over LR side."""
        return self.manifest.protocol.scale

    @property
    def aligned(self) -> bool:
        """Faces lie in the same place of every picture."""
        protocol = self.manifest.protocol
        return protocol.aligned != "none" or protocol.crop.get("rule") == "landmarks"

    @property
    def protocol_words(self) -> list[tuple[str, str]]:
        """The protocol in sentences."""
        return protocol_in_words(self.manifest)

    @property
    def profile_words(self) -> list[tuple[str, str]]:
        """The profile in sentences."""
        return profile_in_words(self.manifest)

    @cached_property
    def shown(self) -> list[RankedResult]:
        """The rows whose pictures belong beside each other: those that ran on the same data."""
        data = self.manifest.data.hash
        return [row for row in self.group.rows if row.result.manifest.data.hash == data and row.error is None]

    @property
    def left_out(self) -> list[RankedResult]:
        """The rows that its pages do not show."""
        return [row for row in self.group.rows if row not in self.shown]

    @cached_property
    def images(self) -> list[tuple[RankedResult, dict[str, ImageRecord]]]:
        """Each row shown, with its images by id."""
        return [(row, row.result.images) for row in self.shown]

    @cached_property
    def ids(self) -> list[str]:
        """The images on its pages, in the order they are shown in."""
        return in_reading_order({image_id for _, rows in self.images for image_id in rows})

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each image in `ids`."""
        return {image_id: place for place, image_id in enumerate(self.ids)}

    @cached_property
    def lr_sizes(self) -> dict[str, tuple[int, int] | None]:
        """Width and height of each low resolution picture; None where it is missing or damaged."""
        folder = self.inputs / "lr"
        return {image_id: _picture_size(folder / f"{file_name(image_id)}.png") for image_id in self.ids}

    def size(self, image_id: str) -> tuple[int, int]:
        """Width and height of an image's ground truth, px; a guess where its low resolution is gone."""
        width, height = self.lr_sizes[image_id] or (FIT_SIDE // self.scale, FIT_SIDE // self.scale)
        return self.scale * width, self.scale * height

    @cached_property
    def side(self) -> int:
        """The longest side of any picture, px."""
        return max((side for image_id in self.ids for side in self.size(image_id)), default=1)

    @property
    def zooms(self) -> list[str]:
        """How large pictures can be shown: screen pixels for one of theirs; the first is how the gallery begins."""
        return [*(["fit"] if self.side > FIT_SIDE else []), "1", "2", "3", "4"]

    @property
    def viewer_zoom(self) -> str:
        """How the page of one image begins."""
        return self._whole(256, self.zooms)

    @property
    def pair_zooms(self) -> list[str]:
        """The steps of enlargement of a pair of pictures."""
        return [*(["fit"] if self.side > PAIR_SIDE else []), "1", "2", "3", "4", "6", "8"]

    @property
    def pair_zoom(self) -> str:
        """How the two pictures of a pair begin."""
        return self._whole(PAIR_SIDE, self.pair_zooms)

    def _whole(self, side: int, zooms: Sequence[str]) -> str:
        """The largest whole multiple that is no wider than `side`."""
        return max(
            (zoom for zoom in zooms if zoom != "fit" and int(zoom) * self.side <= side), default=zooms[0], key=int
        )

    @cached_property
    def image_metrics(self) -> list[MetricInfo]:
        """The metrics that have a value, or a reason for none, for each image."""
        found = {name for _, rows in self.images for row in rows.values() for name in (*row.metrics, *row.reasons)}
        return [info for info in self.group.metrics if info.has_values and info.name in found]

    def best(self, image_id: str) -> dict[str, frozenset[str]]:
        """The labels of the methods that are best on one image, by metric; none where there is nothing to compare."""
        return self._best.get(image_id, {})

    @cached_property
    def _best(self) -> dict[str, dict[str, frozenset[str]]]:
        found: dict[str, dict[str, frozenset[str]]] = {image_id: {} for image_id in self.ids}
        for image_id, info in product(self.ids, self.image_metrics):
            images = {row.label: rows[image_id] for row, rows in self.images if image_id in rows}
            values = {
                label: image.metrics[info.name]
                for label, image in images.items()
                if info.name in image.metrics and image.error is None
            }
            found[image_id][info.name], _ = places(values, info.higher_is_better)
        return found

    @cached_property
    def shown_metrics(self) -> list[MetricInfo]:
        """Those of `image_metrics` that some method has a number of; the leaderboard says why the others have none."""
        some = [info for info in self.image_metrics if any(info.name in row.means for row in self.group.rows)]
        return some or self.image_metrics

    @cached_property
    def comparisons(self) -> comparison.Comparisons:
        """How sure each mean is, and how it stands against the best."""
        return comparison.compare(self.group)

    @property
    def page_count(self) -> int:
        """How many pages its gallery has."""
        return -(-len(self.ids) // PER_PAGE)

    def page_path(self, number: int) -> Path:
        """One page of its gallery, from 1."""
        return self.folder / f"{number}.html"

    @property
    def image_path(self) -> Path:
        """The page that shows one image, whichever its address names."""
        return self.folder / "image.html"

    def placed(self, path: Path) -> Path:
        """Where the site has a file of the results folder."""
        if self.root == self.results_root:
            return path
        return self.root / path.relative_to(self.results_root)

    def landmarks(self) -> list[tuple[float, float]]:
        """The mean landmarks of the images shown, x then y in px of the ground truth; empty where none are stored.

        Raises:
            ResultsError: the file can't be read.
        """
        points = read_landmarks(self.inputs, self.ids)
        count = len(points[0]) if points else 0
        same = [face for face in points if len(face) == count]
        return [
            (sum(face[i][0] for face in same) / len(same), sum(face[i][1] for face in same) / len(same))
            for i in range(count)
        ]

    def link(self, target: Path, page: Path) -> str:
        """A relative URL from a page to a file of the site."""
        return link(target, page)


def _picture_size(path: Path) -> tuple[int, int] | None:
    """From the file's header."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError:
        return None


_PARTS = re.compile(r"\d+|\D+").findall


def in_reading_order(ids: Iterable[str]) -> list[str]:
    """Sorted with numbers by value: 2 before 10."""
    return sorted(ids, key=lambda text: [(len(part), part) if part.isdecimal() else (0, part) for part in _PARTS(text)])
