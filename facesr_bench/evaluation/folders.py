"""Scores folders of pictures that were made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, MetricError, describe
from facesr_bench.evaluation.metrics import opened
from facesr_bench.evaluation.scorer import Lacking, Scorer, why_not
from facesr_bench.evaluation.set_metrics import value_of_set
from facesr_bench.images.files import Image8, read_image, read_only
from facesr_bench.images.folders import by_stem, list_images, pair_by_stem
from facesr_bench.plugins.metric import AnyMetric, SetMetric, Unavailable
from facesr_bench.plugins.sample import Sample
from facesr_bench.results.columns import MetricInfo, Totals, aligned, metric_infos, total
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import MetricRecord


@dataclass
class FolderScores:
    """The numbers of two folders.

    Attributes:
        rows: one per pair whose pictures could be read, by name.
        problems: why the other pairs could not, by name.
        infos, totals: every column, and its number or the reason why it has none.
        asked: the columns of the metrics, in the order they were asked for.
        profile: the name of the convention they were computed by.
    """

    rows: list[ImageRecord] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    infos: dict[str, MetricInfo] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    asked: tuple[str, ...] = ()
    profile: str = ""


Pair = tuple[str, Path, Path | None]


def pairs_of(sr: Path, hr: Path | None, suffix: str | None = None) -> list[Pair]:
    """(name, SR file, HR file or None), sorted by name.

    Args:
        suffix: what stands behind the name in SR's file names.

    Raises:
        DataError: a folder is missing or empty, or pictures have no partner; lists them.
    """
    if hr is not None:
        return list(pair_by_stem(sr, hr, suffix))
    return [(stem, path, None) for stem, path in sorted(by_stem(list_images(sr), suffix).items())]


Reading = tuple[str, Callable[[], tuple[Image8, Sample]]]
"""Name, and what reads the finished picture and the sample that it is of; it may raise a FaceSRBenchError."""


def score_folders(
    pairs: Iterable[Pair],
    metrics: Sequence[AnyMetric],
    has_truth: bool,
    landmarks: Mapping[str, NDArray[np.float64]] | None = None,
) -> FolderScores:
    """Score pictures against their partners; a broken picture or metric costs its own cells.

    Args:
        pairs: from `pairs_of`.
        metrics: from `find_metric`; those that are available get loaded here.
        has_truth: whether the pairs have HR files.
        landmarks: of the faces, by name, px of HR; None: there are none.
    """
    given = {"reference"} if has_truth else set()
    known = landmarks or {}
    readings = ((name, partial(_read_pair, name, sr, hr, known.get(name))) for name, sr, hr in pairs)
    return score_readings(readings, metrics, given | ({"landmarks"} if landmarks else set()))


def score_readings(readings: Iterable[Reading], metrics: Sequence[AnyMetric], given: set[str]) -> FolderScores:
    """Score finished pictures, each of a sample; what can't be read, and a broken metric, cost their own cells.

    Args:
        metrics: from `find_metric`; those that are available get loaded here.
        given: what samples may have, of `reference`, `landmarks`, `input`.
    """
    found = FolderScores(asked=tuple(metric.key for metric in metrics))
    metrics = opened([_refused(metric, given) for metric in metrics])
    scorer, features = Scorer(metrics, WORDS), _Features({m.extractor for m in metrics if isinstance(m, SetMetric)})
    for name, read in readings:
        try:
            sr, sample = read()
        except FaceSRBenchError as error:
            found.problems[name] = str(error)
            continue
        except PLUGIN_ERRORS as error:  # of a dataset, for one
            found.problems[name] = f"can't be read: {describe(error)}"
            continue
        sample = replace(sample, keep=features.keep_reference)
        found.rows.append(scorer.score(sr, scorer.prepare(sample), features.of(name)))
    sets = {metric.key: _of_set(metric, features, found.rows) for metric in metrics if metric.card.of == "set"}
    found.infos = metric_infos({m.key: MetricRecord.model_validate(m.describe()) for m in metrics}, [])
    found.totals = total(found.infos, found.rows, sets)
    found.infos = aligned(found.infos, [found.totals])
    return found


WORDS = Lacking(
    reference="needs ground truth: give --hr",
    reference_set="needs ground truth: give --hr, or statistics to compare with: --fid-reference NAME=FILE",
    landmarks="needs annotated landmarks: give --landmarks, or --protocol for those of its dataset",
    input="needs the low-resolution input: give --protocol, whose dataset has it",
)


def _refused(metric: AnyMetric, given: set[str]) -> AnyMetric:
    """The metric, or why it can't be computed on folders: before its network is opened."""
    if isinstance(metric, Unavailable) or (reason := why_not(metric, given, WORDS)) is None:
        return metric
    return Unavailable(metric.context, MetricError(reason), metric.describe())


def _read_pair(
    name: str, sr_path: Path, hr_path: Path | None, landmarks: NDArray[np.float64] | None
) -> tuple[Image8, Sample]:
    sr, hr = _read(sr_path, hr_path)
    # No metric that needs the input comes here, so what stands in for it is never looked at.
    return sr, Sample(name, lr=sr if hr is None else hr, hr=hr, landmarks=landmarks)


def _read(sr_path: Path, hr_path: Path | None) -> tuple[Image8, Image8 | None]:
    sr = read_only(read_image(sr_path))
    hr = read_only(read_image(hr_path)) if hr_path is not None else None
    if hr is not None and sr.shape != hr.shape:
        sizes = f"SR is {sr.shape[1]}x{sr.shape[0]} and HR {hr.shape[1]}x{hr.shape[0]}"
        raise MetricError(f"{sizes}; only images of one size can be compared{_remedy(sr, hr)}")
    return sr, hr


def _remedy(sr: Image8, hr: Image8) -> str:
    """What to do about results of another size: nobody chooses a resizer for them, since it changes the number."""
    (height, width), (high, wide) = sr.shape[:2], hr.shape[:2]
    if height * wide != width * high:
        return ": these are other pictures, or cropped ones"
    own = f"give HR of their own size ({width}x{height})" if height > high else "give the full-size results"
    return f": {own}, or bring SR to {wide}x{high} yourself, and say with which resizer"


class _Features:
    """Keeps in memory what metrics of sets read: by extractor and name, of SR and of HR."""

    def __init__(self, extractors: set[str]) -> None:
        self.sr: dict[str, dict[str, NDArray[np.float32]]] = {extractor: {} for extractor in extractors}
        self.hr: dict[str, dict[str, NDArray[Any]]] = {extractor: {} for extractor in extractors}

    def keep_reference(
        self, name: str, image_id: str, compute: Callable[[], NDArray[Any]], limit: int | None = None
    ) -> NDArray[Any]:
        """As `plugins.sample.Keep`; what no metric of sets reads is not kept."""
        kept = self.hr.get(name)
        if kept is None:
            return compute()
        if image_id not in kept:
            kept[image_id] = compute()
        return kept[image_id]

    def of(self, image_id: str) -> _FeaturesOf:
        """Where those of one picture go."""
        return _FeaturesOf(self, image_id)


@dataclass(frozen=True)
class _FeaturesOf:
    all: _Features
    image_id: str
    wants_maps: bool = False

    def keep_map(self, key: str, values: NDArray[np.float32]) -> None:
        """Folders keep no maps."""

    def keep_features(self, extractor: str, compute: Callable[[], NDArray[np.float32]]) -> None:
        """Once for the metrics that share an extractor."""
        if self.image_id not in self.all.sr[extractor]:
            self.all.sr[extractor][self.image_id] = compute()


def _of_set(metric: AnyMetric, features: _Features, rows: list[ImageRecord]) -> dict[str, Any]:
    if isinstance(metric, Unavailable):
        return {"reason": metric.reason}
    assert isinstance(metric, SetMetric)  # metrics whose card says of = "set" are
    other, sr, hr = metric.reference_set, features.sr[metric.extractor], features.hr[metric.extractor]

    def stacked() -> tuple[NDArray[np.float32], NDArray[np.float32] | Path]:
        ids = [row.id for row in rows]
        return np.stack([sr[i] for i in ids]), other.path if other is not None else np.stack([hr[i] for i in ids])

    return value_of_set(metric, rows, stacked)
