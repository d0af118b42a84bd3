"""Metrics of a whole set (FID, KID): from the features that a run kept per image to one value, in sets.json.

    {"fid[clean]": {"value": 41.2, "standard_error": null, "n": 330, "reference": "HR", "reference_sha256": null,
                    "extractor": "...", "inputs": "...", "version": 3},
     "kid[clean]": {"reason": "needs weights ..."}}

A value is computed again only if what it is made of has changed: the images, the extractor, the reference, the version.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, MetricError, describe
from facesr_bench.base.hashing import check_unchanged, digest
from facesr_bench.base.process_state import World
from facesr_bench.plugins.metric import AnyMetric, ReferenceSet, SetMetric, Unavailable
from facesr_bench.results.arrays import References, read_array
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.store import Result

GROUND_TRUTH = "HR"


def read_reference(name: str, path: Path) -> ReferenceSet:
    """The named statistics file of `--fid-reference NAME=FILE`.

    Raises:
        MetricError: no such file, no statistics in it, or a name that can't stand in a column's.
    """
    from facesr_bench.functional.frechet import Gaussian

    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) or name == GROUND_TRUTH.lower():
        raise MetricError(f"--fid-reference {name}=...: a name is of a-z, 0-9, dot, dash and underscore, and not hr")
    Gaussian.from_file(path)  # a bad file is refused before any work is done
    return ReferenceSet(name, path, digest(path))


def update(result: Result, metrics: Sequence[AnyMetric], references: References) -> None:
    """Bring sets.json up to date with the images that the result has now.

    Args:
        metrics: those whose card says that they are of a set.

    Raises:
        ResultsError: it can't be read or written.
    """
    if not metrics:
        return
    known = result.sets()
    rows = {row.id: row for row in result.images.values() if row.error is None}
    found = {metric.key: _entry(result, metric, rows, references, known.get(metric.key)) for metric in metrics}
    if any(known.get(key) != entry for key, entry in found.items()):
        result.save_sets({**known, **found})


def _entry(
    result: Result,
    metric: AnyMetric,
    rows: Mapping[str, ImageRecord],
    references: References,
    known: dict[str, Any] | None,
) -> dict[str, Any]:
    if isinstance(metric, Unavailable):
        kept = known is not None and known.get("version") == metric.card.version and known.get("n") == len(rows)
        return known if known is not None and kept else {"reason": metric.reason}
    assert isinstance(metric, SetMetric)  # metrics whose card says of = "set" are
    ids = sorted(rows)
    other = metric.reference_set
    inputs = _inputs(metric, ids)
    if known is not None and known.get("inputs") == inputs:
        return known
    found = value_of_set(metric, list(rows.values()), lambda: _features(result, metric, ids, references))
    if "reason" in found:
        return found
    return {
        **found,
        "reference": other.name if other else GROUND_TRUTH,
        "reference_sha256": other.sha256 if other else None,
        "extractor": metric.extractor,
        "inputs": inputs,
        "version": metric.card.version,
    }


def inputs_of(extractor: str, version: int, reference: str, ids: Sequence[str]) -> str:
    """A hash of what a value is made of.

    Args:
        version: of the metric's card.
        reference: the sha256 of the statistics that it is compared with, or `GROUND_TRUTH`.
    """
    return hashlib.sha256(json.dumps([extractor, version, reference, *ids]).encode()).hexdigest()


def _inputs(metric: SetMetric, ids: Sequence[str]) -> str:
    other = metric.reference_set
    return inputs_of(metric.extractor, metric.card.version, other.sha256 if other else GROUND_TRUTH, ids)


def is_current(result: Result, metric: SetMetric, rows: Mapping[str, ImageRecord]) -> bool:
    """Whether the value that stands is that of these images, so that their features are not needed.

    Raises:
        ResultsError: sets.json can't be read.
    """
    known = result.sets().get(metric.key)
    return known is not None and known.get("inputs") == _inputs(metric, sorted(rows))


def has_features(result: Result, metric: SetMetric, image_id: str, references: References) -> bool:
    """Whether all that a value is made of can be read for one image."""
    if read_array(result.features_path(metric.extractor, image_id)) is None:
        return False
    return metric.reference_set is not None or read_array(references.path(metric.extractor, image_id)) is not None


def value_of_set(
    metric: SetMetric,
    rows: Sequence[ImageRecord],
    features: Callable[[], tuple[NDArray[np.float32], NDArray[np.float32] | Path]],
) -> dict[str, Any]:
    """The value of many images, with its standard error and their number; or why there is none.

    Args:
        rows: of the images; one with a reason for this metric leaves the set without a value.
        features: the arguments of `of_set`, called if every image has some.
    """
    reasons = [row.reasons[metric.key] for row in rows if metric.key in row.reasons]
    if not rows or reasons:
        return {"reason": f"{reasons[0]} ({len(reasons)} of {len(rows)} images)" if rows else "no image was scored"}
    try:
        given = features()
        with World():
            found = metric.of_set(*given)
        value, spread = float(found.value), found.standard_error
        if not math.isfinite(value) or not math.isfinite(spread or 0):
            raise MetricError(f"{metric.key} returned {value}" + (f", standard error {spread}" if spread else ""))
    except FaceSRBenchError as error:
        return {"reason": str(error)}
    except PLUGIN_ERRORS as error:  # costs the metric's own cell
        return {"reason": describe(error)}
    return {"value": value, "standard_error": spread, "n": len(rows)}


def _features(
    result: Result, metric: SetMetric, ids: Sequence[str], references: References
) -> tuple[NDArray[np.float32], NDArray[np.float32] | Path]:
    other = metric.reference_set
    if other is not None:
        check_unchanged(other.path, other.sha256)
        return features_of_sr(result, metric.extractor, ids), other.path
    return features_of_sr(result, metric.extractor, ids), features_of_hr(references, metric.extractor, ids)


def features_of_sr(result: Result, extractor: str, ids: Sequence[str]) -> NDArray[np.float32]:
    """NxD, as a run has kept them.

    Raises:
        MetricError: some are missing.
    """
    return _stack([result.features_path(extractor, image_id) for image_id in ids], "SR")


def features_of_hr(references: References, extractor: str, ids: Sequence[str]) -> NDArray[np.float32]:
    """As `features_of_sr`, of the ground truth."""
    return _stack([references.path(extractor, image_id) for image_id in ids], GROUND_TRUTH)


def _stack(paths: Sequence[Path], what: str) -> NDArray[np.float32]:
    """NxD float32 of the files, in their order."""
    rows = [read_array(path) for path in paths]
    missing = sum(row is None for row in rows)
    if missing:
        raise MetricError(f"{missing} of {len(rows)} images have no features of {what}; run again")
    return np.stack([row for row in rows if row is not None]).astype(np.float32, copy=False)
