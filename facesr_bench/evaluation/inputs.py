"""The first stage: the samples of a protocol, with all that depends on the ground truth alone."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.base.errors import (
    PLUGIN_ERRORS,
    DataError,
    FaceSRBenchError,
    PluginError,
    describe,
)
from facesr_bench.base.files import file_name, is_pipe_or_device
from facesr_bench.base.process_state import World
from facesr_bench.base.stages import stage
from facesr_bench.data.degradation import read_lr_hashes
from facesr_bench.data.prepare import prepare
from facesr_bench.data.protocols import Datasets, find_protocol
from facesr_bench.data.sources import open_dataset
from facesr_bench.evaluation.scorer import Prepared
from facesr_bench.images import room
from facesr_bench.images.files import picture_libraries, pixel_sha256, read_image, write_png
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item
from facesr_bench.plugins.degradation import DegradationBase, degradation_of, make_degradation
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.arrays import References
from facesr_bench.results.samples import SampleRecord, read_samples


@dataclass(frozen=True)
class Loaded:
    """One image of a protocol in memory.

    Attributes:
        prepared: the sample, with all that metrics make of its ground truth; None if it could not be read.
        error: why it could not be read.
        record: what is kept of it beside its pixels; None where it could not be read.
    """

    id: str
    prepared: Prepared | None = None
    error: str | None = None
    record: SampleRecord | None = None

    @property
    def sample(self) -> Sample:
        """The sample; those that could not be read must be sorted out before."""
        assert self.prepared is not None
        return self.prepared.sample


@dataclass(frozen=True)
class Source:
    """Where a protocol's samples come from.

    Attributes:
        items: what the dataset lists, by id, in its order.
        degradation: how LR is made; None where it is given.
        lr_hashes: sha256 of the pixels of LR pictures, by id, as far as the protocol says.
    """

    protocol: ProtocolCard
    dataset: DatasetBase
    items: Mapping[str, Item]
    degradation: DegradationBase | None
    lr_hashes: Mapping[str, str]

    def read(self, image_id: str) -> Sample:
        """One sample, from the dataset's files.

        Raises:
            Exception: whatever the dataset raises.
        """
        for path in self.items[image_id].files:
            if is_pipe_or_device(path):
                raise DataError(f"{path}: can't be read: it is not a regular file")
        with room.visit():
            with stage("decode"):
                picture = self.dataset.read(self.items[image_id], self.protocol)
            return prepare(image_id, picture, self.protocol, self.degradation)

    def record(self, sample: Sample) -> SampleRecord:
        """What is kept of a sample beside its pixels."""
        points = sample.landmarks
        landmarks = None if points is None else [(float(x), float(y)) for x, y in points]
        found, expected = pixel_sha256(sample.lr), self.lr_hashes.get(sample.id)
        return SampleRecord(
            sample.id,
            landmarks,
            sample.identity,
            degradation=sample.degradation or None,
            lr_sha256=found,
            lr_expected=expected if expected != found else None,
            made_by=None if self.degradation is None else picture_libraries(),
            enlarged=sample.enlarged,
        )

    def content_hash(self) -> str:
        """The hash of all it lists: see `DatasetBase.content_hash`."""
        with _named(self.dataset.card.name):
            return self.dataset.content_hash(list(self.items.values()))


def open_source(protocol: ProtocolCard, data: Mapping[str, Path], datasets: Datasets) -> Source:
    """Open a protocol's dataset and list its items; reads no pixels.

    Args:
        data: where the user has datasets.
        datasets: all that are known to the run.

    Raises:
        FaceSRBenchError: its data is missing or not as its card describes, it lists what can't be in results, or its
            degradation can't be used.
    """
    plugin, _ = find_protocol(protocol.name, datasets)
    with _named(plugin.name):
        dataset, _ = open_dataset(protocol.name, data, datasets)
        items = list(dataset.items(protocol))
        _check_items(plugin.name, items)
    found = degradation_of(protocol, plugin)
    how = None if found is None else make_degradation(found, protocol.scale)
    hashes = read_lr_hashes(plugin.folder, protocol)
    return Source(protocol, dataset, {item.id: item for item in items}, how, hashes)


@contextmanager
def _named(dataset: str) -> Iterator[None]:
    try:
        with World(seeded=True):
            yield
    except FaceSRBenchError:
        raise
    except PLUGIN_ERRORS as error:  # costs the dataset's own protocols
        message = f"dataset {dataset} can't list its images: {describe(error)}"
        raise PluginError(message, traceback.format_exc()) from error


def _check_items(dataset: str, items: Sequence[Item]) -> None:
    """An id names an image in results, so two images of one id would leave one of them out.

    Raises:
        DataError: nothing is listed, or an id that can't name an image.
    """
    if not items:
        raise DataError(f"dataset {dataset} lists no images")
    seen: set[str] = set()
    for item in items:
        if not isinstance(item.id, str) or not item.id:
            raise DataError(f"dataset {dataset}: {item.id!r} is no image id; a text of one letter or more is expected")
        if item.id in seen:
            raise DataError(f"dataset {dataset} lists two images with the id {item.id!r}")
        try:
            item.id.encode()
        except UnicodeEncodeError as error:
            what = "is not valid UTF-8: rename the file"
            raise DataError(f"dataset {dataset}: the name {item.id!r} {what}") from error
        seen.add(item.id)


class Inputs:
    """The samples of one protocol, each read from its dataset once, whatever the number of methods.

    What a sample is made of is kept in the folder: `lr/<id>.png`, `hr/<id>.png`, samples.jsonl, and in `references/`
    what metrics keep of it. While other jobs are to ask for it, it also stays in memory, as far as `KEPT_BYTES` go.
    Safe to use from several threads.

    Args:
        folder: of these inputs, see `results.store`.
        source: the protocol's dataset; called when the first sample is not in the folder.
        prepare: makes of a sample all that depends on the ground truth alone.
        coming: how many times each sample will be asked for.
    """

    def __init__(
        self,
        folder: Path,
        protocol: ProtocolCard,
        source: Callable[[], Source],
        prepare: Callable[[Sample], Prepared],
        coming: Mapping[str, int],
    ) -> None:
        self._folder, self._protocol, self._prepare = folder, protocol, prepare
        self._open, self._opening = source, threading.Lock()
        self._references = References(folder / "references")
        self._stored = read_samples(folder)
        self._unreadable: dict[str, str] = {}
        self._of_others: str | None = None
        self._memory = _Memory(coming)

    def know(self, samples: Iterable[SampleRecord], unreadable: Iterable[tuple[str, str]]) -> None:
        """Take it that these lie in the folder, too, and that those can't be read: (id, why)."""
        self._stored.update((sample.id, sample) for sample in samples)
        self._unreadable.update(unreadable)

    def take_damaged(self) -> list[Path]:
        """The files that were not as written and were made anew, since this was last asked."""
        found = list(self._references.damaged)
        del self._references.damaged[: len(found)]
        return found

    def get(self, image_id: str) -> Loaded:
        """One sample; a bad image becomes `error` instead of an exception, and is not tried again.

        Raises:
            ResultsError: it can't be saved.
        """
        loaded = self._memory.take(image_id)
        if loaded is None:
            loaded = self._load(image_id)
            self._memory.keep(loaded)
        return loaded

    def _load(self, image_id: str) -> Loaded:
        if image_id in self._unreadable:
            return Loaded(image_id, error=self._unreadable[image_id])
        known, sample = self._stored.get(image_id), self._from_folder(image_id)
        if sample is not None:
            return self._prepared(sample, known)
        try:
            with self._opening:
                source = self._open()
            with World(seeded=True):
                sample = source.read(image_id)
        except FaceSRBenchError as error:
            return Loaded(image_id, error=str(error))
        except PLUGIN_ERRORS as error:  # costs this image
            return Loaded(image_id, error=f"{self._protocol.name} can't read it: {describe(error)}")
        record, damaged = source.record(sample), known is not None
        why = self._mixed(source, record.made_by) if known is None else _made_otherwise(known, record)
        if why:
            return Loaded(image_id, error=why)
        loaded = self._prepared(sample, record)
        for part, image in (("lr", sample.lr), ("hr", sample.hr)):
            path = self._path(part, image_id)
            if image is not None and (damaged or not path.exists()):
                with stage("PNG of LR and HR"):
                    write_png(path, image)
        self._stored[image_id] = record
        return loaded

    def _mixed(self, source: Source, made_by: str | None) -> str:
        """Why no LR picture of these libraries may stand beside those that are here; empty where it may.

        Where others have made those, one of them is made again: a set of pictures of two kinds is nobody's.
        """
        with self._opening:
            if self._of_others is None:
                self._of_others = self._compared(source, made_by)
            return self._of_others

    def _compared(self, source: Source, made_by: str | None) -> str:
        for known in list(self._stored.values()):
            if None in {made_by, known.made_by, known.lr_sha256} or known.made_by == made_by:
                continue
            try:
                with World(seeded=True):
                    again = source.record(source.read(known.id))
            except PLUGIN_ERRORS:  # no longer there, or no longer readable: another one tells
                continue
            if again.lr_sha256 == known.lr_sha256:
                return ""
            return (
                f"{made_by} makes other LR pictures than those that are here, such as that of {known.id}, which are by "
                f"{known.made_by}: run with the libraries of then, or into another folder"
            )
        return ""

    def _prepared(self, sample: Sample, record: SampleRecord | None) -> Loaded:
        return Loaded(sample.id, self._prepare(replace(sample, keep=self._references)), record=record)

    def _from_folder(self, image_id: str) -> Sample | None:
        """The sample as an earlier job has left it; None if it is not there, or not whole."""
        known = self._stored.get(image_id)
        if known is None:
            return None
        pictures = {}
        for part in ("lr",) if self._protocol.source == "lr" else ("lr", "hr"):
            path = self._path(part, image_id)
            try:
                with stage("decode"):
                    pictures[part] = read_image(path)
            except DataError:
                self._references.damaged.append(path)
                return None
        lr, hr = pictures["lr"], pictures.get("hr")
        if known.lr_sha256 not in {None, pixel_sha256(lr)}:  # another picture lies there
            self._references.damaged.append(self._path("lr", image_id))
            return None
        landmarks = None if known.landmarks is None else np.array(known.landmarks, np.float64).reshape(-1, 2)
        return Sample(
            *(image_id, lr, hr, landmarks, known.identity, self._protocol.aligned, known.degradation),
            enlarged=known.enlarged,
        )

    def _path(self, part: str, image_id: str) -> Path:
        return self._folder / part / f"{file_name(image_id)}.png"


def _made_otherwise(known: SampleRecord, now: SampleRecord) -> str:
    """Why a sample that is damaged can't be made again; empty where it was."""
    if known.lr_sha256 in {None, now.lr_sha256}:
        return ""
    makers = f" ({known.made_by or 'unknown libraries'} then, {now.made_by} now)" if now.made_by else ""
    return (
        f"its LR picture is damaged, and can't be made again with the same bits{makers}: "
        f"{now.lr_sha256}, not {known.lr_sha256}; run with the libraries of then, or into another folder"
    )


KEPT_BYTES = 128 * 2**20
"""What samples may take in memory while they wait for the next method; beyond it they are read from disk again."""


class _Memory:
    """Samples that further jobs will ask for: the first ones that there is room for, and whatever could not be read."""

    def __init__(self, coming: Mapping[str, int]) -> None:
        self._coming, self._lock = dict(coming), threading.Lock()
        self._kept: dict[str, tuple[Loaded, int]] = {}
        self._room = KEPT_BYTES

    def take(self, image_id: str) -> Loaded | None:
        """The sample, if it is here; it leaves with the last job that wants it."""
        with self._lock:
            left = self._coming[image_id] = self._coming.get(image_id, 1) - 1
            loaded, size = self._kept.get(image_id, (None, 0))
            if loaded is not None and left <= 0:
                del self._kept[image_id]
                self._room += size
            return loaded

    def keep(self, loaded: Loaded) -> None:
        """Keep the sample if somebody will ask for it again, and there is room."""
        if self._coming[loaded.id] <= 0:
            return
        size = 0 if loaded.error is not None else _bytes_of(loaded)
        with self._lock:
            if self._coming[loaded.id] > 0 and size <= self._room:
                self._kept[loaded.id] = loaded, size
                self._room -= size


def _bytes_of(value: Any) -> int:
    """What a value takes in memory, about; more than there is for what can't be told."""
    size = getattr(value, "nbytes", None)  # arrays, tensors
    if isinstance(size, int):
        return size
    if value is None or isinstance(value, (bool, int, float, str, References)):  # all samples share their References
        return 0
    if isinstance(value, dict):
        return _bytes_of(list(value.values()))
    if is_dataclass(value):
        return _bytes_of([getattr(value, part.name) for part in fields(value)])
    return sum(map(_bytes_of, value)) if isinstance(value, (list, tuple, set)) else KEPT_BYTES + 1
