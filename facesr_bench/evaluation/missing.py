"""What a result still lacks: images without a number that was asked for, and what sets of images are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from facesr_bench.base.errors import MethodError
from facesr_bench.evaluation import set_metrics
from facesr_bench.plugins.metric import AnyMetric, SetMetric, Unavailable
from facesr_bench.results.arrays import References
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.store import Result


def missing(
    result: Result,
    metrics: Sequence[AnyMetric],
    chosen: Sequence[str],
    references: References,
    *,
    failures_too: bool,
    prepared: Collection[str] | None,
) -> dict[str, str]:
    """Image id -> `run` (the method is needed) or `score` (its image is on disk), in the order of `chosen`.

    Args:
        chosen: ids of the images that the run is about.
        references: what the metrics keep of the ground truth.
        failures_too: whether images that the method has failed on are tried again.
        prepared: ids of the images of whose samples something is kept beside the pixels; what a killed run or a
            damaged file has lost of them is read again with the image. None: an earlier release kept it.
    """
    rows = result.images
    todo: dict[str, str] = {}
    for image_id in chosen:
        row = rows.get(image_id)
        if row is None:
            todo[image_id] = "run"
        elif row.error is not None:
            if failures_too:
                todo[image_id] = "run"
        elif any(_is_missing(result, row, metric) for metric in metrics) or (
            prepared is not None and image_id not in prepared
        ):
            todo[image_id] = _how(result, image_id)
    for image_id in _without_features(result, metrics, references, complete=not todo):
        todo.setdefault(image_id, _how(result, image_id))
    return todo


def refuse_unkept(result: Result, todo: Mapping[str, str]) -> None:
    """Refuse to make pictures a second time that were left out: it would cost as much as the first, unasked.

    Raises:
        MethodError: numbers are lacking of such images.
    """
    if not result.manifest.unkept:
        return
    rows = result.images
    lacking = [i for i, how in todo.items() if how == "run" and i in rows and rows[i].error is None]
    if lacking:
        raise MethodError(
            f"{len(lacking)} of its images lack a number that is asked for, and their pictures were not kept "
            f"(--keep none), so it can't be computed from them; first {lacking[0]!r}. --resume never computes all anew"
        )


def _how(result: Result, image_id: str) -> str:
    return "score" if result.sr_path(image_id).is_file() else "run"


def _is_missing(result: Result, row: ImageRecord, metric: AnyMetric) -> bool:
    known = metric.key in row.metrics or metric.key in row.reasons
    if isinstance(metric, Unavailable):  # a set's reason is kept with the set
        return metric.card.of == "image" and not known
    if isinstance(metric, SetMetric):
        known = known or result.features_path(metric.extractor, row.id).is_file()
    version = row.versions.get(metric.key)
    if known and version is None and metric.troubled():
        return False
    return not known or version != metric.card.version


def _without_features(
    result: Result, metrics: Sequence[AnyMetric], references: References, *, complete: bool
) -> Iterator[str]:
    """Images whose features a metric of the set is about to read, and can't: they are damaged, or gone.

    A value that stands already is not made again, so that nothing is read for it.
    """
    rows = {row.id: row for row in result.images.values() if row.error is None}
    for metric in metrics:
        if not isinstance(metric, SetMetric) or (complete and set_metrics.is_current(result, metric, rows)):
            continue
        for image_id, row in rows.items():
            if metric.key not in row.reasons and not set_metrics.has_features(result, metric, image_id, references):
                yield image_id
