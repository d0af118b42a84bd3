"""Metrics of the whole set (FID, KID) of two results: a paired bootstrap over their stored features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, MetricError, describe, first_line
from facesr_bench.base.grammar import Spec
from facesr_bench.evaluation.metrics import Setup, context_of, instantiate
from facesr_bench.evaluation.plan import references_of
from facesr_bench.plugins.metric import SetMetric
from facesr_bench.plugins.profile import Profile
from facesr_bench.plugins.spec import parse_metric
from facesr_bench.results.arrays import read_array
from facesr_bench.results.gate.judge import SetDifference
from facesr_bench.results.gate.means import LEVEL
from facesr_bench.results.gate.sides import Side
from facesr_bench.results.statistics import SEED
from facesr_bench.results.store import Result

RESAMPLES = 200
"""Each costs two distances; ends of an interval are sure to about a tenth of its width."""

Features = NDArray[np.float32]


def compare_sets(name: str, baseline: Side, candidate: Side) -> SetDifference | str:
    """How a metric of the set differs, or why that can't be said.

    Both sides, and the ground truth beside them, are resampled with the same images (persons, where they are known).
    """
    try:
        return _compare(name, baseline, candidate)
    except FaceSRBenchError as error:
        return f"not compared: {first_line(error)}"
    except PLUGIN_ERRORS as error:  # the code of a metric may raise what it likes; it costs its own cell
        return f"not compared: {describe(error)}"


def _compare(name: str, baseline: Side, candidate: Side) -> SetDifference:
    if baseline.result is None or candidate.result is None:
        raise MetricError("no features")
    ids = [i for i, shot in baseline.images.items() if shot.error is None and i in candidate.images]
    ids = [i for i in ids if candidate.images[i].error is None]
    old, new = (_entry(side.result, name) for side in (baseline, candidate))
    if (old["extractor"], old["reference_sha256"]) != (new["extractor"], new["reference_sha256"]):
        raise MetricError("the features are of two extractors, or references")
    if old["reference_sha256"] is not None:
        raise MetricError("a file of statistics is its reference, whose features nobody has to resample")
    distance = _distance(name, candidate)
    extractor = str(old["extractor"])
    first = _stack([baseline.result.features_path(extractor, i) for i in ids])
    second = _stack([candidate.result.features_path(extractor, i) for i in ids])
    references = references_of(candidate.result)
    truth = _stack([references.path(extractor, i) for i in ids])
    whole = (distance(first, truth), distance(second, truth))
    if np.array_equal(first, second):
        return SetDifference(*whole, (0.0, 0.0), len(ids))
    differences = [
        distance(second[chosen], truth[chosen]) - distance(first[chosen], truth[chosen])
        for chosen in _draws([baseline.images[i].identity or i for i in ids])
    ]
    low, high = np.quantile(differences, [1 - LEVEL, LEVEL]).tolist()
    return SetDifference(*whole, (low, high), len(ids))


def _draws(people: Sequence[str]) -> list[NDArray[np.intp]]:
    """`RESAMPLES` times the places of the images of as many persons, drawn with replacement."""
    places: dict[str, list[int]] = {}
    for place, who in enumerate(people):
        places.setdefault(who, []).append(place)
    groups = [np.array(members, np.intp) for members in places.values()]
    random = np.random.default_rng(SEED)
    drawn = (random.integers(0, len(groups), len(groups)) for _ in range(RESAMPLES))
    return [np.concatenate([groups[number] for number in numbers]) for numbers in drawn]


def _entry(result: Result | None, name: str) -> Mapping[str, Any]:
    entry = result.sets().get(name, {}) if result is not None else {}
    if "extractor" not in entry:
        raise MetricError(str(entry.get("reason", "one of the results has no value of it")))
    return {"reference_sha256": None, **entry}


def _distance(name: str, side: Side) -> Callable[[Features, Features], float]:
    """Two sets of features -> the metric's value."""
    record = side.header.metrics[name]
    profile = Profile.model_validate(side.header.profile.model_dump(mode="json"))
    # The features lie there: their network is not needed, be it a file of the user's or one that was never fetched.
    choice = parse_metric(str(replace(Spec.parse(record.typed or name), file=None)))
    metric = instantiate(choice, context_of(choice, Setup(profile, side.header.protocol.scale)))
    if not isinstance(metric, SetMetric):
        raise MetricError(f"{name} is no metric of a set")
    return lambda sr, truth: float(metric.of_set(sr, truth).value)


def _stack(paths: Sequence[Path]) -> Features:
    rows = [read_array(path) for path in paths]
    missing = sum(row is None for row in rows)
    if missing:
        raise MetricError(f"no features of {missing} of {len(rows)} images on disk")
    return np.stack([row for row in rows if row is not None]).astype(np.float32, copy=False)
