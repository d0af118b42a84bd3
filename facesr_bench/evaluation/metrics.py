"""Makes metrics of what a user asked for: the one place where their classes are called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, MetricError, PluginError, WeightsError, describe
from facesr_bench.base.hashing import file_sha256
from facesr_bench.base.memo import Memo
from facesr_bench.base.process_state import World
from facesr_bench.plugins.cards import DegradationCard, MetricCard
from facesr_bench.plugins.metric import AnyMetric, MetricBase, MetricContext, ReferenceSet, SetMetric, Unavailable
from facesr_bench.plugins.profile import Profile, get_profile
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.spec import MetricChoice, parse_metric
from facesr_bench.weights import check_metric_unchanged, resolve_metric

GROUND_TRUTH = "hr"
"""What a user writes for it: `fid[clean:hr]` is against HR whatever --fid-reference names."""


@dataclass(frozen=True)
class Setup:
    """What the metrics of one run have in common.

    Attributes:
        scale: HR side over LR side; some profiles cut a border that wide.
        device: where networks run.
        reference_set: what metrics of sets compare with in place of the ground truth.
        memo: keeps the networks that several of them use.
        degradation: how the protocol makes LR of HR; None where LR is given, or there is no protocol.
    """

    profile: Profile
    scale: int
    device: str = "cpu"
    reference_set: ReferenceSet | None = None
    memo: Memo = field(default_factory=Memo, repr=False)
    degradation: Plugin[DegradationCard] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        scale = self.scale
        if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
            raise MetricError(f"scale must be a whole number from 1 up, not {scale!r}")


def find_metric(name: str, setup: Setup) -> AnyMetric:
    """The metric called `name` (or in the folder `name`), or why it can't be computed here.

    A broken plug-in or a missing file costs its own column and nothing else.

    Raises:
        PluginError, MetricError, WeightsError: no metric, or none of its variants or networks, has that name (suggests
            one).
    """
    return find_metrics([name], setup)[0]


def find_metrics(names: Iterable[str], setup: Setup) -> list[AnyMetric]:
    """As `find_metric` of each name; names of one column (`fid` and its default variant, say) give one metric."""
    choices = [parse_metric(name) for name in names]
    aggregates: dict[str, dict[str, None]] = {}
    for choice in choices:
        aggregates.setdefault(choice.typed, {}).update({choice.aggregate: None} if choice.aggregate else {})
    found = {metric.key: metric for metric in (make_metric(c, setup, tuple(aggregates[c.typed])) for c in choices)}
    return list(found.values())


def asked_columns(names: Iterable[str], metrics: Iterable[AnyMetric]) -> tuple[str, ...]:
    """The columns that names mean, of the metrics that `find_metrics` made of them."""
    made = list(metrics)
    found = []
    for choice in map(parse_metric, names):
        behind = "" if choice.aggregate is None else f":{choice.aggregate}"
        # Two files of one name look the same here; then both columns are meant.
        found += [metric.key + behind for metric in made if metric.context.typed == choice.typed]
    return tuple(dict.fromkeys(found))


def profile_for(profile: str, names: Iterable[str]) -> Profile:
    """The convention that a user means, in which each metric asked for may have a table.

    Raises:
        FaceSRBenchError: there is no such profile or metric, or the user's file is not valid.
    """
    return get_profile(profile, [parse_metric(name).plugin for name in names])


def make_metric(choice: MetricChoice, setup: Setup, aggregates: tuple[str, ...] = ()) -> AnyMetric:
    """As `find_metric`, of what was parsed already, with the columns made of its values that were asked for."""
    context = replace(context_of(choice, setup), aggregates=aggregates)
    missing: WeightsError | None = None
    if context.card.weights or choice.network is not None:
        try:
            weights = resolve_metric(context.card, choice.network, choice.file)
            key = choice.column(weights.suffix, _reference(context))
            context = replace(context, weights=weights, key=key)
        except WeightsError as error:
            missing = error
    try:
        metric = instantiate(choice, context)
    except (PluginError, MetricError) as error:
        return Unavailable(context, error, context.describe())
    return _checked(metric, missing)


def context_of(choice: MetricChoice, setup: Setup) -> MetricContext:
    """What a metric is made of, less its weights.

    Raises:
        MetricError: it is to be compared with a reference set that the run does not have.
    """
    card = choice.plugin.require_card()
    other = setup.reference_set if card.of == "set" and choice.against != GROUND_TRUTH else None
    if choice.against not in {None, GROUND_TRUTH, other.name if other else None}:
        raise MetricError(f"{choice.typed}: give the statistics to compare with: --fid-reference {choice.against}=FILE")
    return MetricContext(
        card=card,
        profile=setup.profile,
        scale=setup.scale,
        device=setup.device,
        variant=choice.variant,
        argument=choice.argument,
        reference_set=other,
        key=choice.column(reference=other.name if other else None),
        typed=choice.typed,
        label=choice.label,
        memo=setup.memo,
        degradation=setup.degradation,
        code=None if choice.plugin.source == "built in" else _code(choice.plugin),
    )


def _code(plugin: Plugin[MetricCard]) -> str:
    """A hash of all that its folder holds and it may read by itself: code, settings, checkpoints."""
    digest = hashlib.sha256(plugin.code_hash().encode())
    for path in plugin.loose_weights():
        digest.update(f"{path.name}\0{file_sha256(path)}\0".encode())
    return digest.hexdigest()


def _reference(context: MetricContext) -> str | None:
    return context.reference_set.name if context.reference_set else None


def instantiate(choice: MetricChoice, context: MetricContext) -> MetricBase:
    """An object of the plug-in's class, checked to be a metric.

    Raises:
        PluginError: its code can't be imported.
        MetricError: the class can't be called, or is no metric.
    """
    cls = choice.plugin.load_class()
    try:
        with World():
            metric: MetricBase = cls(context)
    except PLUGIN_ERRORS as error:
        raise MetricError(f"{context.card.name} can't be made: {describe(error)}") from error
    if not isinstance(metric, SetMetric if context.card.of == "set" else MetricBase):
        expected = "SetMetric, since its card says of = 'set'" if context.card.of == "set" else "MetricBase"
        raise MetricError(f"{context.card.name}: class Metric must derive from facesr_bench.{expected}")
    return metric


def _checked(metric: MetricBase, missing: WeightsError | None) -> AnyMetric:
    """The metric, if a quick look finds that it can be computed here and it describes itself without an error."""
    key = metric.context.key
    try:
        with World():
            reason = metric.why_unavailable()
            described = metric.describe()
        if missing is not None or reason is not None:
            return Unavailable(metric.context, missing or MetricError(str(reason)), described)
        if isinstance(metric, SetMetric):
            str(metric.extractor)
    except PLUGIN_ERRORS as error:  # better here than in the middle of a run
        problem = MetricError(f"{key} can't describe itself: {describe(error)}")
        return Unavailable(metric.context, problem, metric.context.describe())
    return metric


def opened(metrics: Iterable[AnyMetric]) -> list[AnyMetric]:
    """Each metric with its networks open, or why that failed, which costs its own column."""
    return [metric if isinstance(metric, Unavailable) else _opened(metric) for metric in metrics]


def _opened(metric: MetricBase) -> AnyMetric:
    weights = metric.context.weights
    try:
        if weights is not None:
            check_metric_unchanged(weights)
        with World():
            metric.load()
    except FaceSRBenchError as error:
        return Unavailable(metric.context, error, metric.describe())
    except PLUGIN_ERRORS as error:  # costs the metric's own column
        problem = MetricError(describe(error))
        return Unavailable(metric.context, problem, metric.describe())
    return metric
