"""The work on one image: read it, hand it to a method, check and quantise the answer, score it, write it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.cards import ProtocolCard
from facesr_bench.dataset import DatasetBase, Item
from facesr_bench.errors import (
    STRANGERS,
    DetectionError,
    FaceSRBenchError,
    MethodError,
    MetricError,
    ResultsError,
    WeightsError,
)
from facesr_bench.images import Image8, read_image, read_only, resize, write_map, write_png
from facesr_bench.method import MethodBase
from facesr_bench.metric import MetricBase, SetMetric
from facesr_bench.metrics.convert import quantise
from facesr_bench.metrics.profiles import Quantise
from facesr_bench.protocol import Sample, prepare
from facesr_bench.references import References, read_array, write_array
from facesr_bench.report.heatmap import write_error_map
from facesr_bench.store import ImageRow, Result, file_name

if TYPE_CHECKING:
    from torch import Tensor

# Float noise of a network that clips itself; anything beyond is a broken contract.
RANGE_TOLERANCE = 1e-4


@dataclass
class Loaded:
    """One sample in memory, with all that depends on the ground truth alone.

    Attributes:
        references: what each metric's `prepare` returned, by metric name.
        reasons: why a metric can't be computed on this image, whatever the method.
        undetected: the metrics among them whose detector found no face in the ground truth.
        passing: the metrics among them that lack a file; they are tried again once it is there.
        upsampled: LR at the output size by Pillow's bicubic (made when the first method asks for it).
        error: why the sample could not be read; then `sample` is none.
    """

    id: str
    sample: Sample | None = None
    references: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    undetected: set[str] = field(default_factory=set)
    passing: set[str] = field(default_factory=set)
    upsampled: Image8 | None = None
    error: str | None = None

    def upsampled_to(self, size: tuple[int, int]) -> Image8:
        """LR at (height, width) by Pillow's bicubic, made once."""
        assert self.sample is not None  # unreadable samples never get here
        if self.upsampled is None or self.upsampled.shape[:2] != size:
            self.upsampled = resize(self.sample.lr, size)
        return self.upsampled


def load_item(
    dataset: DatasetBase,
    item: Item,
    protocol: ProtocolCard,
    metrics: Sequence[MetricBase],
    inputs: Path,
    references: References,
) -> Loaded:
    """Read and prepare one item, once for all methods; a bad image becomes `error` instead of an exception."""
    try:
        sample = prepare(item.id, dataset.read(item, protocol), protocol)
    except FaceSRBenchError as error:
        return Loaded(item.id, error=str(error))
    except STRANGERS as error:  # costs this image
        return Loaded(item.id, error=f"{protocol.name} can't read it: {type(error).__name__}: {error}")
    sample = replace(sample, keep=references)
    loaded = Loaded(item.id, sample)
    for metric in metrics:
        _prepare_metric(metric, sample, loaded)
    _save_once(inputs / "lr" / f"{file_name(item.id)}.png", sample.lr)
    if sample.hr is not None:
        _save_once(inputs / "hr" / f"{file_name(item.id)}.png", sample.hr)
    return loaded


def _prepare_metric(metric: MetricBase, sample: Sample, loaded: Loaded) -> None:
    """Do what the ground truth alone decides, or say why it can't be done."""
    key = metric.key
    try:
        if (reason := _why_not(metric, sample)) is not None:
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
    except STRANGERS as error:  # costs the metric's own cell
        loaded.reasons[key] = f"{type(error).__name__}: {error}"


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
    if metric.unavailable is not None:
        return metric.unavailable
    own_set = isinstance(metric, SetMetric) and metric.reference_set is not None
    if sample.hr is None and "reference" in metric.card.needs and not own_set:
        if isinstance(metric, SetMetric):
            return "needs a set to compare with: --fid-reference NAME=FILE, since this protocol has no ground truth"
        return "needs ground truth, which this protocol does not have"
    if sample.landmarks is None and "landmarks" in metric.card.needs:
        return "needs landmarks, which this protocol does not have"
    return None


def _save_once(path: Path, image: Image8) -> None:
    if not path.exists():
        write_png(path, image)


@dataclass(frozen=True)
class Output:
    """What a method made of one image: float32 HxWx3 in [0, 1], or why there is none."""

    sr: NDArray[np.float32] | None
    ms: float | None = None
    error: str | None = None


def upscale(method: MethodBase, batch: Sequence[Loaded]) -> list[Output]:
    """Run a method on samples, batching those of one size; a failure costs only the images that cause it."""
    outputs: dict[int, Output] = {}
    groups: dict[tuple[int, ...], list[tuple[int, Image8, tuple[int, int]]]] = {}
    for i, loaded in enumerate(batch):
        assert loaded.sample is not None  # unreadable samples never get here
        try:
            size = method.output_size(*loaded.sample.lr.shape[:2])
            image = loaded.upsampled_to(size) if method.card.input == "bicubic" else loaded.sample.lr
        except FaceSRBenchError as error:
            outputs[i] = Output(None, error=str(error))
            continue
        except STRANGERS as error:  # `output_size` may be a stranger's, too
            outputs[i] = Output(None, error=f"output_size: {type(error).__name__}: {error}")
            continue
        groups.setdefault(image.shape, []).append((i, image, size))
    for group in groups.values():
        indexes, images, sizes = zip(*group, strict=True)
        outputs.update(zip(indexes, _upscale_images(method, images, sizes), strict=True))
    return [outputs[i] for i in range(len(batch))]


def _upscale_images(method: MethodBase, images: Sequence[Image8], sizes: Sequence[tuple[int, int]]) -> list[Output]:
    import torch

    batch = torch.from_numpy(np.stack(images)).to(method.device).permute(0, 3, 1, 2).float() / 255
    started = time.perf_counter()
    try:
        sr = method.upscale(batch)
        if batch.device.type == "cuda":
            torch.cuda.synchronize(batch.device)
    except STRANGERS as error:
        if len(images) > 1:
            alone = zip(images, sizes, strict=True)
            return [_upscale_images(method, [image], [size])[0] for image, size in alone]
        return [Output(None, error=f"{type(error).__name__}: {error}".strip())]
    ms = (time.perf_counter() - started) * 1000 / len(images)
    try:
        _check_batch(method, sr, len(images))
    except MethodError as error:
        return [Output(None, error=str(error)) for _ in images]
    arrays = sr.detach().permute(0, 2, 3, 1).cpu().numpy()
    return [_checked(method, array, size, ms) for array, size in zip(arrays, sizes, strict=True)]


def _check_batch(method: MethodBase, sr: Tensor, count: int) -> None:
    import torch

    name = method.card.name
    if not torch.is_tensor(sr):
        raise MethodError(f"{name} returned a {type(sr).__name__}, not a tensor")
    if sr.ndim != 4 or sr.shape[0] != count or sr.shape[1] != 3:
        raise MethodError(f"{name} returned shape {tuple(sr.shape)} for {count} image(s); BxCxHxW with C = 3 is due")
    if sr.dtype != torch.float32:
        raise MethodError(f"{name} returned {sr.dtype}; float32 is due")


def _checked(method: MethodBase, sr: NDArray[np.float32], size: tuple[int, int], ms: float) -> Output:
    name = method.card.name
    if sr.shape[:2] != size:
        return Output(None, error=f"{name} returned {sr.shape[1]}x{sr.shape[0]} px; {size[1]}x{size[0]} is due")
    if (bad := int(np.count_nonzero(~np.isfinite(sr)))) > 0:
        return Output(None, error=f"{name} returned {bad} NaN or infinite values of {sr.size}")
    low, high = float(sr.min()), float(sr.max())
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        return Output(None, error=f"{name} returned values in [{low:.4g}, {high:.4g}]; [0, 1] is due")
    return Output(np.clip(sr, 0, 1), ms)


def score_output(
    output: Output, loaded: Loaded, metrics: Sequence[MetricBase], result: Result, mode: Quantise
) -> ImageRow:
    """Quantise, save and score one output.

    Args:
        mode: the profile's quantisation (`round` or `truncate`).

    Returns:
        The row for images.jsonl.
    """
    if output.sr is None:
        return ImageRow(loaded.id, error=output.error)
    sr = quantise(output.sr, mode)
    write_png(result.sr_path(loaded.id), sr)
    if loaded.sample is not None and loaded.sample.hr is not None:
        write_error_map(result.map_path(loaded.id), sr, loaded.sample.hr)
    row = score_image(sr, loaded, metrics, result)
    row.ms = output.ms
    return row


def score_image(sr: Image8, loaded: Loaded, metrics: Sequence[MetricBase], result: Result) -> ImageRow:
    """Every metric of one finished image; a metric that can't be computed leaves its reason."""
    sr = read_only(sr)
    row = ImageRow(loaded.id)
    for metric in metrics:
        if isinstance(metric, SetMetric) and metric.unavailable is not None:
            continue  # the reason is the set's, see facesr_bench.sets
        # A passing trouble has no version: it is tried again.
        if metric.unavailable is None and metric.key not in loaded.passing:
            row.versions[metric.key] = metric.card.version
        _score_metric(sr, metric, loaded, result, row)
    return row


def _score_metric(sr: Image8, metric: MetricBase, loaded: Loaded, result: Result, row: ImageRow) -> None:
    """Put the value of one metric, or why there is none, into `row`."""
    key = metric.key
    if key in loaded.reasons:
        row.reasons[key] = loaded.reasons[key]
        if key in loaded.undetected:
            row.undetected.append(key)
        return

    def compute() -> float | None:
        if isinstance(metric, SetMetric):
            _keep_features_of(sr, metric, result.features_path(metric.extractor, loaded.id))
            return None
        return _value(sr, metric, loaded, result)

    put_value(row, key, compute)


def put_value(row: ImageRow, key: str, compute: Callable[[], float | None]) -> None:
    """Put a metric's value of one image, or why there is none, into `row`; a failure costs this cell only.

    Args:
        compute: returns none where one image has no value by itself, as with metrics of sets.

    Raises:
        ResultsError: a run that can't save is a failed run.
    """
    try:
        found = compute()
        value = None if found is None else float(found)
    except ResultsError:
        raise
    except FaceSRBenchError as error:
        row.reasons[key] = str(error)
        if isinstance(error, DetectionError):
            row.undetected.append(key)
    except STRANGERS as error:
        row.reasons[key] = f"{type(error).__name__}: {error}"
    else:
        if value is not None and math.isnan(value):
            row.reasons[key] = f"{key} returned NaN"
        elif value is not None:
            row.metrics[key] = value


def _value(sr: Image8, metric: MetricBase, loaded: Loaded, result: Result) -> float:
    reference = loaded.references.get(metric.key)
    if not metric.makes_map:
        return float(metric.per_image(sr, reference))
    value, error = metric.with_map(sr, reference)
    if error is not None:
        write_map(result.metric_map_path(metric.key, loaded.id), error)
    return float(value)


def _keep_features_of(sr: Image8, metric: SetMetric, path: Path) -> None:
    # Two metrics may share an extractor: the second finds the file. One left by an earlier image of this name would be
    # of another fingerprint, so elsewhere; `--resume never` clears it.
    if read_array(path) is None:
        write_array(path, checked_features(metric, sr))


def saved_output(result: Result, image_id: str) -> Image8 | None:
    """The image of an earlier run with the same fingerprint, or none if it is not on disk or not readable."""
    path = result.sr_path(image_id)
    if not path.is_file():
        return None
    try:
        return read_image(path)
    except FaceSRBenchError:
        return None
