"""KID: against the sums written out, the codebases' own, and its standard error against repeated draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.functional import kernel
from facesr_bench.functional.kernel import kid

Float = NDArray[np.float64]


def draw(n: int, d: int, seed: int, shift: float = 0.0) -> Float:
    features: Float = np.random.default_rng(seed).standard_normal((n, d)) + shift
    return features


def by_loops(x: Float, y: Float) -> float:
    def k(a: Float, b: Float) -> float:
        return float((sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3)

    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_by_hand() -> None:
    # one feature: k(x, y) = (x y + 1)^3; x = 0, 1, 2: k(0, .) = 1, k(1, 2) = 27; y = 0, 0, 0: every k is 1
    x, y = np.array([[0.0], [1.0], [2.0]]), np.zeros((3, 1))
    assert kid(x, y).value == pytest.approx((1 + 1 + 27) / 3 + 1 - 2, rel=1e-14)


@pytest.mark.parametrize(("n", "m", "d"), [(3, 3, 1), (7, 4, 5), (5, 11, 16)])
def test_equals_the_sums_written_out(n: int, m: int, d: int) -> None:
    x, y = draw(n, d, 1), draw(m, d, 2, shift=0.5)
    assert kid(x, y).value == pytest.approx(by_loops(x, y), rel=1e-12)
    assert kid(y, x).value == pytest.approx(by_loops(x, y), rel=1e-12)


def test_the_standard_error_is_the_jackknife() -> None:
    x, y = draw(9, 4, 1), draw(6, 4, 2, shift=0.5)
    without_x = np.array([by_loops(np.delete(x, i, axis=0), y) for i in range(9)])
    without_y = np.array([by_loops(x, np.delete(y, i, axis=0)) for i in range(6)])
    squared = 8 / 9 * ((without_x - without_x.mean()) ** 2).sum() + 5 / 6 * ((without_y - without_y.mean()) ** 2).sum()
    assert kid(x, y).standard_error == pytest.approx(np.sqrt(squared), rel=1e-10)


def test_the_standard_error_is_what_another_draw_changes() -> None:
    found = [kid(draw(60, 8, seed), draw(50, 8, 1000 + seed, shift=0.4)) for seed in range(200)]
    spread = np.std([one.value for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.2)


def test_unbiased() -> None:
    found = [kid(draw(12, 8, seed), draw(9, 8, 1000 + seed)).value for seed in range(400)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    assert min(found) < 0 < max(found)


def test_neither_order_nor_blocks_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw(23, 6, 1), draw(17, 6, 2, shift=0.5)
    expected = kid(x, y)
    monkeypatch.setattr(kernel, "BLOCK", 5)
    found = kid(x[::-1], np.roll(y, 4, axis=0))
    assert found.value == pytest.approx(expected.value, rel=1e-10)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-10)


def test_all_images_as_one_subset_equal_torch_fidelitys() -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = draw(25, 6, 1), draw(25, 6, 2, shift=0.3)
    expected = theirs.kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=2, kid_subset_size=25, rng_seed=7, verbose=False
    )
    assert kid(x, y).value == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-10)


def test_of_all_images_equals_clean_fids() -> None:
    theirs = pytest.importorskip("cleanfid.fid")
    x, y = draw(25, 6, 1), draw(25, 6, 2, shift=0.3)
    assert kid(x, y).value == pytest.approx(theirs.kernel_distance(x, y, num_subsets=1), rel=1e-10)


def test_float32_is_computed_on_in_float64() -> None:
    x, y = draw(9, 4, 1).astype(np.float32), draw(8, 4, 2).astype(np.float32)
    assert kid(x, y) == kid(x.astype(np.float64), y.astype(np.float64))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((2, 3)), "at least 3 images, but there are 2"),
        (np.zeros((4, 5)), "only features of one network"),
        (np.full((4, 3), np.nan), "NaN"),
        (np.full((4, 3), 1e200), "overflow"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_features_are_refused(bad: Any, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        kid(bad, np.zeros((4, 3)))
