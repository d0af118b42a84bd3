"""The mean loss of paired values: how large, how sure, and how small a loss could have been seen.

- **Interval**: bias-corrected and accelerated bootstrap (BCa; Efron, "Better Bootstrap Confidence Intervals", JASA 82,
  1987), resampling persons where the dataset says who is on a picture, else images: pictures of one person are not
  independent. Below `FEW` persons every bootstrap interval is too narrow, so there the t interval is taken where it is
  the wider one.
- **p**: the interval's own: the level at which its end would touch the value asked for, so that it can be corrected for
  several metrics and never says other than the interval.
- **Detectable effect**: (z.95 + z.80) times the standard error of the mean: a loss that a one-sided test at 5 % finds in
  80 % of cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facesr_bench.results.statistics import FEW, RESAMPLES, SEED

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Confidence of each end of an interval, one-sided."""
SEEN = 2.487
"""z.95 + z.80: standard errors that a one-sided test at 5 % finds in 80 % of cases."""
_BLOCK = 1 << 20
"""Indexes drawn at once: what bounds the memory, whatever the number of images."""


@dataclass(frozen=True, eq=False)
class PairedMean:
    """The losses of one metric, one per image: positive where the candidate is worse, in the metric's unit.

    Attributes:
        losses: n, finite, in the order of the images' ids.
        groups: n: a number for each person; images of unknown persons have one of their own.
    """

    losses: Floats
    groups: NDArray[np.intp]

    @classmethod
    def of(cls, losses: Sequence[float], persons: Sequence[str | None]) -> PairedMean:
        """Args: persons: who is on each image, None where that is not known."""
        numbers: dict[object, int] = {}
        groups = [numbers.setdefault(place if who is None else who, len(numbers)) for place, who in enumerate(persons)]
        return cls(np.asarray(losses, np.float64), np.asarray(groups, np.intp))

    @property
    def n(self) -> int:
        """Images."""
        return len(self.losses)

    @cached_property
    def mean(self) -> float:
        return math.fsum(self.losses) / self.n

    @cached_property
    def clusters(self) -> int:
        """Persons, or images where nobody is known."""
        return int(self.groups.max()) + 1 if self.n else 0

    @cached_property
    def all_equal(self) -> bool:
        return bool((self.losses == self.losses[0]).all())

    @cached_property
    def sd(self) -> float:
        """Standard deviation of the losses, over n - 1; NaN of one image."""
        return float(self.losses.std(ddof=1)) if self.n > 1 else math.nan

    @cached_property
    def _influence(self) -> Floats:
        """C: how much each person pulls the mean: the sum of their losses less their share of it."""
        sums = np.bincount(self.groups, self.losses)
        return np.asarray(sums - self.mean * np.bincount(self.groups), np.float64)

    @cached_property
    def standard_error(self) -> float:
        """Of the mean, from the sums per person; NaN of one person."""
        if self.clusters < 2:
            return math.nan
        if self.all_equal:
            return 0.0
        spread = float((self._influence**2).sum()) * self.clusters / (self.clusters - 1)
        return math.sqrt(spread) / self.n

    @property
    def detectable(self) -> float:
        """The smallest loss that so many images show in 80 % of cases; NaN of one person."""
        return SEEN * self.standard_error

    def needed(self, margin: float) -> int | None:
        """Images that a margin needs for a loss of nothing to be called no worse in 80 % of cases; None if no number does."""
        if margin <= 0 or not math.isfinite(self.standard_error):
            return None
        return max(2, math.ceil(self.n * (self.detectable / margin) ** 2))

    @cached_property
    def _means(self) -> Floats:
        """Sorted means of `RESAMPLES` samples of as many persons, drawn with replacement."""
        count = self.clusters
        sums = np.stack([np.bincount(self.groups, self.losses), np.bincount(self.groups).astype(np.float64)], axis=1)
        random = np.random.default_rng(SEED)
        found = np.empty(RESAMPLES)
        step = max(1, _BLOCK // count)
        for start in range(0, RESAMPLES, step):
            size = min(step, RESAMPLES - start)
            drawn = random.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
            times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
            totals = times.astype(np.float64) @ sums
            found[start : start + size] = totals[:, 0] / totals[:, 1]
        return np.sort(found)

    @cached_property
    def _bias_and_acceleration(self) -> tuple[float, float]:
        from scipy.special import ndtri

        means = self._means
        below = (np.searchsorted(means, self.mean, "left") + np.searchsorted(means, self.mean, "right")) / (
            2 * len(means)
        )
        bias = float(ndtri(min(max(below, 0.5 / len(means)), 1 - 0.5 / len(means))))
        pull = self._influence
        return bias, float((pull**3).sum() / (6 * (pull**2).sum() ** 1.5))

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, each sure to `LEVEL` one-sided; None of one person."""
        if self.clusters < 2:
            return None
        if self.all_equal:
            return self.mean, self.mean
        from scipy.special import ndtr, ndtri

        bias, acceleration = self._bias_and_acceleration
        z = bias + ndtri(np.array([1 - LEVEL, LEVEL]))
        low, high = np.quantile(self._means, ndtr(bias + z / (1 - acceleration * z))).tolist()
        if self.clusters < FEW:
            t_low, t_high = self.t_interval
            low, high = min(low, t_low), max(high, t_high)
        return low, high

    @property
    def t_interval(self) -> tuple[float, float]:
        """As `interval`, by Student's t."""
        from scipy.stats import t

        reach = float(t.ppf(LEVEL, self.clusters - 1)) * self.standard_error
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

        if self.clusters < 2:
            return 1.0
        if self.all_equal:
            return 0.0 if sign * (self.mean - limit) > 0 else 1.0
        means, size = self._means, len(self._means)
        share = (np.searchsorted(means, limit, "left") + np.searchsorted(means, limit, "right")) / (2 * size)
        # No p is smaller than what so many resamples can tell.
        w = float(ndtri(min(max(share, 0.5 / size), 1 - 0.5 / size)))
        bias, acceleration = self._bias_and_acceleration
        z = (w - bias) / (1 + acceleration * (w - bias)) - bias
        p = float(ndtr(sign * z))
        if self.clusters < FEW:
            p = max(p, float(t.sf(sign * (self.mean - limit) / self.standard_error, self.clusters - 1)))
        return p
