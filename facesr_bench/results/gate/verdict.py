"""What is said of a metric and of a whole comparison, and the exit status that it calls for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

OK, REGRESSION, NOTHING, UNSURE = 0, 1, 3, 4
"""Exit statuses; 2 is wrong usage, as everywhere on the command line."""


class Verdict(str, Enum):
    """What the values of two sides say of one metric, or all metrics of a comparison."""

    IDENTICAL = "identical"
    """Every picture and every value is equal."""
    BETTER = "better"
    """It gained for certain."""
    EQUIVALENT = "equivalent"
    """For certain neither lost nor gained more than the margin."""
    NO_WORSE = "no worse"
    """For certain lost no more than the margin."""
    INCONCLUSIVE = "inconclusive"
    """It may have lost more than the margin, or not: too few images to say."""
    REGRESSED = "regressed"
    """It lost more than the margin for certain, or an image broke."""
    RISEN = "suspicious rise"
    """It gained more than the margin for certain, where that is to be flagged."""
    DIFFERS = "differs"
    """It is not equal where equality was asked for."""
    REFUSED = "not comparable"
    """The two sides are about different tasks, or nothing can be gated."""

    @property
    def status(self) -> int:
        """The exit status that it calls for."""
        if self in (Verdict.REGRESSED, Verdict.RISEN, Verdict.DIFFERS):
            return REGRESSION
        return {Verdict.REFUSED: NOTHING, Verdict.INCONCLUSIVE: UNSURE}.get(self, OK)


_MILD_FIRST = (
    Verdict.IDENTICAL,
    Verdict.BETTER,
    Verdict.EQUIVALENT,
    Verdict.NO_WORSE,
    Verdict.INCONCLUSIVE,
    Verdict.REFUSED,
    Verdict.DIFFERS,
    Verdict.RISEN,
    Verdict.REGRESSED,
)


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that decides of several: a regression before what can't be compared before what is not sure.

    Of none, that nothing can be compared: an empty gate is never green.
    """
    return max(verdicts, key=_MILD_FIRST.index, default=Verdict.REFUSED)


def exit_status(verdicts: Iterable[Verdict], *, unsure_is_ok: bool = False) -> int:
    """The exit status of several comparisons: 1 before 3 before 4 before 0.

    Args:
        unsure_is_ok: what is inconclusive counts as no worse.
    """
    status = gravest(verdicts).status
    return OK if status == UNSURE and unsure_is_ok else status
