"""Several photographs of one person are not several persons: intervals and tests go by whom the images show."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from facesr_bench.base.errors import ResultsError
from facesr_bench.report.tables.render import Options, render
from facesr_bench.results.comparison import Comparison, compare
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.statistics import mean_intervals, paired_test, per_cluster
from facesr_bench.results.store import Result
from facesr_bench.results.summary import summarise
from tests.report_fixtures import PSNR, manifest, scored, write_result

PERSONS = 60
SIZES = np.arange(PERSONS) % 9 + 1
"""Photographs of each: from one to nine, as in sets of celebrities."""
WHO = np.repeat(np.arange(PERSONS), SIZES)


def photographs(columns: int, seed: int, between: float = 0.7) -> NDArray[np.float64]:
    """Many sets of photographs, one a column; how hard a person is moves all of theirs. The true mean is 0."""
    random = np.random.default_rng(seed)
    persons = between * random.normal(size=(PERSONS, columns))
    return np.asarray(persons[WHO] + random.normal(size=(len(WHO), columns)))


def test_intervals_by_person_cover_as_often_as_is_said_and_by_image_far_less_often() -> None:
    values = photographs(1500, 1)

    def coverage(clusters: list[int] | None) -> float:
        ends = mean_intervals(values, clusters=clusters, resamples=2000)
        return float(((ends[:, 0] < 0) & (ends[:, 1] > 0)).mean())

    assert coverage(WHO.tolist()) == pytest.approx(0.94, abs=0.02)
    assert coverage(None) < 0.82


def test_each_end_of_an_interval_by_person_is_a_one_sided_bound() -> None:
    ends = mean_intervals(photographs(1500, 2), clusters=WHO.tolist(), resamples=2000, level=0.9)
    assert [(ends[:, 0] > 0).mean(), (ends[:, 1] < 0).mean()] == pytest.approx([0.05, 0.05], abs=0.025)


def test_the_test_by_person_errs_as_often_as_is_said_and_by_image_far_more_often() -> None:
    differences = photographs(600, 3)
    by_person = [paired_test(per_cluster(column, WHO.tolist())).p for column in differences.T]
    by_image = [paired_test(column).p for column in differences.T]
    assert np.mean(np.array(by_person) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(by_image) < 0.05) > 0.15


def test_without_two_images_of_one_person_every_interval_is_the_same_to_the_last_bit() -> None:
    table = np.random.default_rng(3).lognormal(size=(37, 3))
    stored = [
        ["0x1.29a8beb205f69p+0", "0x1.45572665d64d1p+2"],
        ["0x1.49aaf0f6cc642p+0", "0x1.76e98d1d2d28bp+1"],
        ["0x1.22b0b7a7ddf44p+0", "0x1.0fb415ddf0ae7p+1"],
    ]
    # What was found before there were persons; a library's last bit may differ elsewhere.
    assert mean_intervals(table).tolist() == [pytest.approx([float.fromhex(e) for e in row]) for row in stored]
    alone = mean_intervals(table, clusters=[f"person {i}" for i in range(37)])
    assert alone.tolist() == mean_intervals(table).tolist()
    assert per_cluster(table[:, 0], range(37)).tolist() == table[:, 0].tolist()


def test_interval_by_person_resamples_whole_persons() -> None:
    # Two persons, one of them with three equal photographs: a resample is one of three means, worked out by hand.
    values, who = [[1.0], [4.0], [4.0], [4.0]], ["Ada", "Bob", "Bob", "Bob"]
    (low, high) = mean_intervals(values, clusters=who, method="percentile", level=0.9999)[0]
    assert (low, high) == (1.0, 4.0)
    middle = mean_intervals(values, clusters=who, method="percentile", level=0.2)[0]
    assert middle.tolist() == [13 / 4, 13 / 4]


def test_bca_by_person_is_scipys_where_all_have_as_many_photographs() -> None:
    persons = np.random.default_rng(5).lognormal(size=(25, 4))
    found = mean_intervals(persons.reshape(-1, 1), clusters=np.repeat(range(25), 4).tolist(), resamples=2000, seed=7)
    expected = scipy.stats.bootstrap(
        (persons.mean(axis=1),), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(7)
    ).confidence_interval
    assert found[0] == pytest.approx([expected.low, expected.high], rel=1e-9)


def test_equal_means_of_all_persons_have_a_point_as_interval() -> None:
    assert mean_intervals([[1.0], [3.0], [1.0], [3.0]], clusters="aabb").tolist() == [[2.0, 2.0]]


def test_persons_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ResultsError, match="at least two persons"):
        mean_intervals([[1.0], [2.0]], clusters=["Ada", "Ada"])
    with pytest.raises(ResultsError, match="2 images and 1 names"):
        mean_intervals([[1.0], [2.0]], clusters=["Ada"])


def test_a_person_on_whom_each_method_is_perfect_once_speaks_for_neither() -> None:
    off = [math.inf, -math.inf, math.inf, 1.0, 2.0, 4.0]
    assert per_cluster(off, ["a", "a", "b", "b", "c", "c"]).tolist() == [0.0, math.inf, 3.0]


# -- a whole group --------------------------------------------------------------------------------------------------


def write(root: Path, method: str, values: dict[str, float], people: dict[str, str]) -> Result:
    card = manifest(method, metrics={"psnr": PSNR}, total=len(values))
    rows = [named(row, people) for row in scored({i: {"psnr": value} for i, value in values.items()})]
    return write_result(root, card, rows)


def named(row: ImageRecord, people: dict[str, str]) -> ImageRecord:
    return replace(row, identity=people.get(row.id))


def cells(*results: Result) -> dict[tuple[str, str], Comparison]:
    (group,) = groups(summarise(results))
    return compare(group)


def two_methods(seed: int = 4) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    ids = [f"face-{i}" for i in range(len(WHO))]
    better = 25 + photographs(1, seed)[:, 0]
    worse = better - 0.1 + 0.3 * photographs(1, seed + 1)[:, 0]
    people = {i: f"person {who}" for i, who in zip(ids, WHO, strict=True)}
    return dict(zip(ids, better.tolist(), strict=True)), dict(zip(ids, worse.tolist(), strict=True)), people


def test_a_leaderboard_goes_by_person_where_the_dataset_says_whom_it_shows(tmp_path: Path) -> None:
    better, worse, people = two_methods()
    found = cells(write(tmp_path, "a", better, people), write(tmp_path, "b", worse, people))
    unknown = cells(write(tmp_path / "u", "a", better, {}), write(tmp_path / "u", "b", worse, {}))
    cell, plain = found["b", "psnr"], unknown["b", "psnr"]
    assert cell.mean == plain.mean and cell.difference == plain.difference, "the mean is over the images, as ever"
    assert (cell.n, cell.persons, cell.pairs) == (len(WHO), PERSONS, PERSONS)
    assert (plain.persons, plain.pairs) == (None, len(WHO))
    assert cell.p is not None and plain.p is not None and cell.p > plain.p
    for by_person, by_image in ((cell.interval, plain.interval), (cell.difference_interval, plain.difference_interval)):
        assert by_person is not None and by_image is not None
        assert by_person[1] - by_person[0] > 1.2 * (by_image[1] - by_image[0])
    means = per_cluster([worse[i] - better[i] for i in better], list(people.values()))
    assert cell.p == pytest.approx(scipy.stats.wilcoxon(means).pvalue)


def test_an_older_row_that_names_nobody_is_compared_by_person_beside_one_that_does(tmp_path: Path) -> None:
    better, worse, people = two_methods()
    beside = cells(write(tmp_path / "1", "a", better, people), write(tmp_path / "1", "b", worse, {}))
    both = cells(write(tmp_path / "2", "a", better, people), write(tmp_path / "2", "b", worse, people))
    assert beside == both


def test_an_image_of_nobody_known_counts_as_a_person_of_its_own(tmp_path: Path) -> None:
    better, worse, people = two_methods()
    some = {i: person for i, person in people.items() if person == "person 8"}
    found = cells(write(tmp_path, "a", better, some), write(tmp_path, "b", worse, some))
    assert found["a", "psnr"].persons == len(WHO) - len(some) + 1


def test_images_of_one_person_alone_have_no_interval(tmp_path: Path) -> None:
    better, worse, _ = two_methods()
    one = dict.fromkeys(better, "Ada")
    found = cells(write(tmp_path, "a", better, one), write(tmp_path, "b", worse, one))
    assert found["a", "psnr"].no_interval == "all images show one person"
    assert found["b", "psnr"].difference_interval is None
    assert "with 1 person that differs, no paired test" in found["b", "psnr"].note


def test_tables_say_that_persons_were_drawn(tmp_path: Path) -> None:
    better, worse, people = two_methods()
    rows = summarise([write(tmp_path, "a", better, people), write(tmp_path, "b", worse, people)])
    text = render(rows, "markdown", Options(intervals=True, significance=True))
    assert "10,000 resamples of the 60 persons they show" in text and "paired by person, on the mean of each" in text
    plain = summarise([write(tmp_path / "u", "a", better, {}), write(tmp_path / "u", "b", worse, {})])
    text = render(plain, "markdown", Options(intervals=True, significance=True))
    assert "resamples of the images" in text and "paired by image" in text and "person" not in text
