"""Maps for the pages, computed once per (method, image) and kept until something they are made of changes.

A browser may not read the pixels of a picture opened from disk, so the maps are files that a page loads as scripts:

    maps/<label>/<block>.js     every kind of map of some images, as one grayscale PNG of codes (`encode`)
    maps/<label>/<block>.png    their PSNR maps in colours, one below the other; a gallery shows its part of it
    means/<label>.js            every kind, averaged over the images
    means/<label>-<number>.png  a mean map in colours, for pages without script
    maps/<label>/cache.json     what each file was made of; sums.npz beside it: the sums behind the means

A method's files are its own: a page loads what it shows, and a new method leaves the others' files alone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import file_name, replacing
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.maps import gray_png, read_map
from facesr_bench.plugins.profile import Profile
from facesr_bench.report.maps import (
    ERROR,
    STRUCTURE,
    Kind,
    Mapper,
    References,
    Sums,
    Values,
    coloured,
    encode,
    metric_kind,
    metric_of,
    pooled,
)
from facesr_bench.report.site.pages import Pages, short_name
from facesr_bench.report.site.section import Section
from facesr_bench.report.site.views import SectionMaps
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import RankedResult

VERSION = 3
"""Raised whenever the files made here change."""
LARGEST_SIDE = 256
"""Maps of larger pictures are averaged over blocks of pixels down to this side."""
BLOCKS = (1, 2, 4, 8, 16, 32)
"""How many images may share a file; the style knows where in it each of so many is."""
BLOCK_PIXELS = 2**17
"""Pixels of the pictures whose maps share a file: 8 pictures of 128 px."""

WORKERS = 2
"""Threads that make maps: they decode, filter and compress, which other threads don't wait for. Two more blocks may lie
ready to be written."""

_Number = TypeVar("_Number", bound=np.generic)


def build(pages: Pages, section: Section) -> SectionMaps:
    """Write the maps that are missing, for every image of a section; none without ground truth or a known profile.

    Raises:
        ResultsError: they can't be written.
    """
    if not section.has_truth:
        return SectionMaps()
    try:
        profile = Profile.recorded(section.manifest.profile)
        mapper = Mapper(profile, section.scale)
    except (ValidationError, FaceSRBenchError) as error:
        return SectionMaps(trouble=f"this release can't read the profile: {str(error).splitlines()[0]}")
    kinds = {kind.name: kind for kind in (ERROR, STRUCTURE, *_metric_kinds(section))}
    size = _block_size(section)
    key = f"{VERSION} {size} {mapper.conventions} {section.scale}"
    tops = {kind.name: kind.top for kind in kinds.values()}
    made = [_Folder(pages, section, row, rows, tops) for row, rows in section.images]
    folders = [folder for folder in made if folder.begin(key, size)]
    with ThreadPoolExecutor(WORKERS) as workers:
        coming: deque[Future[list[_Made]]] = deque()
        for block in range(-(-len(section.ids) // size)):
            asking = [folder for folder in folders if folder.lacks(block)]
            if asking:
                coming.append(workers.submit(_make_block, section, block, size, asking, mapper))
            if len(coming) > WORKERS:
                _write(coming.popleft().result())
        for each in coming:
            _write(each.result())
    for folder in folders:
        folder.end()
    found = tuple(kind for kind in kinds.values() if any(kind.name in folder.sums.counts for folder in folders))
    maps = SectionMaps(
        folders={folder.label: folder.path for folder in folders},
        without={folder.label: frozenset(folder.without) for folder in folders},
        block=size,
        kinds=found,
    )
    return _with_means(pages, maps, {folder.label: folder.sums for folder in folders}, section.folder / "means")


def _block_size(section: Section) -> int:
    """Images to a file: the same for all methods, so that a page knows which file has one; one where sizes differ."""
    sizes = {section.size(image_id) for image_id in section.ids}
    if len(sizes) != 1:
        return 1
    side = min(LARGEST_SIDE, max(sizes.pop()))
    return max(size for size in BLOCKS if size == 1 or size * side**2 <= BLOCK_PIXELS)


def _metric_kinds(section: Section) -> list[Kind]:
    """Of the metrics whose maps some row has kept."""
    found = {}
    for row in section.shown:
        for key, described in row.result.manifest.metrics.items():
            if (row.result.folder / "maps" / file_name(key)).is_dir():
                found[key] = metric_kind(key, described.title or key)
    return list(found.values())


class _Folder:
    """The maps of one method in one section.

    Attributes:
        path: where its files are.
        sums: of its maps, so far.
        without: the ids of the images that no map could be made of.
    """

    def __init__(
        self, pages: Pages, section: Section, row: RankedResult, rows: Mapping[str, ImageRecord], tops: dict[str, float]
    ) -> None:
        self.label, self.path = row.label, section.folder / "maps" / short_name(row.label)
        self.sums, self.without = Sums(), set(section.ids)
        self._pages, self._result, self._tops = pages, row.result, tops
        self._pictures = row.result.folder / "sr"
        self._hr, self._sr = _files(row.result.inputs_folder / "hr"), _files(self._pictures)
        self._kept = {
            kind: _files(row.result.folder / "maps" / file_name(metric))
            for kind in tops
            if (metric := metric_of(kind)) is not None
        }
        names = {image_id: f"{file_name(image_id)}.png" for image_id in section.ids if _scored(rows.get(image_id))}
        self._names = {image_id: name for image_id, name in names.items() if name in self._hr and name in self._sr}
        self._ids = section.ids
        self._cache, self._stored = self.path / "cache.json", self.path / "sums.npz"
        self._stamps: list[str] = []
        self._fresh: range = range(0)

    def begin(self, key: str, size: int) -> bool:
        """Find out which blocks are to be made; False if there is nothing to make a map of."""
        if not self._names:
            return False
        blocks = [self._ids[start : start + size] for start in range(0, len(self._ids), size)]
        self._stamps = [self._stamp(key, block) for block in blocks]
        kept = self._read()
        self._fresh = range(kept, len(blocks))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(f"{self.path}: can't be made: {error.strerror or error}") from error
        for number in range(kept):
            self._pages.keep(self._path(number, ".js"))
            self._pages.keep(self._path(number, ".png"))
        return True

    def lacks(self, block: int) -> bool:
        return block in self._fresh

    def maps(self, ids: Sequence[str], truth: _Truth) -> list[tuple[str, dict[str, Values]]]:
        """Each image's maps; nothing where a picture can't be read: the page says that there is no map."""
        pictures = {image_id: self._read_picture(image_id) for image_id in ids if image_id in self._names}
        found = truth.maps({image_id: picture for image_id, picture in pictures.items() if picture is not None})
        for image_id, values in found.items():
            for kind, files in self._kept.items():
                name = self._names[image_id]
                if name in files:
                    path = self._result.folder / "maps" / file_name(_metric(kind)) / name
                    try:
                        values[kind] = read_map(path).astype(np.float64)
                    except FaceSRBenchError:
                        values.clear()
                        break
        return [
            (image_id, {kind: _reduced(kind, each) for kind, each in found.get(image_id, {}).items()})
            for image_id in ids
        ]

    def _read_picture(self, image_id: str) -> Image8 | None:
        return _picture(self._pictures / self._names[image_id])

    def sheet(self, size: int, found: Sequence[tuple[str, dict[str, Values]]]) -> tuple[str, bytes]:
        """What the two files of a block hold."""
        sheet = _Sheet([values for _, values in found], size, self._tops)
        return sheet.script(), sheet.picture()

    def write(self, made: _Made) -> None:
        """One block's files, and its maps among the sums."""
        for image_id, values in made.found:
            if values:
                self.sums.add(values)
                self.without.discard(image_id)
        self._pages.write(self._path(made.block, ".js"), made.script)
        self._pages.write(self._path(made.block, ".png"), made.picture)

    def end(self) -> None:
        """Remember what was made, if anything was."""
        if self._fresh:
            self._save()
        self._pages.keep(self._cache)
        self._pages.keep(self._stored)

    def _path(self, block: int, suffix: str) -> Path:
        return self.path / f"{block}{suffix}"

    def _stamp(self, key: str, ids: Iterable[str]) -> str:
        """Changes when a file that a block is made of is written anew."""
        parts = [key]
        for image_id in ids:
            name = self._names.get(image_id, "")
            parts += [image_id, *(str(files.get(name)) for files in (self._hr, self._sr, *self._kept.values()))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def _read(self) -> int:
        """How many blocks of an earlier build stand, and their sums, if all of its blocks still do."""
        try:
            cache = json.loads(self._cache.read_text(encoding="utf-8"))
            old = cache["blocks"]
            paths = (self._path(number, suffix) for number in range(len(old)) for suffix in (".js", ".png"))
            if old != self._stamps[: len(old)] or not all(path.is_file() for path in paths):
                return 0
            with np.load(self._stored, allow_pickle=False) as stored:
                sums = {name: stored[name] for name in stored.files}
            without = self.without - set(cache["with"])
            self.sums = Sums(sums, dict(cache["counts"]), {tuple(size) for size in cache["sizes"]})
            self.without = without
            return len(old)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return 0  # no earlier build, or a half-written one

    def _save(self) -> None:
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **self.sums.sums)
        try:
            self._cache.unlink(missing_ok=True)  # until it is back, the sums count for nothing
            with replacing(self._stored) as partial:
                partial.write_bytes(stream.getvalue())
        except OSError as error:
            raise ResultsError(f"{self._stored}: can't be written: {error.strerror or error}") from error
        cache = {"blocks": self._stamps, "counts": self.sums.counts, "sizes": sorted(self.sums.sizes)}
        cache["with"] = [image_id for image_id in self._ids if image_id not in self.without]
        self._pages.write(self._cache, json.dumps(cache))


class _Truth:
    """The ground truth of one block: what depends on it alone is computed once for all methods."""

    def __init__(self, section: Section, ids: Sequence[str], mapper: Mapper) -> None:
        self._mapper = mapper
        folder = section.inputs / "hr"
        paths = {image_id: folder / f"{file_name(image_id)}.png" for image_id in ids}
        read = {image_id: _picture(path) for image_id, path in paths.items()}
        self._hr = {image_id: picture for image_id, picture in read.items() if picture is not None}
        self._references: dict[str, References | None] = {}

    @cached_property
    def _column(self) -> References:
        return self._mapper.reference(np.concatenate(list(self._hr.values())))

    def maps(self, pictures: Mapping[str, Image8]) -> dict[str, dict[str, Values]]:
        """The maps of a method's pictures; of those that fit their ground truth."""
        shapes = {picture.shape for picture in (*self._hr.values(), *pictures.values())}
        if len(shapes) == 1 and pictures.keys() == self._hr.keys() and len(pictures) > 1 and self._mapper.stacks:
            column = np.concatenate([pictures[image_id] for image_id in self._hr])
            return dict(zip(self._hr, self._mapper.stacked(column, self._column, len(self._hr)), strict=True))
        found = {}
        for image_id, picture in pictures.items():
            reference = self._reference(image_id)
            if reference is not None and picture.shape == self._hr[image_id].shape:
                found[image_id] = self._mapper.maps(picture, reference)
        return found

    def _reference(self, image_id: str) -> References | None:
        if image_id not in self._references:
            try:
                hr = self._hr.get(image_id)
                self._references[image_id] = None if hr is None else self._mapper.reference(hr)
            except FaceSRBenchError:  # smaller than the profile's border
                self._references[image_id] = None
        return self._references[image_id]


def _picture(path: Path) -> Image8 | None:
    """None where it can't be read."""
    try:
        return read_image(path)
    except FaceSRBenchError:
        return None


@dataclass(frozen=True)
class _Made:
    """The maps of one block by one method."""

    folder: _Folder
    block: int
    found: Sequence[tuple[str, dict[str, Values]]]
    script: str
    picture: bytes


def _make_block(section: Section, block: int, size: int, folders: Sequence[_Folder], mapper: Mapper) -> list[_Made]:
    """The maps of some images by all methods that lack them."""
    ids = section.ids[block * size : (block + 1) * size]
    truth = _Truth(section, ids, mapper)
    made = []
    for folder in folders:
        found = folder.maps(ids, truth)
        made.append(_Made(folder, block, found, *folder.sheet(size, found)))
    return made


def _write(made: Sequence[_Made]) -> None:
    """In the order of images: sums of floats depend on it."""
    for each in made:
        each.folder.write(each)


def _scored(row: ImageRecord | None) -> bool:
    return row is not None and row.error is None


def _metric(kind: str) -> str:
    return metric_of(kind) or kind


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file of a folder was written, ns, and its bytes; empty where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {each.name: (each.stat().st_mtime_ns, each.stat().st_size) for each in entries if each.is_file()}
    except OSError:
        return {}


def _reduced(kind: str, values: Values) -> Values:
    """At most about `LARGEST_SIDE` px wide; errors are averaged as squares."""
    if kind == ERROR.name:
        return values if max(values.shape) <= LARGEST_SIDE else np.sqrt(pooled(np.square(values), LARGEST_SIDE))
    return pooled(np.asarray(values, np.float64), LARGEST_SIDE)


class _Sheet:
    """The maps of some images, one below the other, those of one kind together.

    Args:
        found: each image's maps; empty where it has none. Maps of another size than the first are left out.
        count: places for images.
        tops: by kind.
    """

    def __init__(self, found: Sequence[Mapping[str, Values]], count: int, tops: Mapping[str, float]) -> None:
        shapes = [values.shape for maps in found for values in maps.values()]
        self._height, self._width = shapes[0] if shapes else (1, 1)
        self._tops = tops
        self._values: dict[str, Values] = {}
        self._has: list[list[str]] = []
        for place, maps in enumerate(found):
            same = {kind: values for kind, values in maps.items() if values.shape == shapes[0]}
            self._has.append(list(same))
            for kind, values in same.items():
                if kind not in self._values:
                    self._values[kind] = np.full((count, *values.shape), np.nan)
                self._values[kind][place] = values

    def script(self) -> str:
        """A call of the page's script: `has` says which kinds each image has, in order."""
        data: dict[str, Any] = {"kinds": list(self._values), "has": self._has}
        if self._values:
            rows = [self._flat(encode(values, self._tops[kind])) for kind, values in self._values.items()]
            data["tops"] = {kind: self._tops[kind] for kind in self._values}
            data |= {"width": self._width, "height": self._height, "count": len(next(iter(self._values.values())))}
            data["png"] = base64.b64encode(gray_png(np.concatenate(rows))).decode()
        return f"facesr.map({json.dumps(data, separators=(',', ':'))});\n"

    def picture(self) -> bytes:
        """The PSNR maps in colours."""
        values = self._values.get(ERROR.name)
        return coloured(np.full((1, 1), np.nan) if values is None else self._flat(values), ERROR.end)

    def _flat(self, values: NDArray[_Number]) -> NDArray[_Number]:
        return values.reshape(-1, self._width)


def _with_means(pages: Pages, made: SectionMaps, sums: Mapping[str, Sums], folder: Path) -> SectionMaps:
    """With the mean maps of every method, on one scale for all; without where the images differ in size."""
    names = [kind.name for kind in made.kinds]
    found = {
        label: {name: mean for name in names if (mean := each.mean(name)) is not None} for label, each in sums.items()
    }
    sizes = {mean.shape for maps in found.values() for mean in maps.values()}
    if len(sizes) != 1:
        return made
    height, width = sizes.pop()
    tops = {name: _top(maps[name] for maps in found.values() if name in maps) for name in names}
    means: dict[str, dict[str, tuple[Path, int]]] = {}
    for label, maps in found.items():
        pages.write(folder / f"{short_name(label)}.js", _Sheet([maps], 1, tops).script())
        for name, mean in maps.items():
            path = folder / f"{short_name(label)}-{names.index(name)}.png"
            pages.write(path, coloured(mean, tops[name]))
            means.setdefault(label, {})[name] = (path, sums[label].counts[name])
    return replace(made, means=means, tops=tops, size=(height, width))


def _top(maps: Iterable[Values]) -> float:
    return max([*(float(np.nanmax(each)) for each in maps), 1e-6])
