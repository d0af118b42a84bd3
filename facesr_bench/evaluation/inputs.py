"""The first stage: the samples of a protocol, with all that depends on the ground truth alone."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import (
    PLUGIN_ERRORS,
    DataError,
    DetectionError,
    FaceSRBenchError,
    MetricError,
    PluginError,
    ResultsError,
    WeightsError,
    describe,
)
from facesr_bench.base.files import file_name
from facesr_bench.data.prepare import prepare
from facesr_bench.data.protocols import find_protocol
from facesr_bench.data.sources import open_dataset
from facesr_bench.images.files import Image8, read_image, write_png
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item
from facesr_bench.plugins.degradation import DegradationBase, find_degradation, make_degradation
from facesr_bench.plugins.metric import AnyMetric, MetricBase, SetMetric, Unavailable
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.arrays import References
from facesr_bench.results.samples import SampleRecord, read_samples


@dataclass
class Loaded:
    """One sample in memory, with all that depends on the ground truth alone.

    Attributes:
        references: what each metric's `prepare` returned, by metric name.
        reasons: why a metric can't be computed on this image, whatever the method.
        undetected: the metrics among them whose detector found no face in the ground truth.
        passing: the metrics among them that lack a file; they are tried again once it is there.
        error: why the sample could not be read; then `sample` is None.
    """

    id: str
    sample: Sample | None = None
    references: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    undetected: set[str] = field(default_factory=set)
    passing: set[str] = field(default_factory=set)
    error: str | None = None

    @property
    def identity(self) -> str | None:
        """The person it shows, or None where the dataset does not say."""
        return self.sample.identity if self.sample is not None else None

    @property
    def record(self) -> SampleRecord | None:
        """What is kept of it beside its pixels; None where it could not be read."""
        if self.sample is None:
            return None
        points = self.sample.landmarks
        landmarks = None if points is None else [(float(x), float(y)) for x, y in points]
        return SampleRecord(self.id, landmarks, self.sample.identity)


def prepare_sample(sample: Sample, metrics: Sequence[AnyMetric]) -> Loaded:
    """A sample with all that metrics make of its ground truth."""
    loaded = Loaded(sample.id, sample)
    for metric in metrics:
        _prepare_metric(metric, sample, loaded)
    return loaded


def _prepare_metric(metric: AnyMetric, sample: Sample, loaded: Loaded) -> None:
    """Do what the ground truth alone decides, or say why it can't be done."""
    key = metric.key
    try:
        if isinstance(metric, Unavailable):
            loaded.reasons[key] = metric.reason
        elif (reason := _why_not(metric, sample)) is not None:
            loaded.reasons[key] = reason
        elif not isinstance(metric, SetMetric):
            loaded.references[key] = metric.prepare_sample(sample)
        elif metric.reference_set is None:
            keep_features(metric, sample)
    except MetricError as error:
        loaded.reasons[key] = str(error)
        if isinstance(error, DetectionError):
            loaded.undetected.add(key)
    except WeightsError as error:
        loaded.reasons[key] = str(error)
        loaded.passing.add(key)
    except ResultsError:
        raise  # a run that can't save is a failed run
    except PLUGIN_ERRORS as error:  # costs the metric's own cell
        loaded.reasons[key] = describe(error)


def keep_features(metric: SetMetric, sample: Sample) -> None:
    """Compute the ground truth's features of a set metric, unless they are on disk."""
    hr = sample.hr
    assert hr is not None  # `_why_not` has seen to it
    sample.once(metric.extractor, lambda: checked_features(metric, hr))


def checked_features(metric: SetMetric, image: Image8) -> NDArray[np.float32]:
    """D float32.

    Raises:
        MetricError: something else came out, or NaN or infinity.
    """
    features = np.asarray(metric.features(image))
    if features.ndim != 1 or features.dtype != np.float32:
        raise MetricError(f"{metric.key} made {features.dtype} features of shape {features.shape}; D float32 are due")
    if not np.isfinite(features).all():
        raise MetricError(f"{metric.key} made NaN or infinite features")
    return features


def _why_not(metric: MetricBase, sample: Sample) -> str | None:
    own_set = isinstance(metric, SetMetric) and metric.reference_set is not None
    if sample.hr is None and "reference" in metric.card.needs and not own_set:
        if isinstance(metric, SetMetric):
            return "needs a set to compare with: --fid-reference NAME=FILE, since this protocol has no ground truth"
        return "needs ground truth, which this protocol does not have"
    if sample.landmarks is None and "landmarks" in metric.card.needs:
        return "needs landmarks, which this protocol does not have"
    return None


@dataclass(frozen=True)
class Source:
    """Where a protocol's samples come from.

    Attributes:
        items: what the dataset lists, by id, in its order.
        degradation: how LR is made; None where it is given.
    """

    protocol: ProtocolCard
    dataset: DatasetBase
    items: Mapping[str, Item]
    degradation: DegradationBase | None

    def read(self, image_id: str) -> Sample:
        """One sample, from the dataset's files.

        Raises:
            Exception: whatever the dataset raises.
        """
        picture = self.dataset.read(self.items[image_id], self.protocol)
        return prepare(image_id, picture, self.protocol, self.degradation)

    def content_hash(self) -> str:
        """The hash of all it lists: see `DatasetBase.content_hash`."""
        with _named(self.dataset.card.name):
            return self.dataset.content_hash(list(self.items.values()))


def open_source(protocol: ProtocolCard, data: Mapping[str, Path]) -> Source:
    """Open a protocol's dataset and list its items; reads no pixels.

    Args:
        data: where the user has datasets.

    Raises:
        FaceSRBenchError: its data is missing or not as its card describes, it lists what can't be in results, or its
            degradation can't be used.
    """
    plugin, _ = find_protocol(protocol.name)
    with _named(plugin.name):
        dataset, _ = open_dataset(protocol.name, data)
        items = list(dataset.items(protocol))
        _check_items(plugin.name, items)
    how = None
    if protocol.degradation is not None:
        how = make_degradation(find_degradation(protocol.degradation, plugin.folder), protocol.scale)
    return Source(protocol, dataset, {item.id: item for item in items}, how)


@contextmanager
def _named(dataset: str) -> Iterator[None]:
    try:
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
        prepare: Callable[[Sample], Loaded],
        coming: Mapping[str, int],
    ) -> None:
        self._folder, self._protocol, self._prepare = folder, protocol, prepare
        self._open, self._opening = source, threading.Lock()
        self._references = References(folder / "references")
        self._stored = read_samples(folder)
        self._memory = _Memory(coming)

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
        sample = self._from_folder(image_id)
        if sample is not None:
            return self._prepare(replace(sample, keep=self._references))
        try:
            with self._opening:
                source = self._open()
            sample = source.read(image_id)
        except FaceSRBenchError as error:
            return Loaded(image_id, error=str(error))
        except PLUGIN_ERRORS as error:  # costs this image
            return Loaded(image_id, error=f"{self._protocol.name} can't read it: {describe(error)}")
        loaded = self._prepare(replace(sample, keep=self._references))
        damaged = image_id in self._stored
        for part, image in (("lr", sample.lr), ("hr", sample.hr)):
            path = self._path(part, image_id)
            if image is not None and (damaged or not path.exists()):
                write_png(path, image)
        if loaded.record is not None:
            self._stored[image_id] = loaded.record
        return loaded

    def _from_folder(self, image_id: str) -> Sample | None:
        """The sample as an earlier job has left it; None if it is not there, or not whole."""
        known = self._stored.get(image_id)
        if known is None:
            return None
        try:
            lr = read_image(self._path("lr", image_id))
            hr = None if self._protocol.source == "lr" else read_image(self._path("hr", image_id))
        except DataError:
            return None
        landmarks = None if known.landmarks is None else np.array(known.landmarks, np.float64).reshape(-1, 2)
        return Sample(image_id, lr, hr, landmarks, known.identity, self._protocol.aligned)

    def _path(self, part: str, image_id: str) -> Path:
        return self._folder / part / f"{file_name(image_id)}.png"


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
