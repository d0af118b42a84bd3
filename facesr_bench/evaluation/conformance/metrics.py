"""Checks of metrics: their values of random pictures, by the Scorer that runs use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.evaluation.conformance.checks import Check, all_of, faces, made
from facesr_bench.evaluation.metrics import Setup, context_of, instantiate
from facesr_bench.evaluation.scorer import Scorer, checked_features
from facesr_bench.faces.mean_shape import MEAN_SHAPE
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins.cards import MetricCard
from facesr_bench.plugins.degradation import find_degradation
from facesr_bench.plugins.metric import MetricBase, MetricContext, SetMetric
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.sample import Sample
from facesr_bench.plugins.spec import MetricChoice
from facesr_bench.weights import resolve_metric

SIDE, SCALE = 192, 8
"""Of the pictures, px: no metric that is built in needs larger ones (NIQE wants two blocks of 96 px)."""
MADE_BY = "bicubic-pillow"
"""The degradation that `_sample` makes LR by."""


def check_metric(
    plugin: Plugin[MetricCard], cls: type[MetricBase], weights: str | None, argument: str | None
) -> Iterator[Check]:
    """Make and load it, then compute it; without a network of its own, up to there.

    Args:
        weights: `NAME` of the card, or `NAME=FILE`.
    """
    card = plugin.require_card()
    if card.takes_argument and argument is None:
        yield Check("make", note=f"checked up to here: {card.name} computes nothing without an argument")
        return
    name, _, file = (weights or "").partition("=")
    choice = MetricChoice(plugin, card.default_variant, argument, name or None, file or None)
    context = context_of(choice, Setup(get_profile("sparnet"), SCALE, degradation=find_degradation(MADE_BY)))
    with TemporaryDirectory(prefix="facesr-bench-") as folder:
        try:
            context, note = _with_weights(context, cls, choice, Path(folder))
        except WeightsError as error:
            yield Check("weights", str(error))
            return
        check, metric = made("make", lambda: instantiate(choice, context))
        yield check
        if metric is None:
            return
        lacking = metric.why_unavailable()
        if lacking is None and card.weights and context.weights is None:
            lacking = f"{note}; give it with --weights"
        if lacking is not None:
            yield Check("load", note=f"checked up to here, since its network can't be opened: {lacking}")
            return
        check, _ = made("load", metric.load)
    yield replace(check, note=note if check.problem is None else "")
    if check.problem is None:
        yield from all_of(_OF_SETS, metric) if isinstance(metric, SetMetric) else all_of(_OF_IMAGES, metric)


def _with_weights(
    context: MetricContext, cls: type[MetricBase], choice: MetricChoice, folder: Path
) -> tuple[MetricContext, str]:
    """The context with a network's file, and what to say of it: where the real one is missing, a random one.

    Raises:
        WeightsError: the file that the user named can't be used.
    """
    card = context.card
    if not card.weights:
        return context, ""
    try:
        return replace(context, weights=resolve_metric(card, choice.network, choice.file)), ""
    except WeightsError as error:
        if choice.network is not None:
            raise
        missing = str(error).splitlines()[0]
    for name in [str(card.default_weights), *card.weights]:
        if (path := cls.random_weights(card, name, folder)) is not None:
            note = f"with a random network in the place of {name}, which is not on this machine"
            return replace(context, weights=resolve_metric(card, name, str(path))), note
    return context, missing


def _sample(hr: Image8) -> Sample:
    landmarks = MEAN_SHAPE * (hr.shape[0] / 128)
    lr = resize(hr, (SIDE // SCALE, SIDE // SCALE))
    return Sample("sample", lr, hr, landmarks)


def _value(metric: MetricBase, sr: Image8, hr: Image8) -> float:
    scorer = Scorer([metric])
    record = scorer.score(sr, scorer.prepare(_sample(hr)))
    if metric.key not in record.metrics:
        raise MetricError(record.reasons[metric.key])
    return record.metrics[metric.key]


def _per_image(metric: MetricBase) -> str | None:
    hr, sr = faces(SIDE, 2)
    low, high = metric.card.range
    value = _value(metric, sr, hr)
    return None if low <= value <= high else f"gave {value}; the card's range is {low} to {high}"


def _determinism(metric: MetricBase) -> str | None:
    hr, sr = faces(SIDE, 2)
    return None if _value(metric, sr, hr) == _value(metric, sr, hr) else "the same images gave two values"


def _direction(metric: MetricBase) -> str | None:
    """Only where the metric compares with HR: nothing else is sure to be best for HR itself."""
    if "reference" not in metric.card.needs or metric.higher_is_better is None:
        return None
    hr, sr = faces(SIDE, 2)
    better, worse = _value(metric, hr, hr), _value(metric, sr, hr)
    right = better > worse if metric.higher_is_better else better < worse
    return None if right else f"identical images score {better}, different ones {worse}: higher_is_better is wrong"


def _features(metric: SetMetric) -> str | None:
    first, again = (checked_features(metric, faces(SIDE, 1)[0]) for _ in range(2))
    return None if np.array_equal(first, again) else "the same picture gave two feature vectors"


def _set_direction(metric: SetMetric) -> str | None:
    rows = np.stack([checked_features(metric, picture) for picture in faces(SIDE, 8)])
    same, other = metric.of_set(rows[:4], rows[:4]).value, metric.of_set(rows[:4], rows[4:]).value
    best = metric.card.range[1 if metric.higher_is_better else 0]  # two sets of a few pictures can both reach it
    right = same == best or (same > other if metric.higher_is_better else same < other)
    return None if right else f"a set scores {same} with itself and {other} with another: the direction is wrong"


_OF_IMAGES: dict[str, Any] = {"per_image": _per_image, "determinism": _determinism, "direction": _direction}
_OF_SETS: dict[str, Any] = {"features": _features, "direction": _set_direction}
