"""Reads and prepares one image, with all that depends on the ground truth alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import (
    PLUGIN_ERRORS,
    DetectionError,
    FaceSRBenchError,
    MetricError,
    ResultsError,
    WeightsError,
    describe,
)
from facesr_bench.base.files import file_name
from facesr_bench.data.prepare import prepare
from facesr_bench.images.files import Image8, write_png
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item
from facesr_bench.plugins.degradation import DegradationBase
from facesr_bench.plugins.metric import AnyMetric, MetricBase, SetMetric, Unavailable
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.arrays import References


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


def load_item(
    dataset: DatasetBase,
    item: Item,
    protocol: ProtocolCard,
    metrics: Sequence[AnyMetric],
    inputs: Path,
    references: References,
    degrade: DegradationBase | None = None,
) -> Loaded:
    """Read and prepare one item, once for all methods; a bad image becomes `error` instead of an exception."""
    try:
        sample = prepare(item.id, dataset.read(item, protocol), protocol, degrade)
    except FaceSRBenchError as error:
        return Loaded(item.id, error=str(error))
    except PLUGIN_ERRORS as error:  # costs this image
        return Loaded(item.id, error=f"{protocol.name} can't read it: {describe(error)}")
    sample = replace(sample, keep=references)
    loaded = Loaded(item.id, sample)
    for metric in metrics:
        _prepare_metric(metric, sample, loaded)
    _save_once(inputs / "lr" / f"{file_name(item.id)}.png", sample.lr)
    if sample.hr is not None:
        _save_once(inputs / "hr" / f"{file_name(item.id)}.png", sample.hr)
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


def _save_once(path: Path, image: Image8) -> None:
    if not path.exists():
        write_png(path, image)
