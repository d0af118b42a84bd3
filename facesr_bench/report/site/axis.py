"""From numbers to places in the drawings that pages hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """One side of a drawing.

    Attributes:
        low, high: the values at its ends; equal where all values are: they then lie in the middle.
        margin: free at each end, percent of the side.
        falling: `high` is at its beginning.
    """

    low: float
    high: float
    margin: float = 0.0
    falling: bool = False

    @classmethod
    def over(cls, values: Iterable[float], *, margin: float, falling: bool = False) -> Axis:
        """From the least of some values to the greatest."""
        found = list(values)
        return cls(min(found), max(found), margin, falling)

    def place(self, value: float) -> float:
        """Percent of the side, to two digits; values beyond an end lie at it."""
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low))) if self.high > self.low else 0.5
        return round(self.margin + (1 - share if self.falling else share) * (100 - 2 * self.margin), 2)
