"""KID: the squared maximum mean discrepancy (MMD) between two sets of Inception features.

Binkowski et al., "Demystifying MMD GANs" (2018): kernel k(x, y) = (x.y / D + 1)^3 and the unbiased estimator of
Gretton et al., "A Kernel Two-Sample Test" (2012),

    sum_{i != j} k(x_i, x_j) / (n (n - 1)) + sum_{i != j} k(y_i, y_j) / (m (m - 1)) - 2 sum_{i, j} k(x_i, y_j) / (n m)

Unbiased means that it is often negative when both sets come from one distribution. Unlike FID's, its expectation
doesn't depend on the number of images, so it suits the small sets of this field.

The authors' code, torch-fidelity and clean-fid average it over random subsets, for want of memory. That average tends
to the estimate from all images, which is computed here, as the subsets grow many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.functional.features import Features, as_float64, check_widths

Float = NDArray[np.float64]

BLOCK = 1024
"""Rows of the kernel matrix held at a time."""


@dataclass(frozen=True)
class Kid:
    """KID from all images.

    Attributes:
        value: the unbiased estimate; may be slightly negative.
        standard_error: by the jackknife: what another draw of as many images would change.
    """

    value: float
    standard_error: float


def polynomial_kernel(x: Float, y: Float) -> Float:
    """NxM: (x.y / D + 1)^3 for each row of x (NxD) and of y (MxD)."""
    base = x @ y.T / x.shape[1] + 1
    kernel: Float = base * base * base  # several times quicker than numpy's power
    return kernel


@np.errstate(over="ignore", invalid="ignore")
def kid(a: Features, b: Features) -> Kid:
    """KID between two sets of features, from all of them; the order of the images makes no difference.

    The standard error is the two-sample delete-one jackknife (Efron and Stein, "The Jackknife Estimate of Variance",
    1981): (n - 1) / n times the sum of squared deviations of the estimates without one image, for each set, added.

    Args:
        a, b: NxD and MxD, any float dtype, N, M >= 3. Computed in float64, in memory of 1024 x max(N, M) numbers.

    Raises:
        MetricError: not finite floats of one D, or too few images.
    """
    x, y = _both(a, b, minimum=3)
    n, m = len(x), len(y)
    within_x, within_y = _row_sums_within(x), _row_sums_within(y)
    across_x, across_y = _row_sums_across(x, y)
    total_x, total_y, across = within_x.sum(), within_y.sum(), across_x.sum()
    mean_x, mean_y, mean_across = total_x / (n * (n - 1)), total_y / (m * (m - 1)), across / (n * m)
    value = mean_x + mean_y - 2 * mean_across
    without_x = (total_x - 2 * within_x) / ((n - 1) * (n - 2)) - 2 * (across - across_x) / ((n - 1) * m)
    without_y = (total_y - 2 * within_y) / ((m - 1) * (m - 2)) - 2 * (across - across_y) / ((m - 1) * n)
    variance = (n - 1) * without_x.var() + (m - 1) * without_y.var()
    if not np.isfinite(value) or not np.isfinite(variance):
        raise MetricError("the features are so large that their kernel overflows float64")
    return Kid(float(value), float(np.sqrt(variance)))


def _both(a: Features, b: Features, minimum: int) -> tuple[Float, Float]:
    x, y = as_float64(a, "the first set", minimum), as_float64(b, "the second set", minimum)
    check_widths(x.shape[1], y.shape[1])
    return x, y


def _row_sums_within(x: Float) -> Float:
    """N: the kernel of each row with every other row, itself left out."""
    sums = np.empty(len(x))
    for start in range(0, len(x), BLOCK):
        block = polynomial_kernel(x[start : start + BLOCK], x)
        own = np.arange(len(block))
        block[own, start + own] = 0
        sums[start : start + BLOCK] = block.sum(axis=1)
    return sums


def _row_sums_across(x: Float, y: Float) -> tuple[Float, Float]:
    """N and M: the kernel of each row of x with all of y, and of each row of y with all of x."""
    of_x, of_y = np.empty(len(x)), np.zeros(len(y))
    for start in range(0, len(x), BLOCK):
        block = polynomial_kernel(x[start : start + BLOCK], y)
        of_x[start : start + BLOCK] = block.sum(axis=1)
        of_y += block.sum(axis=0)
    return of_x, of_y
