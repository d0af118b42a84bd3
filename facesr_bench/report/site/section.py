"""One (protocol, profile) as the pages need it: which rows, which images, where everything is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from PIL import Image

from facesr_bench.base.files import file_name
from facesr_bench.report.site.ownership import FOLDER
from facesr_bench.report.site.pages import link
from facesr_bench.report.words import profile_in_words, protocol_in_words
from facesr_bench.results import comparison
from facesr_bench.results.columns import MetricInfo
from facesr_bench.results.leaderboard import Group, RankedResult, places
from facesr_bench.results.record import ImageRecord, Manifest
from facesr_bench.results.samples import read_landmarks

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
        return self.root / FOLDER / "boards" / file_name(self.group.protocol) / file_name(self.group.profile)

    @property
    def manifest(self) -> Manifest:
        return self.lead.result.manifest

    @property
    def has_truth(self) -> bool:
        return self.manifest.protocol.source != "lr"

    @property
    def scale(self) -> int:
        return self.manifest.protocol.scale

    @property
    def aligned(self) -> bool:
        """Faces lie in the same place of every picture."""
        protocol = self.manifest.protocol
        return protocol.aligned != "none" or protocol.crop.get("rule") == "landmarks"

    @property
    def protocol_words(self) -> list[tuple[str, str]]:
        return protocol_in_words(self.manifest)

    @property
    def profile_words(self) -> list[tuple[str, str]]:
        return profile_in_words(self.manifest)

    @cached_property
    def shown(self) -> list[RankedResult]:
        """The rows whose pictures belong beside each other: those that ran on the same data."""
        data = self.manifest.data.hash
        return [row for row in self.group.rows if row.result.manifest.data.hash == data and row.error is None]

    @property
    def left_out(self) -> list[RankedResult]:
        return [row for row in self.group.rows if row not in self.shown]

    @cached_property
    def images(self) -> list[tuple[RankedResult, dict[str, ImageRecord]]]:
        """Each row shown, with its images by id."""
        return [(row, row.result.images) for row in self.shown]

    @cached_property
    def ids(self) -> list[str]:
        return in_reading_order({image_id for _, rows in self.images for image_id in rows})

    @cached_property
    def lr_sizes(self) -> dict[str, tuple[int, int] | None]:
        """Width and height of each low resolution picture; None where it is missing or damaged."""
        folder = self.lead.result.inputs_folder / "lr"
        return {image_id: _picture_size(folder / f"{file_name(image_id)}.png") for image_id in self.ids}

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
        return -(-len(self.ids) // PER_PAGE)

    def page_path(self, number: int) -> Path:
        return self.folder / f"{number}.html"

    @property
    def image_path(self) -> Path:
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
        points = read_landmarks(self.lead.result.inputs_folder, self.ids)
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
