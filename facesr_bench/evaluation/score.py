"""Quantises, saves and scores what a method made of one image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from facesr_bench.base.errors import (
    PLUGIN_ERRORS,
    DetectionError,
    FaceSRBenchError,
    ResultsError,
    describe,
)
from facesr_bench.evaluation.inputs import Loaded, checked_features
from facesr_bench.evaluation.predict import Output
from facesr_bench.images.files import Image8, read_image, read_only, write_png
from facesr_bench.images.maps import write_error_map, write_map
from facesr_bench.images.quantise import Quantise, quantise
from facesr_bench.plugins.metric import AnyMetric, MetricBase, SetMetric, Unavailable
from facesr_bench.results.arrays import read_array, write_array
from facesr_bench.results.record import ImageRecord
from facesr_bench.results.store import Result


def score_output(
    output: Output, loaded: Loaded, metrics: Sequence[AnyMetric], result: Result, mode: Quantise
) -> ImageRecord:
    """Quantise, save and score one output.

    Args:
        mode: the profile's quantisation (`round` or `truncate`).

    Returns:
        The row for images.jsonl.
    """
    if output.sr is None:
        return ImageRecord(loaded.id, error=output.error, identity=loaded.identity)
    sr = quantise(output.sr, mode)
    write_png(result.sr_path(loaded.id), sr)
    if loaded.sample is not None and loaded.sample.hr is not None:
        write_error_map(result.map_path(loaded.id), sr, loaded.sample.hr)
    row = score_image(sr, loaded, metrics, result)
    row.ms = output.ms
    return row


def score_image(sr: Image8, loaded: Loaded, metrics: Sequence[AnyMetric], result: Result) -> ImageRecord:
    """Every metric of one finished image; a metric that can't be computed leaves its reason."""
    sr = read_only(sr)
    row = ImageRecord(loaded.id, identity=loaded.identity)
    for metric in metrics:
        if isinstance(metric, Unavailable):
            if metric.card.of == "image":  # a set's reason is kept with the set
                row.reasons[metric.key] = metric.reason
            continue
        # A passing trouble has no version: it is tried again.
        if metric.key not in loaded.passing:
            row.versions[metric.key] = metric.card.version
        _score_metric(sr, metric, loaded, result, row)
    return row


def _score_metric(sr: Image8, metric: MetricBase, loaded: Loaded, result: Result, row: ImageRecord) -> None:
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


def put_value(row: ImageRecord, key: str, compute: Callable[[], float | None]) -> None:
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
    except PLUGIN_ERRORS as error:
        row.reasons[key] = describe(error)
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
    """The image of an earlier run with the same fingerprint, or None if it is not on disk or not readable."""
    path = result.sr_path(image_id)
    if not path.is_file():
        return None
    try:
        return read_image(path)
    except FaceSRBenchError:
        return None
