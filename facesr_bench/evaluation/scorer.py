"""Scores finished pictures: one way for runs, folders, arrays and the checks of plug-ins.

A metric that can't be computed on a picture, or fails on it, leaves its reason and takes nothing else down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
from facesr_bench.base.process_state import World
from facesr_bench.base.stages import stage
from facesr_bench.images.files import Image8, read_only
from facesr_bench.plugins.metric import AnyMetric, MetricBase, SetMetric, Unavailable
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.image_record import ImageRecord

_ONE_THREAD = {"torch threads": 1}
"""Pictures are scored side by side, each by one thread: a network's sums are then added in the same order whatever the
number of cores, and threads that wait for each other don't take the cores from other pictures."""


@dataclass(frozen=True)
class Lacking:
    """Why a metric can't be computed on a sample that lacks what it needs, by what that is."""

    reference: str = "needs ground truth, which this protocol does not have"
    reference_set: str = (
        "needs a set to compare with: --fid-reference NAME=FILE, since this protocol has no ground truth"
    )
    landmarks: str = "needs landmarks, which this protocol does not have"
    input: str = "needs the low-resolution input"


def why_not(metric: MetricBase, given: Iterable[str], words: Lacking) -> str | None:
    """Why a metric can't be computed; None if all that its card says it needs is given.

    Args:
        given: of `reference`, `landmarks`, `input`.
    """
    missing = set(metric.card.needs) - set(given)
    of_set = isinstance(metric, SetMetric)
    if isinstance(metric, SetMetric) and metric.reference_set is not None:
        missing.discard("reference")
    for need in ("landmarks", "input", "reference"):
        if need in missing:
            return str(getattr(words, "reference_set" if need == "reference" and of_set else need))
    return None


class Place(Protocol):
    """Where what metrics make of one picture is kept beside its value."""

    @property
    def wants_maps(self) -> bool:
        """Whether maps are to be made at all."""

    def keep_map(self, key: str, values: NDArray[np.float32]) -> None:
        """Keep the map of one metric, HxW."""

    def keep_features(self, extractor: str, compute: Callable[[], NDArray[np.float32]]) -> None:
        """Keep the features that metrics of sets read, unless they are there already."""


class Nowhere:
    """Keeps nothing."""

    wants_maps = False

    def keep_map(self, key: str, values: NDArray[np.float32]) -> None:
        """Nothing is kept."""

    def keep_features(self, extractor: str, compute: Callable[[], NDArray[np.float32]]) -> None:
        """Features are computed all the same: a metric that can't make them is to say so."""
        compute()


@dataclass
class Prepared:
    """A sample with all that metrics make of its ground truth.

    Attributes:
        references: what each metric's `prepare` returned, by metric name.
        reasons: why a metric can't be computed on this sample, whatever the method.
        undetected: the metrics among them whose detector found no face in the ground truth.
        passing: the metrics among them that lack a file; they are tried again once it is there.
        alignments: what its face was placed by, by the names of the metrics that look at faces.
    """

    sample: Sample
    references: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    undetected: set[str] = field(default_factory=set)
    passing: set[str] = field(default_factory=set)
    alignments: dict[str, str] = field(default_factory=dict)


class Scorer:
    """Computes the same metrics of many pictures; safe to call from several threads.

    Args:
        metrics: with their networks open, see `evaluation.metrics.opened`.
        words: what is said where a sample lacks what a metric needs.
    """

    def __init__(self, metrics: Sequence[AnyMetric], words: Lacking | None = None) -> None:
        self.metrics = metrics
        self._words = words or Lacking()

    def prepare(self, sample: Sample) -> Prepared:
        """What depends on the ground truth alone, once for all methods.

        Raises:
            ResultsError: what is kept between runs can't be written.
        """
        prepared = Prepared(sample)
        for metric in self.metrics:
            if isinstance(metric, MetricBase):
                self._prepare(metric, prepared)
        return prepared

    def _prepare(self, metric: MetricBase, prepared: Prepared) -> None:
        key, sample = metric.key, prepared.sample
        try:
            if (reason := why_not(metric, _given(sample), self._words)) is not None:
                prepared.reasons[key] = reason
            elif not isinstance(metric, SetMetric):
                with stage(f"{key}, ground truth"), World(_ONE_THREAD):
                    prepared.references[key] = metric.prepare_sample(sample)
                    placed_by = metric.alignment(prepared.references[key])
                if placed_by is not None:
                    prepared.alignments[key] = str(placed_by)
            elif metric.reference_set is None:
                with stage(f"{key}, ground truth"), World(_ONE_THREAD):
                    keep_features(metric, sample)
        except MetricError as error:
            prepared.reasons[key] = str(error)
            if isinstance(error, DetectionError):
                prepared.undetected.add(key)
        except WeightsError as error:
            prepared.reasons[key] = str(error)
            prepared.passing.add(key)
        except ResultsError:
            raise  # a run that can't save is a failed run
        except PLUGIN_ERRORS as error:  # costs the metric's own cell
            prepared.reasons[key] = describe(error)

    def score(self, sr: Image8, prepared: Prepared, place: Place | None = None) -> ImageRecord:
        """Every metric's value of one finished picture, or the reason why it has none.

        Args:
            sr: HxWx3 uint8.
            place: where maps and features are kept.

        Raises:
            ResultsError: they can't be written.
        """
        sr, place = read_only(sr), place or Nowhere()
        sample = prepared.sample
        record = ImageRecord(sample.id, identity=sample.identity, enlarged=sample.enlarged)
        for metric in self.metrics:
            if isinstance(metric, Unavailable):
                if metric.card.of == "image":  # a set's reason is kept with the set
                    record.reasons[metric.key] = metric.reason
                continue
            # A passing trouble has no version: it is tried again.
            if metric.key not in prepared.passing:
                record.versions[metric.key] = metric.card.version
            if metric.key in prepared.reasons:
                record.reasons[metric.key] = prepared.reasons[metric.key]
                if metric.key in prepared.undetected:
                    record.undetected.append(metric.key)
            else:
                _put_value(record, metric, sr, prepared, place)
        return record


def _given(sample: Sample) -> set[str]:
    found = {"input"}
    if sample.hr is not None:
        found.add("reference")
    if sample.landmarks is not None:
        found.add("landmarks")
    return found


def _put_value(record: ImageRecord, metric: MetricBase, sr: Image8, prepared: Prepared, place: Place) -> None:
    """Put a metric's value, or why there is none, into the record; a failure costs this cell only."""
    key = metric.key
    try:
        with stage(key), World(_ONE_THREAD):
            value = _value(metric, sr, prepared, place)
    except ResultsError:
        raise
    except FaceSRBenchError as error:
        record.reasons[key] = str(error)
        if isinstance(error, DetectionError):
            record.undetected.append(key)
    except PLUGIN_ERRORS as error:
        record.reasons[key] = describe(error)
    else:
        if value is not None and math.isnan(value):
            record.reasons[key] = f"{key} returned NaN"
        elif value is not None:
            record.metrics[key] = value
            if key in prepared.alignments:
                record.alignments[key] = prepared.alignments[key]


def _value(metric: MetricBase, sr: Image8, prepared: Prepared, place: Place) -> float | None:
    """None where one picture has no value by itself, as with metrics of sets."""
    if isinstance(metric, SetMetric):
        place.keep_features(metric.extractor, lambda: checked_features(metric, sr))
        return None
    reference = prepared.references.get(metric.key)
    if not (metric.makes_map and place.wants_maps):
        return float(metric.per_image(sr, reference))
    value, values = metric.with_map(sr, reference)
    if values is not None:
        place.keep_map(metric.key, values)
    return float(value)


def keep_features(metric: SetMetric, sample: Sample) -> None:
    """Compute the ground truth's features of a metric of sets, unless they are kept already."""
    hr = sample.hr
    assert hr is not None  # `why_not` has seen to it
    sample.once(metric.extractor, lambda: checked_features(metric, hr))


def checked_features(metric: SetMetric, image: Image8) -> NDArray[np.float32]:
    """D float32.

    Raises:
        MetricError: something else came out, or NaN or infinity.
    """
    features = np.asarray(metric.features(image))
    if features.ndim != 1 or features.dtype != np.float32:
        found = f"{features.dtype} features of shape {features.shape}"
        raise MetricError(f"{metric.key} made {found}; D float32 are expected")
    if not np.isfinite(features).all():
        raise MetricError(f"{metric.key} made NaN or infinite features")
    return features
