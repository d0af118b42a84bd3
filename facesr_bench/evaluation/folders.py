"""Scores folders of pictures that were made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import FaceSRBenchError, MetricError
from facesr_bench.evaluation.inputs import checked_features
from facesr_bench.evaluation.metrics import opened
from facesr_bench.evaluation.score import put_value
from facesr_bench.evaluation.set_metrics import value_of_set
from facesr_bench.images.files import Image8, read_image, read_only
from facesr_bench.images.folders import by_stem, list_images, pair_by_stem
from facesr_bench.plugins.metric import AnyMetric, MetricBase, SetMetric, Unavailable
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.columns import MetricInfo, Totals, metric_infos, total
from facesr_bench.results.record import ImageRecord, MetricRecord


@dataclass
class FolderScores:
    """What two folders came to.

    Attributes:
        rows: one per pair whose pictures could be read, by name.
        problems: why the other pairs could not, by name.
        infos, totals: every column, and its number or the reason why it has none.
    """

    rows: list[ImageRecord] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    infos: dict[str, MetricInfo] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)


Pair = tuple[str, Path, Path | None]

Features = dict[str, dict[str, tuple[NDArray[np.float32], ...]]]
"""By extractor and name: those of SR, and of HR where there is one to compare with."""


def pairs_of(sr: Path, hr: Path | None) -> list[Pair]:
    """(name, SR file, HR file or None), sorted by name.

    Raises:
        DataError: a folder is missing or empty, or pictures have no partner; lists them.
    """
    if hr is not None:
        return list(pair_by_stem(sr, hr))
    return [(stem, path, None) for stem, path in sorted(by_stem(list_images(sr)).items())]


def score_folders(pairs: Iterable[Pair], metrics: Sequence[AnyMetric], has_truth: bool) -> FolderScores:
    """Score pictures against their partners; a broken picture or metric costs its own cells.

    Args:
        pairs: from `pairs_of`.
        metrics: from `find_metric`; those that are available get loaded here.
        has_truth: whether the pairs have HR files.
    """
    found = FolderScores()
    reasons = {metric.key: reason for metric in metrics if (reason := _why_not(metric, has_truth)) is not None}
    metrics = opened(metrics)
    reasons = {**{metric.key: metric.reason for metric in metrics if isinstance(metric, Unavailable)}, **reasons}
    able = [metric for metric in metrics if isinstance(metric, MetricBase) and metric.key not in reasons]
    features: Features = {}
    for name, sr_path, hr_path in pairs:
        try:
            sr = read_only(read_image(sr_path))
            hr = read_only(read_image(hr_path)) if hr_path is not None else None
            if hr is not None and sr.shape != hr.shape:
                sizes = f"SR is {sr.shape[1]}x{sr.shape[0]} and HR {hr.shape[1]}x{hr.shape[0]}"
                raise MetricError(f"{sizes}; only images of one size can be compared")
        except FaceSRBenchError as error:
            found.problems[name] = str(error)
            continue
        row = ImageRecord(name, reasons=dict(reasons))
        for metric in able:
            _score(metric, name, sr, hr, row, features)
        found.rows.append(row)
    sets = {
        metric.key: _of_set(metric, features, reasons.get(metric.key), found.rows)
        for metric in metrics
        if metric.card.of == "set"
    }
    found.infos = metric_infos({m.key: MetricRecord.model_validate(m.describe()) for m in metrics}, [])
    found.totals = total(found.infos, found.rows, sets)
    return found


def _why_not(metric: AnyMetric, has_truth: bool) -> str | None:
    if isinstance(metric, Unavailable):
        return metric.reason
    for need, what in (("landmarks", "annotated landmarks"), ("input", "the low-resolution input")):
        if need in metric.card.needs:
            return f"needs {what}, which folders of pictures don't have; use `facesr-bench run`"
    own_set = isinstance(metric, SetMetric) and metric.reference_set is not None
    if not has_truth and "reference" in metric.card.needs and not own_set:
        return "needs ground truth: give --hr"
    return None


def _score(
    metric: MetricBase,
    name: str,
    sr: Image8,
    hr: Image8 | None,
    row: ImageRecord,
    features: Features,
) -> None:
    def compute() -> float | None:
        if isinstance(metric, SetMetric):
            kept = features.setdefault(metric.extractor, {})
            if name not in kept:  # FID and KID read the same
                images = [sr] if metric.reference_set is not None or hr is None else [sr, hr]
                kept[name] = tuple(checked_features(metric, image) for image in images)
            return None
        # No metric that needs the input comes here, so what stands in for it is never looked at.
        reference = metric.prepare_sample(Sample(name, lr=sr if hr is None else hr, hr=hr))
        return metric.per_image(sr, reference)

    put_value(row, metric.key, compute)


def _of_set(metric: AnyMetric, features: Features, reason: str | None, rows: list[ImageRecord]) -> dict[str, Any]:
    if reason is not None or not isinstance(metric, SetMetric):
        return {"reason": reason}
    other = metric.reference_set

    def stacked() -> tuple[NDArray[np.float32], NDArray[np.float32] | Path]:
        kept = [features[metric.extractor][row.id] for row in rows]
        return np.stack([sr for sr, *_ in kept]), other.path if other is not None else np.stack([hr for _, hr in kept])

    return value_of_set(metric, rows, stacked)
