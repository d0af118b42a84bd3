"""Broken images, which no mean of hundreds shows: counted apart, against what the baseline itself has of them.

An image is broken in a metric if it lost more than the metric's severity. Between two equally good methods some images
lose that much and as many gain it, where severity is within their noise. So a count is a regression if more images
broke than were mended, and either that is no chance (exact McNemar test, one-sided), or one of them stands out of all
differences: a break, not noise. What stands out is counted by itself too: a face that is lost altogether is not made up
for by another that gained a little more than the severity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facesr_bench.results.gate.means import LEVEL
from facesr_bench.results.gate.policy import Rule
from facesr_bench.results.gate.sides import Side

OUT_OF_LINE = 6.0
"""An image stands out beyond so many robust standard deviations (1.4826 median deviations) from the median loss."""


@dataclass(frozen=True)
class Guard:
    """One kind of broken image.

    Attributes:
        what: in words, such as `lost more than 1 dB of psnr`.
        metric: its name; None for pictures as such.
        before: images of the baseline that are so and of the candidate not, or the baseline's count.
        now: likewise of the candidate.
        images: the candidate's, the worst first.
        regressed: whether that is a regression.
        note: why it is not, where there are more now.
    """

    what: str
    metric: str | None
    before: int
    now: int
    images: tuple[str, ...]
    regressed: bool
    note: str = ""

    def in_words(self) -> str:
        """`2 images lost more than 1 dB of PSNR, against 0 that gained it (face07, face12)`."""
        named = ", ".join(self.images[:3]) + (", ..." if len(self.images) > 3 else "")
        which = f" ({named})" if named else ""
        note = f"; {self.note}" if self.note else ""
        return f"{self.what}: {self.now} now, {self.before} before{which}{note}"


def failures(baseline: Side, candidate: Side) -> list[Guard]:
    """Images that fail only now, and pictures of one colour; only those that there are."""
    error = candidate.header.error
    if error is not None:
        ids = tuple(baseline.images)
        return [Guard(f"images without a picture, the method did not run ({error})", None, 0, len(ids), ids, True)]
    shared = [image_id for image_id in baseline.images if image_id in candidate.images]
    failed = tuple(image_id for image_id in shared if candidate.images[image_id].error is not None)
    found = []
    if failed:
        why = candidate.images[failed[0]].error
        found.append(Guard(f"images that the method fails on ({why})", None, 0, len(failed), failed, True))
    before = [image_id for image_id in shared if baseline.images[image_id].constant]
    now = tuple(image_id for image_id in shared if candidate.images[image_id].constant)
    if now or before:
        new_first = tuple(sorted(now, key=lambda image_id: image_id in before))
        found.append(Guard("pictures of one colour", None, len(before), len(now), new_first, len(now) > len(before)))
    return found


def without_values(name: str, title: str, rule: Rule, baseline: Side, candidate: Side) -> list[Guard]:
    """Images that a metric has a value of in the baseline alone: no face found, or not a number."""
    shared = [image_id for image_id in baseline.images if image_id in candidate.images]
    old, new = baseline.images, candidate.images
    before = [i for i in shared if name in old[i].undetected]
    faceless = [i for i in shared if new[i].error is None and name in new[i].undetected]
    broken = [i for i in shared if name in old[i].metrics and name in new[i].reasons and i not in faceless]
    found = []
    if broken:
        why = new[broken[0]].reasons[name]
        found.append(Guard(f"images without a value of {title} ({why})", name, 0, len(broken), tuple(broken), True))
    if faceless or before:
        many = len(faceless) > len(before) + rule.faceless
        ordered = tuple(sorted(faceless, key=lambda i: i in before))
        found.append(Guard(f"no face found by {title}", name, len(before), len(faceless), ordered, many))
    return found


def severe(name: str, what: str, rule: Rule, losses: Mapping[str, float]) -> list[Guard]:
    """Images that lost more than the severity.

    Args:
        what: the metric and its severity, such as `1 dB of PSNR`.
        losses: by image, positive where the candidate is worse; may be infinite.
    """
    if rule.severity is None or not losses:
        return []
    lost = sorted((i for i in losses if losses[i] > float(rule.severity)), key=lambda i: -losses[i])
    gained = sum(loss < -rule.severity for loss in losses.values())
    if not lost:
        return []
    more = len(lost) > gained + rule.broken
    apart = [i for i in lost if _stands_out(losses, i)]
    sure = _mcnemar(len(lost), gained) < 1 - LEVEL or bool(apart)
    alone = len(apart) - _made_up_for(apart, losses, rule.severity)
    note = "" if sure or not more else "as many could be chance, and none stands out"
    if alone > rule.broken and not more:
        note = f"{alone} stand out, and no other image gained half as much"
    regressed = (more and sure) or alone > rule.broken
    return [Guard(f"lost more than {what}", name, gained, len(lost), tuple(lost), regressed, note)]


def _made_up_for(lost: Sequence[str], losses: Mapping[str, float], severity: float) -> int:
    """How many images that lost much, the worst first, have one beside them that gained at least half as much."""
    gains = sorted((-loss for loss in losses.values() if loss < -severity), reverse=True)
    return sum(2 * gain >= losses[image_id] for image_id, gain in zip(lost, gains, strict=False))


def _mcnemar(lost: int, gained: int) -> float:
    """P(so many or more lose | as many would gain), exact."""
    n = lost + gained
    return float(sum(math.comb(n, k) for k in range(lost, n + 1)) / 2**n)


def _stands_out(losses: Mapping[str, float], image_id: str) -> bool:
    """Whether one loss is far from all differences, whatever their spread."""
    values = np.array([loss for loss in losses.values() if math.isfinite(loss)])
    if not math.isfinite(losses[image_id]) or not len(values):
        return True
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    return bool(losses[image_id] > middle + OUT_OF_LINE * spread)
