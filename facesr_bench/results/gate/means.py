"""The mean loss of paired values: how large, how sure, and how small a loss could have been seen.

- **Interval**: BCa bootstrap over persons where the dataset says who is on a picture, else over images, as everywhere
  (`facesr_bench.results.statistics`). Below `FEW` of them every bootstrap interval is too narrow, so there it is
  widened to Student's t where that is wider.
- **p**: the interval's own: the level at which its end would touch the value asked for, so that it can be corrected for
  several metrics and never says other than the interval.
- **Detectable effect**: (z.95 + z.80) times the standard error of the mean: a loss that a one-sided test at 5 % finds
  in 80 % of cases.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facesr_bench.results.statistics import (
    FEW,
    RESAMPLES,
    SEED,
    Floats,
    bca_quantiles,
    bias_and_acceleration,
    by_cluster,
    per_cluster,
    resampled_means,
)

LEVEL = 0.95
"""Confidence of each end of an interval, one-sided."""
SEEN = 2.487
"""z.95 + z.80: standard errors that a one-sided test at 5 % finds in 80 % of cases."""


@dataclass(frozen=True, eq=False)
class PairedMean:
    """The losses of one metric, one per image: positive where the candidate is worse, in the metric's unit.

    Attributes:
        losses: n, finite, in the order of the images' ids.
        people: n: who is on each image; an image of nobody known is a person of its own.
    """

    losses: Floats
    people: tuple[Hashable, ...]

    @classmethod
    def of(cls, losses: Sequence[float], people: Sequence[str | None]) -> PairedMean:
        """Args: people: who is on each image, None where that is not known."""
        names = tuple(place if who is None else who for place, who in enumerate(people))
        return cls(np.asarray(losses, np.float64), names)

    @property
    def n(self) -> int:
        """Images."""
        return len(self.losses)

    @cached_property
    def persons(self) -> int:
        """Persons, or images where nobody is known."""
        return len(set(self.people))

    @cached_property
    def mean(self) -> float:
        """Of the differences, in the metric's unit."""
        return math.fsum(self.losses) / self.n

    @cached_property
    def all_equal(self) -> bool:
        """Whether no pair differs."""
        return bool((self.losses == self.losses[0]).all())

    @cached_property
    def sd(self) -> float:
        """Standard deviation of the losses, over n - 1; NaN of one image."""
        return float(self.losses.std(ddof=1)) if self.n > 1 else math.nan

    @cached_property
    def by_person(self) -> Floats:
        """The mean loss of each person, in the order first seen."""
        return per_cluster(self.losses, self.people)

    @cached_property
    def _sums(self) -> tuple[Floats, Floats]:
        """Sums of losses (m x 1) and counts (m) by person."""
        return by_cluster(self.losses[:, None], self.people)

    @cached_property
    def _influence(self) -> Floats:
        """m: how much each person pulls the mean: the sum of their losses less their share of it."""
        sums, counts = self._sums
        return np.asarray(sums[:, 0] - counts * self.mean, np.float64)

    @cached_property
    def standard_error(self) -> float:
        """Of the mean, from the sums per person; NaN of one person."""
        if self.persons < 2:
            return math.nan
        if self.all_equal:
            return 0.0
        spread = float((self._influence**2).sum()) * self.persons / (self.persons - 1)
        return math.sqrt(spread) / self.n

    @property
    def detectable(self) -> float:
        """The smallest loss that so many images show in 80 % of cases; NaN of one person."""
        return SEEN * self.standard_error

    def needed(self, margin: float) -> int | None:
        """Images with which a loss of nothing is called no worse in 80 % of cases; None if no number is enough."""
        if margin <= 0 or not math.isfinite(self.standard_error):
            return None
        return max(2, math.ceil(self.n * (self.detectable / margin) ** 2))

    @cached_property
    def _means(self) -> Floats:
        """Of resamples of the persons."""
        return resampled_means(*self._sums, RESAMPLES, SEED)[:, 0]

    @property
    def _without_spread(self) -> bool:
        """Whether every resample has the same mean."""
        return self.all_equal or not self._influence.any()

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, each sure to `LEVEL` one-sided; None of one person."""
        if self.persons < 2:
            return None
        if self._without_spread:
            return self.mean, self.mean
        tails = np.array([1 - LEVEL, LEVEL])
        quantiles = bca_quantiles(self.mean, self._influence, self._means, tails)
        low, high = np.quantile(self._means, quantiles).tolist()
        if self.persons < FEW:
            t_low, t_high = self.t_interval
            low, high = min(low, t_low), max(high, t_high)
        return low, high

    @property
    def t_interval(self) -> tuple[float, float]:
        """As `interval`, by Student's t."""
        from scipy.stats import t

        reach = float(t.ppf(LEVEL, self.persons - 1)) * self.standard_error
        return self.mean - reach, self.mean + reach

    def p_above(self, limit: float) -> float:
        """How well the losses fit a true mean of `limit` or less: small where it is larger for certain."""
        return self._p(limit, 1)

    def p_below(self, limit: float) -> float:
        """How well they fit a true mean of `limit` or more."""
        return self._p(limit, -1)

    def _p(self, limit: float, sign: int) -> float:
        from scipy.special import ndtr, ndtri
        from scipy.stats import t

        if self.persons < 2:
            return 1.0
        if self._without_spread:
            return 0.0 if sign * (self.mean - limit) > 0 else 1.0
        means = self._means
        bias, acceleration = bias_and_acceleration(self.mean, self._influence, means)
        # No p is smaller than what so many resamples can tell.
        least = 0.5 / len(means)
        share = ((means < limit).sum() + (means <= limit).sum()) / (2 * len(means))
        w = float(ndtri(min(max(share, least), 1 - least)))
        z = w if math.isinf(bias) else (w - bias) / (1 + acceleration * (w - bias)) - bias
        p = float(ndtr(sign * z))
        if self.persons < FEW:
            p = max(p, float(t.sf(sign * (self.mean - limit) / self.standard_error, self.persons - 1)))
        return p
