"""The cells and sentences of a comparison, the same in every format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facesr_bench.report.tables.sheet import DASH
from facesr_bench.results.gate.judge import Answer, Judged, Unanswered
from facesr_bench.results.gate.verdict import Verdict

WORST = 10
"""Images that are shown as the worst."""

HEADERS = ("Metric", "Baseline", "Candidate", "Difference", "90 % interval", "Margin", "Verdict", "Detectable")
"""Both ends of the interval are sure to 95 %, each by itself."""


@dataclass(frozen=True)
class Line:
    """One metric, as a row of texts under `HEADERS`."""

    judged: Judged
    cells: tuple[str, ...]

    @property
    def titled(self) -> list[tuple[str, str]]:
        """Each cell behind its title."""
        return list(zip(HEADERS, self.cells, strict=True))


def table(answer: Answer) -> list[Line]:
    """A row for each metric."""
    return [Line(one, tuple(cells(one))) for one in answer.metrics]


def cells(one: Judged) -> Iterator[str]:
    """A metric's row of the table, as texts."""
    yield one.info.header
    for mean in (one.baseline, one.candidate):
        yield DASH if mean is None else one.info.format(mean)
    yield DASH if one.difference is None else signed(one, one.difference)
    yield DASH if one.interval is None else f"[{signed(one, one.interval[0])}, {signed(one, one.interval[1])}]"
    yield DASH if one.margin is None else f"{one.margin:g}"
    yield verdict(one)
    yield DASH if one.detectable is None else f"{one.detectable:.{one.info.digits + 2}f}"


def signed(one: Judged, value: float) -> str:
    """A difference with its sign, two digits finer than the metric's means; 0 without a sign."""
    if not math.isfinite(value):
        return f"{value:+}"
    text = f"{value:+.{one.info.digits + 2}f}"
    return text[1:] if float(text) == 0 else text


def verdict(one: Judged) -> str:
    """`no worse`, `regressed (advisory)`, `not gated`."""
    if one.not_gated and one.not_gated != "it is advisory":
        return "not gated"
    return one.verdict.value if one.tier == "critical" else f"{one.verdict.value} ({one.tier})"


def name(answer: Answer | Unanswered) -> str:
    """`sparnet on helen-x8`; what it is about where that is no row."""
    return f"{answer.label} on {answer.protocol}" if answer.protocol else answer.label or "the baselines"


def heading(answer: Answer | Unanswered) -> str:
    """`sparnet on helen-x8, profile sparnet, n = 330`."""
    if isinstance(answer, Unanswered):
        return name(answer)
    old, new = answer.baseline, answer.candidate
    against = f" against {old.label}" if old.label != new.label else ""
    part = f", n = {max((one.n for one in answer.metrics), default=len(new.images))}"
    return f"{new.label}{against} on {new.protocol}, profile {new.header.profile.name}{part}"


def remarks(answer: Answer | Unanswered) -> list[str]:
    """What must be known beside the table: refusals first, then broken images, then the rest."""
    if isinstance(answer, Unanswered):
        return [f"not comparable: {reason}" for reason in answer.refused]
    found = [f"not comparable: {reason}" for reason in answer.refused]
    found += [f"{'REGRESSED: ' if guard.regressed else ''}{guard.in_words()}" for guard in answer.guards]
    found += [f"{one.info.title}: {one.note}" for one in answer.metrics if one.note]
    if not answer.refused:
        found += answer.notes
    return found


def powers(answer: Answer) -> list[str]:
    """What each metric could have shown, and what rank tests say of it, as a description."""
    return [_power(one) for one in answer.metrics if one.sd is not None]


def _power(one: Judged) -> str:
    unit = f" {one.info.unit}" if one.info.unit else ""
    persons = f" ({one.persons} persons)" if one.persons < one.n else ""
    parts = [f"sd of the differences {one.sd:.3g}{unit}, n = {one.n}{persons}"]
    if one.detectable:  # 0 where every difference is the same: nothing is left to chance
        parts.append(f"a loss of {one.detectable:.3g}{unit} is seen in 80 % of cases")
    if one.needed is not None and one.margin:
        parts.append(f"the margin of {one.margin:g}{unit} needs n = {one.needed}")
    if one.test is not None and one.test.pairs > one.test.zeros:
        p = one.test.p if one.wilcoxon_holm is None else one.wilcoxon_holm
        corrected = "" if one.wilcoxon_holm is None else " (Holm)"
        parts.append(f"Wilcoxon p = {p:.2g}{corrected}, effect {one.test.effect:+.2f}: a description, no verdict")
    return f"{one.info.title}: {'; '.join(parts)}"


def costs(answer: Answer) -> str:
    """`ms/image 12 before, 13 now (these only inform)`; empty without."""
    said = "; ".join(f"{title} {old} before, {new} now" for title, old, new in answer.costs)
    return f"{said} (these only inform)" if said else ""


def worst(answer: Answer, count: int = WORST) -> list[tuple[str, str]]:
    """(id, what it lost in words) of the images that lost most, those that failed first."""
    return [(image_id, change(answer, image_id)) for image_id in answer.ranked()[:count] if _lost(answer, image_id)]


def best(answer: Answer, count: int = WORST) -> list[tuple[str, str]]:
    """(id, what it gained in words) of the images that gained most."""
    lead = answer.lead
    if lead is None:
        return []
    ids = [image_id for image_id in reversed(answer.ranked()) if lead.losses.get(image_id, 0) < 0]
    return [(image_id, change(answer, image_id)) for image_id in ids[:count]]


def _lost(answer: Answer, image_id: str) -> bool:
    lead = answer.lead
    return lead is None or lead.losses.get(image_id, 1) > 0


def change(answer: Answer, image_id: str) -> str:
    """`PSNR 24.31 -> 23.02 dB`, or why there is no picture."""
    error = answer.candidate.images[image_id].error
    if error is not None:
        return f"failed: {error}"
    lead = answer.lead
    if lead is None:
        return ""
    old = answer.baseline.images[image_id].metrics[lead.name]
    new = answer.candidate.images[image_id].metrics[lead.name]
    return f"{lead.info.title} {lead.info.format(old)} -> {lead.info.format(new)} {lead.info.unit}".strip()


def closing(answers: Sequence[Answer | Unanswered], whole: Verdict, status: int) -> str:
    """The last line: how many of each verdict, and the exit status where it follows from them."""
    counts: dict[str, int] = {}
    for answer in answers:
        counts[answer.verdict.value] = counts.get(answer.verdict.value, 0) + 1
    said = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing was compared"
    # `compare` shows and gates nothing: it ends with 0 whatever it shows.
    ends = "" if status == 0 and whole is Verdict.REGRESSED else f" (exit status {status})"
    return f"{whole.value.upper()}: {said}{ends}"
