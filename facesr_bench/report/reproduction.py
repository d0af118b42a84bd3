"""Does a measured row reproduce a published one? For rows that need no network: the input, an interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facesr_bench.report.published import Anchor, AnchorFile, Source
from facesr_bench.results.summary import ResultSummary

LAST_DIGITS = 2
"""By how many units of its last printed digit a number may be off and still be the same: rounding on both sides."""


@dataclass(frozen=True)
class Number:
    """One published number beside a measured one.

    Attributes:
        measured: None where it could not be computed; then `reason` says why.
        plain: it compares pixels, without a network: where it differs, the pictures do.
    """

    metric: str
    published: float
    measured: float | None
    plain: bool
    reason: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether the two are equal as far as the published one is printed."""
        if self.measured is None:
            return False
        digits = len(repr(self.published).partition(".")[2])
        return bool(abs(self.measured - self.published) <= LAST_DIGITS / 10**digits + 1e-12)


@dataclass(frozen=True)
class Reproduction:
    """A published row beside a measured one."""

    anchor: Anchor
    source: Source
    numbers: tuple[Number, ...]

    @property
    def verdict(self) -> str:
        """One sentence; empty if everything that both have is reproduced."""
        measured = [number for number in self.numbers if number.measured is not None]
        wrong = [number for number in measured if not number.reproduced]
        if not measured:
            return "none of its numbers could be computed here"
        if not wrong:
            return ""
        if any(number.plain for number in wrong) or not any(number.plain for number in measured):
            return (
                "these are not the pictures it was measured on: another LQ archive of that name, or pictures that were "
                "resized or saved as JPEG on the way"
            )
        plain, others = (
            ", ".join(number.metric for number in numbers)
            for numbers in ([number for number in measured if number.plain], wrong)
        )
        return f"the pictures are right, since {plain} agree, but {others}: computed otherwise there, or other weights"


def compare(anchors: AnchorFile, row: ResultSummary) -> list[Reproduction]:
    """The published rows of a row's method under its protocol and profile, beside what was measured."""
    asked = row.protocol, row.profile
    return [
        Reproduction(
            anchor,
            anchors.sources[anchor.source],
            tuple(_number(name, value, row) for name, value in anchor.values.items()),
        )
        for anchor in anchors.anchors
        if (anchor.protocol, anchor.profile) == asked and row.method in {anchor.method.casefold(), anchor.same_as}
    ]


def _number(name: str, published: float, row: ResultSummary) -> Number:
    column = _column(name, list(row.metrics))
    if column is None:
        return Number(name, published, None, False, "not among the metrics of this run")
    record = row.result.manifest.metrics.get(column)
    reason = "; ".join(row.reasons.get(column, ()))
    return Number(column, published, row.means.get(column), record is not None and record.family == "fidelity", reason)


def _column(name: str, columns: Sequence[str]) -> str | None:
    """The column of that name, or the one whose metric it is where there is just one."""
    same = [column for column in columns if _base(column) == name]
    return name if name in columns else same[0] if len(same) == 1 else None


def _base(column: str) -> str:
    return column.partition("[")[0].partition("@")[0]
