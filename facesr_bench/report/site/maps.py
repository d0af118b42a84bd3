"""Error maps for the image pages, computed once per (method, image) and kept until something they are made of changes.

A browser may not read the pixels of a picture opened from disk, so the maps are files that a page loads as scripts:

    maps/<label>/<image>.js     every kind of map of one image, as one grayscale PNG of codes (heatmap.encode)
    means/<label>.js            the same, averaged over the images
    means/<label>-<number>.png  a mean map in colours, for pages without script
    maps/<label>/cache.json     what each file was made of; sums.npz beside it: the sums behind the means

One file per method and image, so that a page loads what it shows and a new method leaves the others' files alone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from pydantic import ValidationError

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import file_name, replacing
from facesr_bench.images.files import read_image
from facesr_bench.images.maps import read_map
from facesr_bench.plugins.profile import Profile
from facesr_bench.report.maps import (
    ERROR,
    STRUCTURE,
    Codes,
    Kind,
    Mapper,
    Sums,
    Values,
    encode,
    metric_kind,
    metric_of,
    pooled,
    write_mean_map,
)
from facesr_bench.report.site.pages import Pages, short_name
from facesr_bench.report.site.section import Section
from facesr_bench.report.site.views import SectionMaps
from facesr_bench.results.record import ImageRecord
from facesr_bench.results.store import Result

VERSION = 1
"""Raised whenever the files made here change."""
LARGEST_SIDE = 256
"""Maps of larger pictures are averaged over blocks of pixels down to this side."""
WORKERS = 4
_AHEAD = 32


def build(pages: Pages, section: Section) -> SectionMaps:
    """Write the maps that are missing, for every image of a section; none without ground truth or a known profile.

    Raises:
        ResultsError: they can't be written.
    """
    if not section.has_truth:
        return SectionMaps()
    try:
        profile = Profile.model_validate(section.manifest.profile.model_dump(mode="json"))
        mapper = Mapper(profile, section.scale)
    except (ValidationError, FaceSRBenchError) as error:
        return SectionMaps(trouble=f"this release can't read the profile: {str(error).splitlines()[0]}")
    kinds = {kind.name: kind for kind in (ERROR, STRUCTURE, *_metric_kinds(section))}
    key = f"{VERSION} {mapper.conventions} {section.scale}"
    sums: dict[str, Sums] = {}
    folders: dict[str, Path] = {}
    for row, rows in section.images:
        folder = section.folder / "maps" / short_name(row.label)
        found = _Folder(pages, folder, key, kinds).update(row.result, rows, mapper)
        if found is not None:
            folders[row.label], sums[row.label] = folder, found
    made = tuple(kind for kind in kinds.values() if any(kind.name in found.counts for found in sums.values()))
    return _with_means(pages, SectionMaps(folders, made), sums, section.folder / "means")


def _metric_kinds(section: Section) -> list[Kind]:
    """Of the metrics whose maps some row has kept."""
    found = {}
    for row in section.shown:
        for key, described in row.result.manifest.metrics.items():
            if (row.result.folder / "maps" / file_name(key)).is_dir():
                found[key] = metric_kind(key, described.title or key)
    return list(found.values())


class _Folder:
    """The maps of one method in one section."""

    def __init__(self, pages: Pages, folder: Path, key: str, kinds: Mapping[str, Kind]) -> None:
        self._pages, self._folder, self._key = pages, folder, key
        self._tops = {kind.name: kind.top for kind in kinds.values()}
        self._cache, self._sums = folder / "cache.json", folder / "sums.npz"

    def update(self, result: Result, rows: Mapping[str, ImageRecord], mapper: Mapper) -> Sums | None:
        """Make what is missing; none if there is nothing to make a map of."""
        wanted = {}
        for image_id, row in rows.items():
            sources = _sources(result, image_id, self._tops) if row.error is None else None
            if sources is not None:
                wanted[image_id] = sources
        if not wanted:
            return None
        stamps = {image_id: _stamp(self._key, paths.values()) for image_id, paths in wanted.items()}
        means, kept = self._read(stamps)
        self._make_folder()
        fresh = [image_id for image_id in wanted if image_id not in kept]
        for image_id in kept:
            self._pages.keep(self.path_of(image_id))
        with ThreadPoolExecutor(WORKERS) as executor:
            jobs = (lambda image_id=image_id: self._one(image_id, wanted[image_id], mapper) for image_id in fresh)
            for values in _ahead(executor, jobs):
                means.add(values)
        if fresh:
            self._save(stamps, means)
        self._pages.keep(self._cache)
        self._pages.keep(self._sums)
        return means

    def path_of(self, image_id: str) -> Path:
        return self._folder / f"{file_name(image_id)}.js"

    def _one(self, image_id: str, sources: Mapping[str, Path], mapper: Mapper) -> dict[str, Values]:
        """Write one image's file; its maps, or nothing where a picture can't be read."""
        values: dict[str, Values] = {}
        try:
            values = mapper.maps(read_image(sources["sr"]), mapper.reference(read_image(sources["hr"])))
            for name in sources.keys() & self._tops.keys():
                values[name] = read_map(sources[name]).astype(np.float64)
        except FaceSRBenchError:
            pass  # the page says that there is no map
        values = {kind: _reduced(kind, found) for kind, found in values.items()}
        codes = {kind: encode(found, self._tops[kind]) for kind, found in values.items()}
        self._pages.write(self.path_of(image_id), _script(image_id, codes, self._tops))
        return values

    def _read(self, stamps: Mapping[str, str]) -> tuple[Sums, set[str]]:
        """The sums and images of an earlier build, if all of them still stand."""
        try:
            cache = json.loads(self._cache.read_text(encoding="utf-8"))
            old = cache["images"]
            if any(stamps.get(image_id) != stamp for image_id, stamp in old.items()):
                return Sums(), set()
            if not all(self.path_of(image_id).is_file() for image_id in old):
                return Sums(), set()
            with np.load(self._sums, allow_pickle=False) as stored:
                sums = {name: stored[name] for name in stored.files}
            return Sums(sums, dict(cache["counts"]), {tuple(size) for size in cache["sizes"]}), set(old)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Sums(), set()  # no earlier build, or a half-written one

    def _save(self, stamps: Mapping[str, str], means: Sums) -> None:
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **means.sums)
        try:
            self._cache.unlink(missing_ok=True)  # until it is back, the sums count for nothing
            with replacing(self._sums) as partial:
                partial.write_bytes(stream.getvalue())
        except OSError as error:
            raise ResultsError(f"{self._sums}: can't be written: {error.strerror or error}") from error
        cache = {"images": stamps, "counts": means.counts, "sizes": sorted(means.sizes)}
        self._pages.write(self._cache, json.dumps(cache))

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(f"{self._folder}: can't be made: {error.strerror or error}") from error


def _reduced(kind: str, values: Values) -> Values:
    """At most about `LARGEST_SIDE` px wide; errors are averaged as squares."""
    if kind == ERROR.name:
        return np.sqrt(pooled(np.square(values), LARGEST_SIDE))
    return pooled(values, LARGEST_SIDE)


def _sources(result: Result, image_id: str, kinds: Iterable[str]) -> dict[str, Path] | None:
    """`hr`, `sr`, and the maps that metrics have kept; None where one of the pictures is missing."""
    name = f"{file_name(image_id)}.png"
    paths = {"hr": result.inputs_folder / "hr" / name, "sr": result.sr_path(image_id)}
    if not all(path.is_file() for path in paths.values()):
        return None
    for kind in kinds:
        if (metric := metric_of(kind)) and (path := result.metric_map_path(metric, image_id)).is_file():
            paths[kind] = path
    return paths


def _stamp(key: str, paths: Iterable[Path]) -> str:
    """Changes when a file is written anew."""
    parts = [key]
    for path in paths:
        status = path.stat()
        parts.append(f"{path.parent.name} {status.st_mtime_ns} {status.st_size}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


_T = TypeVar("_T")


def _ahead(executor: ThreadPoolExecutor, jobs: Iterator[Callable[[], _T]] | Iterable[Callable[[], _T]]) -> Iterator[_T]:
    """The jobs' results in their order, never more than `_AHEAD` of them at work or waiting: memory stays flat."""
    waiting: deque[Future[_T]] = deque()
    for job in jobs:
        waiting.append(executor.submit(job))
        if len(waiting) >= _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _script(image_id: str | None, codes: Mapping[str, Codes], tops: Mapping[str, float]) -> str:
    """A call of the page's script with the maps of one image, one below the other in a PNG."""
    data: dict[str, Any] = {"id": image_id, "kinds": list(codes), "tops": {kind: tops[kind] for kind in codes}}
    if codes:
        height, width = next(iter(codes.values())).shape
        same = {kind: found for kind, found in codes.items() if found.shape == (height, width)}
        stream = io.BytesIO()
        Image.fromarray(np.concatenate(list(same.values()))).save(stream, format="PNG", compress_level=6)
        data |= {"kinds": list(same), "width": width, "height": height}
        data["png"] = base64.b64encode(stream.getvalue()).decode()
    return f"facesr.map({json.dumps(data, separators=(',', ':'))});\n"


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
        codes = {name: encode(mean, tops[name]) for name, mean in maps.items()}
        pages.write(folder / f"{short_name(label)}.js", _script(None, codes, tops))
        for name, mean in maps.items():
            path = folder / f"{short_name(label)}-{names.index(name)}.png"
            write_mean_map(path, mean, tops[name])
            pages.keep(path)
            means.setdefault(label, {})[name] = (path, sums[label].counts[name])
    return replace(made, means=means, tops=tops, size=(height, width))


def _top(maps: Iterable[Values]) -> float:
    return max([*(float(np.nanmax(each)) for each in maps), 1e-6])
