"""The mean of more values than should be in memory at once, to the last bit the one of `numpy.mean`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LEAF = 2**16
"""Values that numpy sums by itself."""

ROUNDED_TO = 8
"""numpy cuts its halves at a multiple of this, the number of sums that it adds side by side."""


def mean(count: int, pieces: Iterable[Values]) -> float:
    """The mean of `count` values that come in pieces, each of any shape and read in C order.

    numpy sums a contiguous array by halves (pairwise summation), and its mean is rounded accordingly. The same halves
    are summed here one after the other, so the mean does not depend on the pieces, and is numpy's.
    """
    return float(_sum(count, _Feed(pieces)) / count)


def standard_deviation(count: int, pieces: Iterable[Values], around: float) -> float:
    """The population standard deviation of `count` values of mean `around`, as `numpy.std` has it; see `mean`."""
    return float(np.sqrt(mean(count, (np.square(piece - around) for piece in pieces))))


def _sum(count: int, feed: _Feed) -> np.float64:
    if count <= LEAF:
        return np.float64(np.add.reduce(feed.take(count)))
    half = count // 2
    half -= half % ROUNDED_TO
    return np.float64(_sum(half, feed) + _sum(count - half, feed))


class _Feed:
    """Pieces of any length, handed out in lengths that are asked for."""

    def __init__(self, pieces: Iterable[Values]) -> None:
        self._pieces: Iterator[Values] = iter(pieces)
        self._left: Values = np.empty(0)

    def take(self, count: int) -> Values:
        """The next `count` values, contiguous."""
        found: list[Values] = []
        while count:
            if not self._left.size:
                self._left = np.ascontiguousarray(next(self._pieces)).reshape(-1)
            found.append(self._left[:count])
            self._left = self._left[count:]
            count -= found[-1].size
        return found[0] if len(found) == 1 else np.concatenate(found)
