"""Values of a metric of one's own whose code was edited since: they are no values of it any more.

A built-in metric has a version, which is raised whenever a number could change. A stranger's is edited as it is tried
out, and nobody thinks of its card: what its folder holds is hashed instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from facesr_bench.plugins.metric import AnyMetric, SetMetric
from facesr_bench.results.arrays import References
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.store import Result

EARLIER = 0
"""The version of a value that was computed by code which is no more; versions of cards begin at 1."""


def set_aside(result: Result, metrics: Sequence[AnyMetric], references: References) -> list[str]:
    """Mark the values of edited metrics as those of an earlier version, so that they are computed anew.

    The caller holds the result's lock.

    Returns:
        What was found, in words.

    Raises:
        ResultsError: the result can't be read or written.
    """
    said = []
    for metric in metrics:
        known = result.manifest.metrics.get(metric.key)
        code = metric.context.code
        if code is None or known is None or known.code in {None, code}:
            continue
        rows = [row for row in result.images.values() if row.versions.get(metric.key, EARLIER) != EARLIER]
        for row in rows:
            result.append(ImageRecord(row.id, versions={metric.key: EARLIER}, error=row.error))
        if isinstance(metric, SetMetric):
            _forget_features(result, metric, references)
        if rows:
            said.append(f"{metric.key}: its code was edited since {len(rows)} of its values were computed")
    return said


def _forget_features(result: Result, metric: SetMetric, references: References) -> None:
    for image_id in result.images:
        result.features_path(metric.extractor, image_id).unlink(missing_ok=True)
        references.path(metric.extractor, image_id).unlink(missing_ok=True)
    sets = result.sets()
    if sets.pop(metric.key, None) is not None:
        result.save_sets(sets)
