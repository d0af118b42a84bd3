"""Metrics of whole sets (FID, KID) of results that were merged: from the features that each part has kept.

No image is looked at and no network opened, so that a machine without data and weights can do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.evaluation.metrics import Setup, context_of, instantiate
from facesr_bench.evaluation.plan import references_of
from facesr_bench.evaluation.set_metrics import GROUND_TRUTH, features_of_hr, features_of_sr, inputs_of, value_of_set
from facesr_bench.plugins.metric import SetMetric
from facesr_bench.plugins.profile import Profile
from facesr_bench.plugins.spec import parse_metric
from facesr_bench.results.locks import holding
from facesr_bench.results.merge import Merged
from facesr_bench.results.record import Manifest
from facesr_bench.results.store import Result


def complete(merged: Merged) -> tuple[str, ...]:
    """Compute the values that were made of parts anew, of all images.

    Returns:
        Those that could not be: their statistics are in a file that only the run knows, another version of the metric
        is here, or features are missing.

    Raises:
        BusyError: a run works on the result.
        ResultsError: sets.json can't be read or written.
    """
    result = merged.result
    found = {key: entry for key, old in merged.sets.items() if (entry := _entry(result, key, old)) is not None}
    if found:
        with holding(result.folder.parents[2], [result.folder]):
            result.save_sets({**result.sets(), **found})
    return tuple(key for key in merged.sets if key not in found)


def _entry(result: Result, key: str, old: Mapping[str, Any]) -> dict[str, Any] | None:
    """What sets.json says of a value of all images; None where there is no value.

    Args:
        old: what it said of a part.
    """
    extractor, version = old.get("extractor"), old.get("version")
    described = result.manifest.metrics.get(key)
    if extractor is None or old.get("reference") != GROUND_TRUTH or described is None or described.typed is None:
        return None
    try:
        metric = _metric(key, described.typed, result.manifest)
    except (FaceSRBenchError, ValueError):  # the latter where its profile is none of this version
        return None
    if metric is None or metric.card.version != version:
        return None
    rows = [row for row in result.images.values() if row.error is None]
    ids, references = sorted(row.id for row in rows), references_of(result)
    value = value_of_set(
        metric,
        rows,
        lambda: (features_of_sr(result, extractor, ids), features_of_hr(references, extractor, ids)),
    )
    if "value" not in value:
        return None
    return {**old, **value, "inputs": inputs_of(extractor, metric.card.version, GROUND_TRUTH, ids)}


def _metric(key: str, typed: str, manifest: Manifest) -> SetMetric | None:
    """The metric of a column, without its network; None for one of a user's folder, whose code may be another here.

    Raises:
        FaceSRBenchError: it is not known here.
    """
    choice = parse_metric(typed)
    if choice.plugin.source != "built in":
        return None
    choice = replace(choice, network=None, file=None)
    profile = Profile.recorded(manifest.profile)
    metric = instantiate(choice, replace(context_of(choice, Setup(profile, manifest.protocol.scale)), key=key))
    return metric if isinstance(metric, SetMetric) else None
