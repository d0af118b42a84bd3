"""What must be equal before anything is compared, each reason in words. Nothing is cut down to what both share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from facesr_bench.results.gate.policy import Policy
from facesr_bench.results.gate.sides import Header, Shot, Side
from facesr_bench.results.record import MetricRecord

_NAMED = 3
"""Images that a reason names."""


def reasons(baseline: Side, candidate: Side, policy: Policy) -> list[str]:
    """Why two sides can't be compared; empty where they can."""
    return [
        *_other_task(baseline.header, candidate.header),
        *_other_images(baseline, candidate, policy.allow_missing),
        *_other_metrics(baseline, candidate, policy),
    ]


def _other_task(old: Header, new: Header) -> Iterator[str]:
    if old.protocol.name != new.protocol.name:
        yield f"another protocol: {new.protocol.name}, and the baseline is of {old.protocol.name}"
        return
    if old.profile.name != new.profile.name:
        yield f"another profile: {new.profile.name}, and the baseline is of {old.profile.name}"
    elif old.definition != new.definition:
        # The hash leaves out what a card says by default: a field that a later release adds makes no other task.
        cards = (old.protocol.model_dump(mode="json"), new.protocol.model_dump(mode="json"))
        profiles = (old.profile.model_dump(mode="json"), new.profile.model_dump(mode="json"))
        card, profile = _differing(*cards, _PROTOCOL_PROSE), _differing(*profiles, _PROSE)
        if card:
            yield f"another protocol card: {card}"
        if profile:
            yield f"the profile {old.profile.name} says something else now: {profile}"
        if not card and not profile:
            yield "another definition of the protocol: its degradation is not what it was"
    if old.data.hash != new.data.hash:
        counts = "" if old.data.count == new.data.count else f" ({old.data.count} images then, {new.data.count} now)"
        yield f"other data: what {old.dataset or 'the dataset'} holds is not what the baseline was made of{counts}"


_PROSE = frozenset({"name", "summary", "source"})
_PROTOCOL_PROSE = frozenset({"name", "summary", "metrics", "expected_count", "profile"})
"""What may differ: it changes no number, or is compared elsewhere."""


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], without: Iterable[str]) -> str:
    """`scale 8, now 4`: the fields that differ."""
    names = [name for name in dict.fromkeys([*old, *new]) if name not in without]
    pairs = {name: (_said(old.get(name)), _said(new.get(name))) for name in names}
    return ", ".join(f"{name} {a}, now {b}" for name, (a, b) in pairs.items() if a != b)


def _said(value: Any) -> Any:
    """A value without the fields of it that say nothing."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


def _other_images(baseline: Side, candidate: Side, allowed: int) -> Iterator[str]:
    old, new = baseline.images, candidate.images
    if candidate.header.error is not None:
        return  # no image at all: that is a failure of the candidate, not another task
    if not old:
        yield "the baseline has no image"
    lacking, more = [i for i in old if i not in new], [i for i in new if i not in old]
    if len(lacking) + len(more) > allowed or len(lacking) == len(old) > 0:
        yield f"other images: {_counted(lacking, more, len(old), len(new))}; --allow-missing N compares what both have"
    for image_id, shot in old.items():
        if shot.error is not None:
            yield f"an image failed in the baseline: {image_id}: {shot.error}"
            break
    shared = [i for i in old if i in new]
    persons = [i for i in shared if old[i].identity != new[i].identity]
    if persons:
        yield f"other identities: {len(persons)} of {len(shared)} images show somebody else now ({_some(persons)})"
    given = [i for i in shared if _unlike(old[i], new[i])]
    if given:
        yield (
            f"other pictures: what the method was given, or is scored against, is not what it was on {len(given)} of "
            f"{len(shared)} images ({_some(given)}): another crop, resizer or decoder"
        )


def _unlike(old: Shot, new: Shot) -> bool:
    return old.given is not None and new.given is not None and old.given != new.given


def missing_in_words(baseline: Side, candidate: Side) -> str:
    """The images that one side lacks; empty where there are none."""
    old, new = baseline.images, candidate.images
    lacking, more = [i for i in old if i not in new], [i for i in new if i not in old]
    return _counted(lacking, more, len(old), len(new)) if (lacking or more) and new else ""


def _counted(lacking: Sequence[str], more: Sequence[str], old: int, new: int) -> str:
    parts = []
    if lacking:
        parts.append(f"{len(lacking)} of the baseline's {old} are missing ({_some(lacking)})")
    if more:
        parts.append(f"{len(more)} of the candidate's {new} are not in the baseline ({_some(more)})")
    return ", ".join(parts)


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_NAMED]) + (", ..." if len(ids) > _NAMED else "")


def _other_metrics(baseline: Side, candidate: Side, policy: Policy) -> Iterator[str]:
    held, now = baseline.held, candidate.header.metrics
    for pattern in policy.unmatched(held):
        yield f"the policy matches nothing: {pattern}"
    for name, rule in policy.rules(held).items():
        metric = held[name]
        if rule.tier == "advisory" or metric.of == "set" or candidate.header.error is not None:
            continue
        if policy.metrics and metric.higher_is_better is None:
            yield f"{name} can't be gated: nobody says whether more of it is better"
        if policy.metrics and rule.margin is None:
            yield f"{name} has no margin; the policy must give one"
        if name not in now:
            yield f"{name} is in the baseline and was not computed now"
        elif metric.version != now[name].version:
            yield f"another version of {name}: {now[name].version}, and the baseline is of {metric.version}"
        elif metric.weights_sha256 != now[name].weights_sha256:
            yield f"another evaluator of {name}: its network is {_network(now[name])}, and was {_network(metric)}"
        elif metric.higher_is_better != now[name].higher_is_better:
            yield f"{name}: the baseline and the candidate disagree whether more of it is better"
        else:
            yield from _without_values(name, baseline, candidate)
            yield from _measured_otherwise(name, rule.margin, baseline, candidate)


DRIFT = 0.1
"""Share of a margin by which the values of equal pictures may lie apart in the mean."""


def _measured_otherwise(name: str, margin: float | None, baseline: Side, candidate: Side) -> Iterator[str]:
    """Where equal pictures have other values, so that what differs is how it is measured, whatever its version says.

    Another processor gives other last bits, and may make a landmark jump; that must stay far below the margin. Where
    the margin is 0 every difference is an answer of its own.
    """
    old, new = baseline.images, candidate.images
    pairs = {
        i: (shot.metrics[name], new[i].metrics[name])
        for i, shot in old.items()
        if i in new and name in shot.metrics and name in new[i].metrics and _equal_pictures(shot, new[i])
    }
    apart = {i: abs(a - b) for i, (a, b) in pairs.items() if a != b}
    if margin and apart and math.fsum(apart.values()) / len(pairs) > DRIFT * margin:
        worst = max(apart, key=lambda i: apart[i])
        a, b = pairs[worst]
        yield (
            f"{name} is measured otherwise now: {len(apart)} of {len(pairs)} equal pictures have another value "
            f"({worst}: {a:.6g}, now {b:.6g}): its code or a library changed, or the baseline was edited"
        )


def _equal_pictures(old: Shot, new: Shot) -> bool:
    return old.pixels is not None and old.pixels == new.pixels and old.given == new.given


def _network(metric: MetricRecord) -> str:
    return f"{metric.weights} ({str(metric.weights_sha256)[:12]})" if metric.weights_sha256 else "none"


def _without_values(name: str, baseline: Side, candidate: Side) -> Iterator[str]:
    """Where only some images of the candidate lack a value, that is judged, not refused; so are faces not found."""
    broken = [shot for shot in baseline.images.values() if name in shot.reasons and name not in shot.undetected]
    if broken:
        why = f"{broken[0].id}: {broken[0].reasons[name]}"
        yield f"{name} has no value for {len(broken)} images of the baseline ({why})"
    shots = [shot for shot in candidate.images.values() if shot.error is None]
    if shots and not any(name in shot.metrics or name in shot.undetected for shot in shots):
        yield f"{name} has no value in the candidate: {shots[0].reasons.get(name, 'not computed')}"
