"""Intervals and tests: against scipy, against examples worked by hand, and at the edges."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facesr_bench.base.errors import ResultsError
from facesr_bench.results import statistics
from facesr_bench.results.comparison import Comparison, compare
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.statistics import holm, mean_intervals, paired_test
from facesr_bench.results.store import Result
from facesr_bench.results.summary import summarise
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, scored, write_result

IDS = [f"face-{i}" for i in range(40)]


def skewed(n: int, columns: int) -> NDArray[np.float64]:
    return np.random.default_rng(3).lognormal(size=(n, columns))


@pytest.mark.parametrize(("ours", "theirs"), [("bca", "BCa"), ("percentile", "percentile")])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_interval_is_scipys(ours: str, theirs: Literal["BCa", "percentile"], level: float) -> None:
    table = skewed(37, 3)
    found = mean_intervals(table, method=ours, level=level, resamples=2000, seed=11)
    for column in range(3):
        # The same generator draws the same images, so nothing but rounding may differ.
        expected = scipy.stats.bootstrap(
            (table[:, column],),
            np.mean,
            n_resamples=2000,
            confidence_level=level,
            method=theirs,
            rng=np.random.default_rng(11),
        ).confidence_interval
        assert found[column] == pytest.approx([expected.low, expected.high], rel=1e-12)


def test_bca_follows_the_skew_where_percentile_does_not() -> None:
    values = skewed(60, 1)
    (bca,), (plain,) = mean_intervals(values), mean_intervals(values, method="percentile")
    assert bca[0] > plain[0] and bca[1] > plain[1]


def test_interval_does_not_depend_on_the_block_or_the_other_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    table = skewed(50, 4)
    whole = mean_intervals(table, resamples=500)
    monkeypatch.setattr(statistics, "_BLOCK", 64)
    assert mean_intervals(table, resamples=500) == pytest.approx(whole, rel=1e-12)
    assert mean_intervals(table[:, 2:3], resamples=500)[0] == pytest.approx(whole[2], rel=1e-12)


def test_methods_are_resampled_together() -> None:
    easy = skewed(30, 1)
    shifted = mean_intervals(np.hstack([easy, easy + 5]))
    assert shifted[1] - shifted[0] == pytest.approx([5, 5]), "the same images are drawn for both"


def test_interval_covers_as_often_as_is_said() -> None:
    # What FEW's docstring says, on a tenth of its samples: 0.02 is more than two standard errors.
    def coverage(n: int) -> float:
        ends = mean_intervals(np.random.default_rng(n).normal(size=(n, 2000)), resamples=2000)
        return float(((ends[:, 0] < 0) & (ends[:, 1] > 0)).mean())

    # All columns share one set of resamples, which does not bias the share.
    assert coverage(7) == pytest.approx(0.874, abs=0.02)
    assert coverage(200) == pytest.approx(0.947, abs=0.014)


def test_memory_stays_flat() -> None:
    values = np.random.default_rng(0).normal(size=(20_000, 1))
    mean_intervals(values[:10], resamples=200)
    tracemalloc.start()
    mean_intervals(values, resamples=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20, "2,000 resamples of 20,000 indexes at once would be 320 MB"


@pytest.mark.parametrize("values", [[[1.0]], [[1.0], [math.inf]], [[1.0], [math.nan]], [1.0, 2.0]])
def test_interval_refuses_what_it_cannot_resample(values: list[object]) -> None:
    with pytest.raises(ResultsError, match="at least two images"):
        mean_intervals(values)  # type: ignore[arg-type]


def test_interval_refuses_unknown_methods() -> None:
    with pytest.raises(ResultsError, match="'studentized'"):
        mean_intervals([[1.0], [2.0]], method="studentized")
    with pytest.raises(ResultsError, match="level 95"):
        mean_intervals([[1.0], [2.0]], level=95)


def test_equal_values_have_a_point_as_interval() -> None:
    assert mean_intervals(np.full((9, 1), 0.1)).tolist() == [[0.1, 0.1]]


@pytest.mark.parametrize("n", [6, 25, 50, 51, 400])
def test_paired_test_is_scipys(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.2, 1, n)
    expected = scipy.stats.wilcoxon(differences)  # exact up to 50, approximate above, as ours
    assert paired_test(differences).p == pytest.approx(expected.pvalue, rel=1e-9)


def test_exact_p_with_ties_is_the_count_of_sign_patterns() -> None:
    differences = np.array([1.0, -1.0, 2.0, 2.0, 2.0, -3.0, 4.0, 4.0, 5.0])
    expected = scipy.stats.wilcoxon(differences, method=scipy.stats.PermutationMethod(n_resamples=2**9 + 1))
    assert paired_test(differences).p == pytest.approx(expected.pvalue, rel=1e-9)


def test_ties_above_the_exact_size_are_corrected_as_in_scipy() -> None:
    differences = np.random.default_rng(0).integers(-3, 5, 120).astype(float)
    found = paired_test(differences)
    assert found.zeros == (differences == 0).sum() > 0
    assert found.p == pytest.approx(scipy.stats.wilcoxon(differences).pvalue, rel=1e-9)


def test_zeros_do_not_sharpen_the_test() -> None:
    five = paired_test([0.1, 0.2, 0.3, 0.4, 0.5])
    padded = paired_test([0.1, 0.2, 0.3, 0.4, 0.5] + [0.0] * 35)
    assert five.p == padded.p == 2 / 2**5
    assert (padded.pairs, padded.zeros) == (40, 35)


def test_effect_by_hand() -> None:
    # Sizes 1, 2, 3, 4 are the ranks: 1 + 2 + 4 in favour, 3 against, of 10.
    assert paired_test([1, 2, -3, 4]).effect == pytest.approx(0.4)
    assert paired_test([1, 2, 3]).effect == 1 and paired_test([-1, -2, -3]).effect == -1


def test_infinite_differences_rank_highest() -> None:
    assert paired_test([math.inf, -1, -2]) == paired_test([9, -1, -2])
    assert paired_test([math.inf] * 60 + [-1.0] * 3).p == paired_test([9.0] * 60 + [-1.0] * 3).p < 1e-9


def test_no_difference_is_no_finding() -> None:
    assert paired_test([0.0, 0.0]) == statistics.PairedTest(p=1.0, effect=0.0, pairs=2, zeros=2)
    for wrong in ([], [math.nan]):
        with pytest.raises(ResultsError, match="no NaN"):
            paired_test(wrong)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=70))
def test_direction_changes_the_sign_of_the_effect_alone(differences: list[float]) -> None:
    one, other = paired_test(differences), paired_test([-d for d in differences])
    assert one.p == pytest.approx(other.p) and one.effect == -other.effect
    assert 0 < one.p <= 1 and -1 <= one.effect <= 1


def test_holm_by_hand() -> None:
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04; a later one is never below an earlier: .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2] and holm([]) == []
    with pytest.raises(ResultsError):
        holm([1.5])


# -- a whole group --------------------------------------------------------------------------------------------------


def write(root: Path, method: str, values: dict[str, dict[str, float]], **card: Any) -> Result:
    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}
    return write_result(root, manifest(method, metrics=metrics, total=len(IDS), **card), scored(values))


def faces(base: float, noise: int, ids: list[str] = IDS) -> dict[str, dict[str, float]]:
    hard = np.random.default_rng(1).normal(0, 3, len(IDS))  # how hard an image is moves every method
    own = np.random.default_rng(noise).normal(0, 0.3, len(IDS))
    psnr = dict(zip(IDS, base + hard + own, strict=True))
    return {i: {"psnr": psnr[i], "ssim": psnr[i] / 50, "lpips": 1 / psnr[i]} for i in ids}


def cells(*results: Result) -> dict[tuple[str, str], Comparison]:
    (group,) = groups(summarise(results))
    return compare(group)


def test_group_is_compared_with_its_best(tmp_path: Path) -> None:
    good, near, poor = faces(26, 2), faces(25.98, 3), faces(25, 4)
    found = cells(write(tmp_path, "good", good), write(tmp_path, "near", near), write(tmp_path, "poor", poor))
    assert set(found) == {(m, k) for m in ("good", "near", "poor") for k in ("psnr", "ssim", "lpips")}
    best = found["good", "psnr"]
    assert best.best is None and best.p is None and best.interval is not None
    poor_cell, near_cell = found["poor", "psnr"], found["near", "psnr"]
    off = np.array([poor[i]["psnr"] - good[i]["psnr"] for i in sorted(IDS)])
    near_off = np.array([near[i]["psnr"] - good[i]["psnr"] for i in IDS])
    expected = [scipy.stats.wilcoxon(off).pvalue, scipy.stats.wilcoxon(near_off).pvalue]
    assert [poor_cell.p, near_cell.p] == pytest.approx(expected)
    assert poor_cell.p_holm == pytest.approx(2 * expected[0])
    assert poor_cell.significant is True and poor_cell.effect == pytest.approx(-1, abs=0.05)
    assert near_cell.significant is False and abs(near_cell.effect or 1) < 0.4
    assert poor_cell.difference == pytest.approx(off.mean())
    interval = scipy.stats.bootstrap(
        (off,), np.mean, n_resamples=statistics.RESAMPLES, rng=np.random.default_rng(statistics.SEED)
    ).confidence_interval
    assert poor_cell.difference_interval == pytest.approx((interval.low, interval.high))
    assert poor_cell.interval is not None
    width = poor_cell.interval[1] - poor_cell.interval[0]
    assert interval.high - interval.low < width / 4, "pairing takes out how hard each image is"


def test_lower_is_better_is_minded(tmp_path: Path) -> None:
    found = cells(write(tmp_path, "good", faces(26, 2)), write(tmp_path, "poor", faces(20, 3)))
    cell = found["poor", "lpips"]
    assert cell.best == "good" and cell.difference is not None and cell.difference > 0
    assert cell.effect == -1 and cell.significant


def test_order_of_the_images_does_not_matter(tmp_path: Path) -> None:
    backwards = dict(reversed(faces(25, 3).items()))
    one = cells(write(tmp_path / "1", "good", faces(26, 2)), write(tmp_path / "1", "poor", faces(25, 3)))
    two = cells(write(tmp_path / "2", "good", faces(26, 2)), write(tmp_path / "2", "poor", backwards))
    assert one == two


def test_part_of_the_images_has_an_interval_but_no_test(tmp_path: Path) -> None:
    found = cells(
        write(tmp_path, "a", faces(26, 2)),
        write(tmp_path, "b", faces(25, 3)),
        write(tmp_path, "part", faces(30, 4, IDS[:10])),
    )
    cell = found["part", "psnr"]
    assert cell.interval is not None and cell.n == 10
    assert cell.best is None and cell.p is None
    assert found["b", "psnr"].best == "a"


def test_metric_missing_on_some_images_is_paired_on_the_others(tmp_path: Path) -> None:
    holes = faces(25, 3)
    for i in IDS[:5]:
        del holes[i]["lpips"]
    found = cells(
        write(tmp_path, "a", faces(26, 2)), write(tmp_path, "b", faces(25.5, 5)), write(tmp_path, "holes", holes)
    )
    assert found["holes", "lpips"].pairs == found["holes", "lpips"].n == 35
    assert found["holes", "psnr"].pairs == 40


def test_identical_images_are_infinite_and_said_so(tmp_path: Path) -> None:
    perfect = {i: {"psnr": math.inf, "ssim": 1.0, "lpips": 0.0} for i in IDS}
    once = faces(25, 3)
    once[IDS[0]]["psnr"] = math.inf
    found = cells(write(tmp_path, "oracle", perfect), write(tmp_path, "once", once), write(tmp_path, "a", faces(24, 4)))
    assert found["oracle", "psnr"].interval is None
    assert found["oracle", "psnr"].no_interval == "infinite on 40 of 40 images"
    assert found["once", "psnr"].no_interval == "infinite on 1 of 40 images"
    # Both have an infinite mean, so both are best; the oracle is better on 39 images and equal on one.
    best = next(label for label in ("oracle", "once") if found[label, "psnr"].best is None)
    other = found["once" if best == "oracle" else "oracle", "psnr"]
    assert other.zeros == 1 and abs(other.effect or 0) == 1
    assert found["a", "psnr"].difference == -math.inf and found["a", "psnr"].difference_interval is None


def test_perfect_on_different_images_has_no_mean_difference(tmp_path: Path) -> None:
    one, two = faces(25, 3), faces(25, 4)
    one[IDS[0]]["psnr"] = two[IDS[1]]["psnr"] = math.inf
    found = cells(write(tmp_path, "one", one), write(tmp_path, "two", two))
    compared = next(cell for (_, metric), cell in found.items() if metric == "psnr" and cell.best)
    assert compared.difference is None and compared.p is not None


def test_tiny_sets_say_that_they_prove_nothing(tmp_path: Path) -> None:
    few = IDS[:5]
    found = cells(write(tmp_path, "a", faces(26, 2, few)), write(tmp_path, "b", faces(20, 3, few)))
    cell = found["b", "psnr"]
    assert cell.p == 2 / 2**5 and cell.significant is False
    assert "5 images that differ, no paired test can reach p < 0.05" in cell.note
    single = cells(write(tmp_path / "1", "a", faces(26, 2, few[:1])), write(tmp_path / "1", "b", faces(20, 3, few[:1])))
    assert single["a", "psnr"].no_interval == "one image only"
    assert single["b", "psnr"].p == 1 and single["b", "psnr"].difference_interval is None


def test_mean_against_most_images_is_not_called_significant(tmp_path: Path) -> None:
    # One image of forty is far better, all others a little worse: the mean and the ranks point opposite ways.
    base = faces(25, 3)
    odd = {i: {k: v - 0.01 * (1 + n) for k, v in base[i].items()} for n, i in enumerate(IDS)}
    odd[IDS[0]] = {"psnr": 90.0, "ssim": 0.99, "lpips": 0.0}
    found = cells(write(tmp_path, "base", base), write(tmp_path, "odd", odd))
    cell = found["base", "psnr"]
    assert cell.best == "odd" and cell.p is not None and cell.p < 1e-6
    assert cell.significant is False and "most images the other" in cell.note


def test_equal_methods_and_single_methods(tmp_path: Path) -> None:
    twins = cells(write(tmp_path / "1", "a", faces(26, 2)), write(tmp_path / "1", "b", faces(26, 2)))
    cell = twins["b", "psnr"]
    assert (cell.p, cell.effect, cell.difference, cell.significant) == (1.0, 0.0, 0.0, False)
    assert cell.note == "equal on all 40 images"
    alone = cells(write(tmp_path / "2", "a", faces(26, 2)))
    assert alone["a", "psnr"].best is None and alone["a", "psnr"].interval is not None


def test_failed_rows_have_no_cells(tmp_path: Path) -> None:
    good = write(tmp_path, "a", faces(26, 2))
    broken = write_result(tmp_path, manifest("broken", error="no such file"), [])
    assert {label for label, _ in cells(good, broken)} == {"a"}


def test_what_a_metric_leaves_out_is_not_resampled(tmp_path: Path) -> None:
    values = faces(26, 2)
    values[IDS[0]]["psnr"] = 0.5
    rule = {**PSNR, "leave_out_below": 1.0}
    card = manifest("m", metrics={"psnr": rule, "ssim": SSIM, "lpips": LPIPS}, total=len(IDS))
    found = cells(write_result(tmp_path, card, scored(values)))
    kept = [value["psnr"] for i, value in values.items() if i != IDS[0]]
    cell = found["m", "psnr"]
    assert cell.n == 39 and cell.mean == pytest.approx(np.mean(kept))
    assert cell.interval is not None and cell.interval[0] < cell.mean < cell.interval[1]


def test_numbers_of_the_whole_set_have_neither_interval_nor_test(tmp_path: Path) -> None:
    nme = {**LPIPS, "aggregates": ["auc-10"]}
    results = []
    for name, level in (("a", 3.0), ("b", 6.0)):
        values = {i: {"psnr": 25.0 + n, "nme": level + n / 10} for n, i in enumerate(IDS)}
        card = manifest(name, metrics={"psnr": PSNR, "nme": nme}, total=len(IDS))
        results.append(write_result(tmp_path, card, scored(values)))
    found = cells(*results)
    for label in "ab":
        cell = found[label, "nme:auc-10"]
        assert cell.interval is None and cell.p is None and "one number for the whole set" in cell.no_interval
    assert found["b", "nme"].significant
