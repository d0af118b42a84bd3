"""Bootstrap intervals of means, and paired tests between methods, over the images.

Everything is paired by image: the methods of a group saw the same images, and how hard an image is moves all of them
alike. What is said here holds for images drawn as those of the set were, and for the one checkpoint that was run; how
much another training run would differ is not in it.

- **Interval**: 95 %, bias-corrected and accelerated bootstrap (BCa; Efron, "Better Bootstrap Confidence Intervals",
  JASA 82, 1987) of the mean. Per-image values are often skewed (LPIPS and NME to the right, SSIM to the left), and
  there BCa is second-order accurate where the plain percentile interval is not. For a mean its acceleration has a
  closed form, so it costs nothing more. With few images any bootstrap interval is too narrow (see `FEW`).
- **Test**: Wilcoxon signed-rank, two-sided, of each method against the best one (Biometrics Bulletin 1, 1945).
  It needs no normal distribution and takes infinite values. Images where both methods are equal are left out, as
  Wilcoxon did, and counted. Up to `EXACT` others the p is exact, ties or not; above it is the normal approximation.
- **Effect size**: matched-pairs rank-biserial correlation (Kerby, Comprehensive Psychology 3, 2014): the share of the
  rank sum in favour less the share against; the effect that belongs to this test, in [-1, 1].
- **Correction**: Holm (Scandinavian Journal of Statistics 6, 1979) over the methods compared with the best in one
  metric. That the best one was found on the same images is not corrected for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facesr_bench.base.errors import ResultsError
from facesr_bench.results.leaderboard import Group, RankedResult
from facesr_bench.results.summary import per_image_values

LEVEL = 0.95
"""Confidence level of every interval."""
ALPHA = 0.05
"""A corrected p below it is called significant."""
RESAMPLES = 10_000
SEED = 20_201_216
"""Seeds the resampling. Sets of equal size get the same image indexes, so intervals are paired and repeatable."""
FEW = 20
"""Below so many images the intervals are too narrow: of normal values, those called 95 % hold the true mean in 87 % of
cases with 7 images, in 93 % with 20 and in 95 % with 200 (measured on 20,000 samples each)."""

EXACT = 50
"""Up to so many images that differ, p comes from all 2^n ways to turn their signs."""

_BLOCK = 1 << 20
"""Image indexes drawn at once: what bounds the memory, whatever the number of images."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedTest:
    """Wilcoxon's signed-rank test of paired differences.

    Attributes:
        p: two-sided.
        effect: matched-pairs rank-biserial correlation in [-1, 1]; positive where the differences mostly are.
        pairs: images compared.
        zeros: pairs without a difference.
    """

    p: float
    effect: float
    pairs: int
    zeros: int


@dataclass(frozen=True)
class Comparison:
    """One cell of a leaderboard: how sure its mean is, and how it stands against the best of the group.

    Attributes:
        label, metric: which cell.
        mean: as in the row; may be infinite.
        n: values that the mean is made of; 0 for a number that is made of the whole set.
        interval: 95 % interval of the mean, or None.
        no_interval: why there is none; empty where there is one.
        best: label of the row it is compared with; None where nothing was compared, and then the rest is None too.
        difference: mean of this row less the best's, over the images both have, in the metric's unit; may be infinite;
            none where each is perfect on an image that the other is not.
        difference_interval: its 95 % interval; None where a value is infinite.
        pairs: images compared; zeros: those without a difference.
        p: two-sided, as computed; p_holm: corrected over the methods compared with the best in this metric.
        effect: rank-biserial correlation; -1: the best one is better on every image, +1: this one is.
        significant: p_holm < `ALPHA`, and the ranks point the way that the means do.
        note: what else must be known: too few images for any test, means and ranks that disagree.
    """

    label: str
    metric: str
    mean: float
    n: int
    interval: tuple[float, float] | None = None
    no_interval: str = ""
    best: str | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    pairs: int = 0
    zeros: int = 0
    p: float | None = None
    p_holm: float | None = None
    effect: float | None = None
    significant: bool | None = None
    note: str = ""


Comparisons = Mapping[tuple[str, str], Comparison]
"""Cells by (row label, metric name)."""


def mean_intervals(
    values: ArrayLike, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = SEED, method: str = "bca"
) -> Floats:
    """Bootstrap intervals of the means of columns that share their rows (images).

    Args:
        values: n x k, finite; one row per image, one column per method and metric. Every resample takes the same rows
            of all columns.
        level: in (0, 1).
        method: `bca` or `percentile`.

    Returns:
        k x 2: lower and upper end. A column of equal values has both ends there.

    Raises:
        ResultsError: fewer than two rows, a value that is not finite, an unknown method or a level out of range.
    """
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or len(table) < 2 or not np.isfinite(table).all():
        raise ResultsError("a bootstrap interval needs at least two images, and finite values")
    if method not in {"bca", "percentile"} or not 0 < level < 1:
        raise ResultsError(f"no bootstrap interval of method {method!r} and level {level}")
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    means = _resampled_means(table, resamples, seed)
    intervals = np.empty((table.shape[1], 2))
    for column in range(table.shape[1]):
        given = table[:, column]
        if (given == given[0]).all():
            intervals[column] = given[0]
            continue
        quantiles = tails if method == "percentile" else _bca_quantiles(given, means[:, column], tails)
        intervals[column] = np.quantile(means[:, column], quantiles)
    return intervals


def _resampled_means(table: Floats, resamples: int, seed: int) -> Floats:
    """The means of `resamples` samples of n rows with replacement: resamples x k."""
    n = len(table)
    random = np.random.default_rng(seed)
    means = np.empty((resamples, table.shape[1]))
    step = max(1, _BLOCK // n)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = random.integers(0, n, (count, n))
        drawn += np.arange(count)[:, None] * n
        # How often each image was drawn; one matrix product then serves every column.
        times = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n)
        means[start : start + count] = times.astype(np.float64) @ table / n
    return means


def _bca_quantiles(given: Floats, means: Floats, tails: Floats) -> Floats:
    """Which quantiles of the resampled means are the ends of the BCa interval (Efron 1987, equation 2.3)."""
    from scipy.special import ndtr, ndtri

    centre = given.mean()
    # Bias correction: ties with the mean count half, as they do in scipy.
    below = ((means < centre).sum() + (means <= centre).sum()) / (2 * len(means))
    if not 0 < below < 1:
        return tails
    z0 = ndtri(below)
    # Acceleration: the jackknife's, which for a mean is the skewness over 6 sqrt(n).
    off = given - centre
    acceleration = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
    z = z0 + ndtri(tails)
    quantiles: Floats = ndtr(z0 + z / (1 - acceleration * z))
    return quantiles


def paired_test(differences: ArrayLike) -> PairedTest:
    """Wilcoxon's signed-rank test, two-sided, of the differences of two methods on the same images.

    Args:
        differences: one per image; infinite where one method is perfect and the other not (these take the highest
            ranks), 0 where both are.

    Raises:
        ResultsError: no differences, or a NaN.
    """
    from scipy.stats import rankdata, wilcoxon

    given = np.asarray(differences, np.float64)
    if given.ndim != 1 or not len(given) or np.isnan(given).any():
        raise ResultsError("a paired test needs one difference for each image, and no NaN")
    differing = given[given != 0]
    zeros = len(given) - len(differing)
    if not len(differing):
        return PairedTest(p=1.0, effect=0.0, pairs=len(given), zeros=zeros)
    ranks = rankdata(np.abs(differing))
    favour, against = ranks[differing > 0].sum(), ranks[differing < 0].sum()
    if len(differing) <= EXACT:
        p = _exact_p(ranks, min(favour, against))
    else:
        # Only their order counts: ranks in place of the differences keep infinity out of scipy's arithmetic.
        p = float(wilcoxon(np.sign(differing) * ranks, alternative="two-sided").pvalue)
    return PairedTest(p, float((favour - against) / (favour + against)), len(given), zeros)


def _exact_p(ranks: Floats, statistic: float) -> float:
    """How often a sum of ranks with random signs is as far out as `statistic`, the smaller of the two sums."""
    doubled = np.rint(2 * ranks).astype(int)  # ranks of ties end in .5
    ways = np.zeros(doubled.sum() + 1)  # ways[s]: sign patterns whose positive ranks add up to s
    ways[0] = 1
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    tail = ways[: round(2 * statistic) + 1].sum()  # at most 2^50: exact in float64
    return float(min(1.0, 2 * tail / 2.0 ** len(ranks)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: each p, so raised that comparing all with one level keeps the family's error rate.

    Raises:
        ResultsError: a p outside [0, 1].
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ResultsError("a p value lies in [0, 1]")
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return corrected


def compare(group: Group) -> dict[tuple[str, str], Comparison]:
    """Intervals of all means of a group, and every ranked row against the best of each metric.

    Rows that are not ranked (`RankedResult.comparable`) have intervals but are compared with nothing, and so is a
    metric without a direction or with one method only. Two methods are compared on the images that both have a value
    for. The cells of a metric of a whole set have neither interval nor test: it has no value per image.

    Raises:
        ResultsError: the images of a result can't be read.
    """
    values = {row.label: per_image_values(row) for row in group.rows}
    cells = {(row.label, name): _cell(row, name, values[row.label]) for row in group.rows for name in row.means}
    means = {key: dict(values[key[0]][key[1]]) for key, cell in cells.items() if not cell.no_interval}
    differences: dict[_Key, dict[str, float]] = {}
    for metric in group.metrics:
        reference = next((row for row in group.rows if metric.name in row.best), None)
        best = values[reference.label].get(metric.name, {}) if reference else {}
        for row in group.rows:
            own = values[row.label].get(metric.name, {})
            if (
                reference
                and row is not reference
                and _is_rival(row, reference, metric.name)
                and own.keys() & best.keys()
            ):
                # Two perfect images are equal, though inf - inf is not a number.
                off = {i: 0.0 if own[i] == best[i] else own[i] - best[i] for i in own if i in best}
                differences[row.label, metric.name] = off
        rivals = [key for key in differences if key[1] == metric.name]
        if reference and rivals:
            sign = 1.0 if metric.higher_is_better else -1.0
            _add_tests(cells, {key: differences[key] for key in rivals}, sign, reference.label)
    # All in one go: drawing the resamples is what takes the time.
    finite = {key: off for key, off in differences.items() if len(off) > 1 and all(map(math.isfinite, off.values()))}
    found = _intervals([*means.values(), *finite.values()])
    for key, interval in zip(means, found, strict=False):
        cells[key] = replace(cells[key], interval=interval)
    for key, interval in zip(finite, found[len(means) :], strict=True):
        cells[key] = replace(cells[key], difference_interval=interval)
    return cells


_Key = tuple[str, str]
"""Row label, metric name."""


def _is_rival(row: RankedResult, reference: RankedResult, name: str) -> bool:
    return row.comparable and name in row.means and row.metrics[name].version == reference.metrics[name].version


def _cell(row: RankedResult, name: str, values: Mapping[str, Mapping[str, float]]) -> Comparison:
    given = values.get(name, {})
    why = ""
    infinite = sum(math.isinf(value) for value in given.values())
    if not given:
        why = "one number for the whole set: there are no values per image to resample"
    elif infinite:
        why = f"infinite on {infinite} of {len(given)} images"
    elif len(given) < 2:
        why = "one image only"
    return Comparison(row.label, name, row.means[name], len(given), no_interval=why)


def _intervals(columns: Sequence[Mapping[str, float]]) -> list[tuple[float, float]]:
    """The interval of each column's mean; columns over the same images are resampled together."""
    together: dict[tuple[str, ...], list[int]] = {}
    for number, column in enumerate(columns):
        together.setdefault(tuple(sorted(column)), []).append(number)
    found: list[tuple[float, float]] = [(math.nan, math.nan)] * len(columns)
    for ids, numbers in together.items():
        table = np.array([[columns[number][i] for number in numbers] for i in ids])
        for number, (low, high) in zip(numbers, mean_intervals(table).tolist(), strict=True):
            found[number] = (low, high)
    return found


def _add_tests(
    cells: dict[_Key, Comparison], differences: Mapping[_Key, Mapping[str, float]], sign: float, best: str
) -> None:
    """Test every method of one metric against the best; `sign` is 1 where higher is better."""
    offs = [np.array(list(off.values())) for off in differences.values()]
    tests = [paired_test(sign * off) for off in offs]
    corrected = holm([test.p for test in tests])
    for key, off, test, p_holm in zip(differences, offs, tests, corrected, strict=True):
        difference = _mean_difference(off)
        agrees = not difference or test.effect == 0 or (sign * difference > 0) == (test.effect > 0)
        cells[key] = replace(
            cells[key],
            best=best,
            difference=difference,
            pairs=test.pairs,
            zeros=test.zeros,
            p=test.p,
            p_holm=p_holm,
            effect=test.effect,
            significant=p_holm < ALPHA and agrees,
            note=_note(test, agrees, len(tests)),
        )


def _mean_difference(off: Floats) -> float | None:
    """None where each method is perfect on an image that the other is not."""
    signs = set(np.sign(off[np.isinf(off)]).tolist())
    if len(signs) > 1:
        return None
    return math.copysign(math.inf, signs.pop()) if signs else math.fsum(off) / len(off)


def _note(test: PairedTest, agrees: bool, family: int) -> str:
    differing = test.pairs - test.zeros
    if not differing:
        return f"equal on all {test.pairs} images"
    if family * 2.0 ** (1 - differing) >= ALPHA:
        return f"with {differing} images that differ, no paired test can reach p < {ALPHA:g} here"
    if not agrees:
        return "the mean says one thing, most images the other; not called significant"
    return ""
