"""The comparison of two sides: refused, or judged metric by metric, with broken images counted beside the means."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from facesr_bench.results.columns import COSTS, MetricInfo, metric_infos
from facesr_bench.results.gate import refusals, tails
from facesr_bench.results.gate.means import LEVEL, PairedMean
from facesr_bench.results.gate.policy import Policy, Rule, Tier
from facesr_bench.results.gate.sides import Side
from facesr_bench.results.gate.tails import Guard
from facesr_bench.results.gate.verdict import Verdict, gravest
from facesr_bench.results.record import MetricRecord
from facesr_bench.results.statistics import PairedTest, holm, paired_test

ALPHA = 1 - LEVEL


@dataclass(frozen=True)
class SetDifference:
    """What a metric of the whole set says of both sides.

    Attributes:
        baseline, candidate: its values.
        interval: of candidate less baseline, each end sure to 95 % one-sided, by paired bootstrap over the features.
        n: images.
    """

    baseline: float
    candidate: float
    interval: tuple[float, float]
    n: int


SetCompare = Callable[[str, Side, Side], "SetDifference | str"]
"""(metric, baseline, candidate) -> the difference, or why there is none."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One metric of a comparison.

    Attributes:
        info: title, unit, digits, direction.
        tier: `advisory` decides nothing; `not_gated` says why a metric does not decide.
        margin: in the metric's unit; None where it has none.
        baseline, candidate: means over the images that both have a value of.
        difference: candidate less baseline, in the metric's unit; may be infinite.
        interval: of the difference, each end sure to 95 % one-sided; None where there is none.
        n: pairs; persons: groups that were resampled, as many as pairs where nobody is known.
        sd: standard deviation of the paired differences.
        detectable: the smallest loss that is seen in 80 % of cases.
        needed: images that the margin needs.
        p: how well the values fit a loss within the margin; p_holm: corrected over the metrics of its tier.
        test: Wilcoxon's, as a description; its p corrected as `wilcoxon_holm`.
        note: what else must be known.
        losses: by image, positive where the candidate is worse.
    """

    name: str
    info: MetricInfo
    tier: Tier
    verdict: Verdict
    not_gated: str = ""
    margin: float | None = None
    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    persons: int = 0
    sd: float | None = None
    detectable: float | None = None
    needed: int | None = None
    p: float | None = None
    p_holm: float | None = None
    test: PairedTest | None = None
    wilcoxon_holm: float | None = None
    note: str = ""
    losses: Mapping[str, float] = field(default_factory=dict, repr=False)

    @property
    def gated(self) -> bool:
        """Whether it takes part in the decision."""
        return not self.not_gated

    @property
    def deciding(self) -> Verdict | None:
        """What it adds to the whole verdict: what is not sure in a supporting metric is said, and decides nothing."""
        if not self.gated or (self.tier == "supporting" and self.verdict is Verdict.INCONCLUSIVE):
            return None
        return self.verdict


@dataclass(frozen=True)
class Unanswered:
    """A comparison that could not be begun: one of its sides is missing.

    Attributes:
        label, protocol: what it was about.
        refused: why.
    """

    label: str
    protocol: str
    refused: tuple[str, ...]
    verdict: Verdict = Verdict.REFUSED


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that is said of a candidate against a baseline.

    Attributes:
        refused: why they can't be compared; then there is nothing else.
        metrics: in the order of columns.
        guards: broken images, where there are any.
        notes: what must be known beside: missing images, what is not gated.
        costs: (title, before, now) of what a method takes; they only inform.
        verdict: of the whole.
    """

    baseline: Side
    candidate: Side
    policy: Policy
    verdict: Verdict
    refused: tuple[str, ...] = ()
    metrics: tuple[Judged, ...] = ()
    guards: tuple[Guard, ...] = ()
    notes: tuple[str, ...] = ()
    costs: tuple[tuple[str, str, str], ...] = ()

    @property
    def label(self) -> str:
        """What tables call the candidate's row."""
        return self.candidate.label

    @property
    def protocol(self) -> str:
        """The name of the protocol of both sides."""
        return self.candidate.protocol

    @property
    def lead(self) -> Judged | None:
        """The metric by which images are called worst: the first that decides and has values per image."""
        having = [metric for metric in self.metrics if metric.losses]
        return next((metric for metric in having if metric.gated), having[0] if having else None)

    def ranked(self) -> list[str]:
        """The ids of the images, by their loss in the leading metric, the worst first; those that failed before."""
        old, new = self.baseline.images, self.candidate.images
        failed = [image_id for image_id, shot in new.items() if shot.error is not None and image_id in old]
        lead = self.lead
        losses = lead.losses if lead is not None else {}
        return [*failed, *sorted(losses, key=lambda image_id: (-losses[image_id], image_id))]


def judge(baseline: Side, candidate: Side, policy: Policy, compare_sets: SetCompare | None = None) -> Answer:
    """Compare two sides.

    Args:
        compare_sets: compares metrics of the whole set; None where there are no features to do it by.
    """
    if refused := refusals.reasons(baseline, candidate, policy):
        return Answer(
            baseline=baseline, candidate=candidate, policy=policy, verdict=Verdict.REFUSED, refused=tuple(refused)
        )
    infos = metric_infos(baseline.header.metrics, ())
    rules = policy.rules(baseline.held)
    judged, guards = [], list(tails.failures(baseline, candidate))
    for name, metric in baseline.held.items():
        rule = rules.get(name, Rule(tier="advisory"))
        if metric.of == "set":
            judged.append(_judge_set(infos[name], metric, rule, baseline, candidate, compare_sets))
            continue
        one = _judge_images(infos[name], metric, rule, baseline, candidate, policy)
        judged.append(one)
        if one.gated and candidate.header.error is None:
            unit = f"{rule.severity:g} {one.info.unit}".strip() if rule.severity else ""
            guards += tails.without_values(name, one.info.title, rule, baseline, candidate)
            guards += tails.severe(name, f"{unit} of {one.info.title}", rule, one.losses)
    corrected = tuple(_corrected(judged, policy))
    return _answer(baseline, candidate, policy, corrected, tuple(guards))


def _answer(
    baseline: Side, candidate: Side, policy: Policy, metrics: tuple[Judged, ...], guards: tuple[Guard, ...]
) -> Answer:
    verdicts = [metric.deciding for metric in metrics]
    if any(guard.regressed for guard in guards):
        verdicts.append(Verdict.REGRESSED)
    notes = [f"{metric.info.title}: not gated: {metric.not_gated}" for metric in metrics if metric.not_gated]
    notes += list(_other_margins(baseline, candidate, policy))
    if missing := refusals.missing_in_words(baseline, candidate):
        notes.insert(0, f"compared on what both have: {missing}")
    if policy.exact and (unlike := _unlike_pictures(baseline, candidate)):
        verdicts.append(Verdict.DIFFERS)
        notes.insert(0, f"--exact: {unlike} of {len(baseline.images)} pictures are not equal to the baseline's")
    refused: tuple[str, ...] = ()
    if not any(metric.gated for metric in metrics) and candidate.header.error is None:
        refused = ("nothing is gated: " + ("; ".join(notes) or "the baseline holds no metric"),)
        verdicts.append(Verdict.REFUSED)
    elif all(verdict is None for verdict in verdicts):
        refused = ("nothing decides: what is gated is supporting, and not sure",)
    return Answer(
        baseline=baseline,
        candidate=candidate,
        policy=policy,
        verdict=gravest(verdict for verdict in verdicts if verdict is not None),
        refused=refused,
        metrics=metrics,
        guards=guards,
        notes=tuple(notes),
        costs=tuple(_costs(baseline, candidate)),
    )


def _other_margins(baseline: Side, candidate: Side, policy: Policy) -> Iterator[str]:
    """The baseline's own margins hold, unless the policy has others; what cards say today is only said."""
    for name, rule in policy.rules(baseline.held).items():
        now = candidate.header.metrics.get(name)
        if now is None or rule.margin is None or rule.margin != baseline.held[name].margin:
            continue
        if now.margin != rule.margin:
            other = "none" if now.margin is None else f"{now.margin:g}"
            yield f"{now.title}: the margin is the baseline's, {rule.margin:g}; the metric's card says {other} now"


def _unlike_pictures(baseline: Side, candidate: Side) -> int:
    new = candidate.images
    shared = [(shot, new[i]) for i, shot in baseline.images.items() if i in new]
    return sum(old.pixels is None or old.pixels != now.pixels for old, now in shared)


def _costs(baseline: Side, candidate: Side) -> list[tuple[str, str, str]]:
    old, new = baseline.header.costs, candidate.header.costs
    return [
        (cost.header, cost.format(old[cost.name]), cost.format(new[cost.name]))
        for cost in COSTS
        if cost.name in old and cost.name in new
    ]


def _judge_images(
    info: MetricInfo, metric: MetricRecord, rule: Rule, baseline: Side, candidate: Side, policy: Policy
) -> Judged:
    """A metric that every image has a value of."""
    name = info.name
    old, new = baseline.images, candidate.images
    ids = [i for i, shot in old.items() if i in new and name in shot.metrics and name in new[i].metrics]
    kept = [i for i in ids if name not in old[i].left_out and name not in new[i].left_out]
    sign = -1.0 if metric.higher_is_better is False else 1.0
    pairs = {i: (old[i].metrics[name], new[i].metrics[name]) for i in kept}
    # Two infinite values are equal, though inf - inf is not a number.
    losses = {i: 0.0 if a == b else sign * (a - b) for i, (a, b) in pairs.items()}
    one = Judged(
        name=name,
        info=info,
        tier=rule.tier,
        verdict=Verdict.INCONCLUSIVE,
        not_gated=_why_not_gated(name, metric, rule, policy),
        margin=rule.margin,
        baseline=_mean([a for a, _ in pairs.values()]),
        candidate=_mean([b for _, b in pairs.values()]),
        n=len(kept),
        note=f"{len(ids) - len(kept)} values left out by the metric's rule" if len(kept) < len(ids) else "",
        losses=losses,
    )
    if not losses:
        return replace(one, note="no image has a value on both sides")
    same_pictures = all(old[i].pixels is not None and old[i].pixels == new[i].pixels for i in old if i in new)
    if same_pictures and not any(losses.values()) and len(ids) == len(old) == len(new):
        return _finite(replace(one, verdict=Verdict.IDENTICAL), sign, [old[i].identity for i in kept], policy)
    unlike = sum(old[i].pixels != new[i].pixels for i in kept)
    if not any(losses.values()) and unlike:
        one = replace(one, note=f"every value is equal, and {unlike} of {len(kept)} pictures are not")
    if any(map(math.isinf, losses.values())):
        return _infinite(one, sign)
    return _finite(one, sign, [old[i].identity for i in kept], policy)


def _why_not_gated(name: str, metric: MetricRecord, rule: Rule, policy: Policy) -> str:
    if rule.tier == "advisory":
        return "it is advisory" if policy.names(name) else "the policy does not name it"
    if metric.higher_is_better is None:
        return "nobody says whether more of it is better"
    return "it has no margin; give it one in its card or in the policy" if rule.margin is None else ""


def _mean(values: Sequence[float]) -> float | None:
    if not values or (math.inf in values and -math.inf in values):
        return None
    return math.fsum(values) / len(values)


def _infinite(one: Judged, sign: float) -> Judged:
    """Where one side is perfect on images that the other is not: no mean says how much."""
    worse = sum(loss == math.inf for loss in one.losses.values())
    better = sum(loss == -math.inf for loss in one.losses.values())
    note = f"the baseline is perfect on {worse} images that the candidate is not on, and not on {better} where it is"
    if worse and better:
        return replace(one, verdict=Verdict.INCONCLUSIVE, note=note)
    verdict = Verdict.REGRESSED if worse else Verdict.BETTER
    return replace(one, verdict=verdict, difference=sign * (-math.inf if worse else math.inf), note=note)


def _finite(one: Judged, sign: float, persons: Sequence[str | None], policy: Policy) -> Judged:
    mean = PairedMean.of(list(one.losses.values()), persons)
    interval = mean.interval
    ends = None if interval is None else tuple(sorted((-sign * interval[0] + 0.0, -sign * interval[1] + 0.0)))
    measured = replace(
        one,
        difference=-sign * mean.mean + 0.0,
        interval=None if ends is None else (ends[0], ends[1]),
        persons=mean.persons,
        sd=mean.sd if math.isfinite(mean.sd) else None,
        detectable=mean.detectable if math.isfinite(mean.detectable) else None,
        needed=mean.needed(one.margin) if one.margin else None,
        test=paired_test(-mean.by_person),
    )
    if one.verdict is Verdict.IDENTICAL or one.margin is None:
        return measured
    if one.margin == 0:
        return _exact(measured)
    verdict, note = _verdict(mean, one.margin, policy.two_sided)
    p = mean.p_above(one.margin)
    if policy.two_sided and verdict is Verdict.RISEN:
        p = mean.p_below(-one.margin)
    if verdict is Verdict.INCONCLUSIVE:
        note = _what_would_help(measured)
    return replace(measured, verdict=verdict, note="; ".join(filter(None, [one.note, note])), p=p)


def _verdict(mean: PairedMean, margin: float, two_sided: bool) -> tuple[Verdict, str]:
    if mean.interval is None:
        return Verdict.INCONCLUSIVE, ""
    low, high = mean.interval  # of the loss
    if low > margin:
        return Verdict.REGRESSED, ""
    if two_sided and high < -margin:
        return Verdict.RISEN, "more than the margin better"
    if high <= margin and low >= -margin:
        return Verdict.EQUIVALENT, ""
    if high > margin or two_sided:
        return Verdict.INCONCLUSIVE, ""
    return (Verdict.BETTER if high < 0 else Verdict.NO_WORSE), ""


def _what_would_help(one: Judged) -> str:
    if one.detectable is None or one.needed is None or one.margin is None:
        return "one image, or one person, says nothing of a mean"
    if one.needed <= one.n:
        return f"the loss is too near the margin to tell, though n = {one.n} is enough where there is none"
    reach = f"{one.detectable:.2g} {one.info.unit}".strip()
    return f"a margin of {one.margin:g} needs n = {one.needed}, there are {one.n}; or a margin of {reach}"


def _exact(one: Judged) -> Judged:
    differing = [loss for loss in one.losses.values() if loss]
    if not differing:
        return replace(one, verdict=Verdict.EQUIVALENT, note="every value is equal, not every picture")
    note = f"margin 0 means exact: {len(differing)} of {one.n} values differ, one by {max(map(abs, differing)):.3g}"
    return replace(one, verdict=Verdict.DIFFERS, note=note)


def _judge_set(
    info: MetricInfo,
    metric: MetricRecord,
    rule: Rule,
    baseline: Side,
    candidate: Side,
    compare_sets: SetCompare | None,
) -> Judged:
    """A metric that only the whole set has a value of."""
    old, new = baseline.header.sets.get(info.name), candidate.header.sets.get(info.name)
    one = Judged(
        name=info.name,
        info=info,
        tier=rule.tier,
        verdict=Verdict.INCONCLUSIVE,
        margin=rule.margin,
        baseline=old,
        candidate=new,
        difference=new - old if old is not None and new is not None else None,
        not_gated="no features",
    )
    if compare_sets is None or baseline.result is None or candidate.result is None:
        return one
    found = compare_sets(info.name, baseline, candidate)
    if isinstance(found, str):
        return replace(one, not_gated=found)
    few = f"{found.n} images, and below {_SET_MINIMUM} a set's number tells mostly how few they are"
    sign = -1.0 if metric.higher_is_better is False else 1.0
    low, high = sorted((-sign * found.interval[0], -sign * found.interval[1]))  # of the loss
    margin = rule.margin
    reasons = [
        few if found.n < _SET_MINIMUM else "",
        "it is advisory" if rule.tier == "advisory" else "",
        "it has no margin" if margin is None else "",
        "nobody says whether more of it is better" if metric.higher_is_better is None else "",
    ]
    return replace(
        one,
        verdict=_set_verdict(low, high, margin or 0.0),
        baseline=found.baseline,
        candidate=found.candidate,
        difference=found.candidate - found.baseline,
        interval=found.interval,
        n=found.n,
        not_gated=next(filter(None, reasons), ""),
    )


_SET_MINIMUM = 2049
"""Inception's 2,048 features have a covariance of full rank from so many images on."""


def _set_verdict(low: float, high: float, margin: float) -> Verdict:
    if low == high == 0:
        return Verdict.IDENTICAL
    if low > margin:
        return Verdict.REGRESSED
    if high > margin:
        return Verdict.INCONCLUSIVE
    if low >= -margin:
        return Verdict.EQUIVALENT
    return Verdict.BETTER if high < 0 else Verdict.NO_WORSE


def _corrected(metrics: Sequence[Judged], policy: Policy) -> list[Judged]:
    """Holm's correction over the gated metrics of each tier: a regression must stand it; Wilcoxon's p only shows it.

    That all metrics of a tier are no worse needs no correction: each of them must be.
    """
    found = list(metrics)
    for tier in ("critical", "supporting"):
        places = [i for i, one in enumerate(found) if one.gated and one.tier == tier]
        tested = [i for i in places if found[i].p is not None]
        for place, p in zip(tested, holm([found[i].p or 0.0 for i in tested]), strict=True):
            found[place] = _after_holm(found[place], p)
        described = [i for i in places if found[i].test is not None]
        shown = holm([test.p for i in described if (test := found[i].test) is not None])
        for place, p in zip(described, shown, strict=True):
            found[place] = replace(found[place], wilcoxon_holm=p)
    return found


def _after_holm(one: Judged, p: float) -> Judged:
    one = replace(one, p_holm=p)
    if one.verdict not in (Verdict.REGRESSED, Verdict.RISEN) or p < ALPHA:
        return one
    note = f"by itself {one.verdict.value}, and not so after Holm's correction over the gated metrics (p = {p:.3f})"
    return replace(one, verdict=Verdict.INCONCLUSIVE, note=note)
