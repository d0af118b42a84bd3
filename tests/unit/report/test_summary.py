"""One row per result: means, counts, and what is ranked against what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.base.files import write_json
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import RankedResult, groups, places
from facesr_bench.results.store import MANIFEST, Result, open_result
from facesr_bench.results.summary import records, summarise
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, scored, write_result
from tests.stored import newest_results, to_frame

THREE = {"a": {"psnr": 20.0, "ssim": 0.5}, "b": {"psnr": 24.0, "ssim": 0.75}, "c": {"psnr": 31.0, "ssim": 0.625}}


def shifted(by: float) -> dict[str, dict[str, float]]:
    return {k: {"psnr": v["psnr"] + by, "ssim": v["ssim"]} for k, v in THREE.items()}


def ranked(results: Sequence[Result]) -> list[RankedResult]:
    """The results with their places, in the order given."""
    found = {id(row.result): row for group in groups(summarise(results)) for row in group.rows}
    return [found[id(result)] for result in results]


def test_means_counts_and_median(tmp_path: Path) -> None:
    [row] = summarise([write_result(tmp_path, manifest(total=5), scored(THREE))])
    assert (row.protocol, row.method, row.weights, row.label, row.profile) == (
        "toy-x8",
        "bicubic",
        "",
        "bicubic",
        "sparnet",
    )
    assert (row.n, row.total, row.failed) == (3, 5, 0)
    assert row.means == {"psnr": 25.0, "ssim": 0.625}
    assert row.counts == {"psnr": 3, "ssim": 3}
    assert row.costs["ms_per_image"] == 3.5 and row.costs["parameters"] == 0
    assert groups([row])[0].size == "3 of 5"


def of_a_set_of(expected: int, held: int, method: str = "bicubic", data_hash: str = "d" * 64) -> dict[str, Any]:
    """A manifest for a protocol whose card expects a number of images, and data with another."""
    card = manifest(method, total=held, data_hash=data_hash)
    card["protocol"]["expected_count"] = expected
    return card


def test_a_part_of_a_named_set_is_shown_as_one(tmp_path: Path) -> None:
    [row] = summarise([write_result(tmp_path, of_a_set_of(330, held=3), scored(THREE))])
    assert (row.n, row.total, row.size, row.whole) == (3, 330, "3 of 330", False)
    assert groups([row])[0].size == "3 of 330"
    assert row.notes() == ["3 of the 330 images of toy-x8"]
    assert records([row])[0]["total"] == 330


def test_a_set_with_too_many_images_is_another_set(tmp_path: Path) -> None:
    [row] = summarise([write_result(tmp_path, of_a_set_of(2, held=3), scored(THREE))])
    assert row.size == groups([row])[0].size == "3, expected 2"
    assert row.notes() == ["the data has 3 images, and toy-x8 has 2: another set"]


def test_a_whole_set_needs_no_note(tmp_path: Path) -> None:
    [row] = summarise([write_result(tmp_path, of_a_set_of(3, held=3), scored(THREE))])
    assert (row.size, row.whole, row.notes()) == ("3", True, [])


def test_another_set_is_never_ranked_against_the_whole(tmp_path: Path) -> None:
    """Even where it has more images, as a folder with further faces does."""
    two = {name: THREE[name] for name in ("a", "b")}
    whole = write_result(tmp_path, of_a_set_of(2, held=2, method="bilinear"), scored(two))
    more = write_result(tmp_path, of_a_set_of(2, held=3, data_hash="e" * 64), scored(THREE))
    of_whole, of_more = ranked([whole, more])
    assert of_whole.comparable
    assert not of_more.comparable and "other data" in of_more.unranked


def test_a_mean_over_infinity_is_infinite(tmp_path: Path) -> None:
    values = {**THREE, "c": {"psnr": math.inf, "ssim": 1.0}}
    [row] = summarise([write_result(tmp_path, manifest(), scored(values))])
    assert row.means["psnr"] == math.inf
    assert to_frame([row])["psnr"].tolist() == [math.inf]
    assert row.notes() == ["PSNR: infinite on 1 of 3 images (c)"] and row.notes({"ssim"}) == []


def test_a_note_on_infinity_names_three_images(tmp_path: Path) -> None:
    values = {name: {"psnr": math.inf, "ssim": 1.0} for name in "abcde"}
    [row] = summarise([write_result(tmp_path, manifest(), scored(values))])
    assert row.infinite_in_words("psnr") == "infinite on 5 of 5 images (a, b, c, ...)"


def test_opposite_infinities_have_no_mean_but_a_reason(tmp_path: Path) -> None:
    values = {"a": {"psnr": math.inf, "ssim": 1.0}, "b": {"psnr": -math.inf, "ssim": 1.0}}
    [row] = summarise([write_result(tmp_path, manifest(), scored(values))])
    assert "psnr" not in row.means
    assert any("both +inf and -inf" in note for note in row.notes())


def test_failed_images_are_counted_and_leave_the_row_unranked(tmp_path: Path) -> None:
    whole = write_result(tmp_path, manifest("whole"), scored(THREE))
    rows = scored(shifted(5))
    rows[1] = ImageRecord("b", error="returned NaN")
    shaky = write_result(tmp_path, manifest("shaky"), rows)
    third = write_result(tmp_path, manifest("third"), scored(shifted(-1)))
    first, second, last = ranked([whole, shaky, third])
    assert (second.n, second.failed, second.failures) == (2, 1, (("b", "returned NaN"),))
    assert [row.comparable for row in (first, second, last)] == [True, False, True]
    assert not second.best and not second.second
    assert first.best == {"psnr", "ssim"} and last.second == {"psnr"}
    assert any("2 of the 3 images" in note for note in second.notes())
    assert any("failed on 1 of 3 images; first b: returned NaN" in note for note in second.notes())


def test_a_partial_run_is_not_ranked_against_a_full_one(tmp_path: Path) -> None:
    partial = write_result(tmp_path, manifest("partial"), scored({k: shifted(9)[k] for k in ("a", "b")}))
    full = write_result(tmp_path, manifest("full"), scored(THREE))
    other = write_result(tmp_path, manifest("other"), scored(shifted(1)))
    rows = ranked([partial, full, other])
    assert [row.comparable for row in rows] == [False, True, True]
    assert [row.label for row in groups(rows)[0].rows] == ["other", "full", "partial"]
    assert groups(rows)[0].n == 3


def test_other_data_or_another_definition_is_not_comparable(tmp_path: Path) -> None:
    same = [write_result(tmp_path, manifest(name), scored(THREE)) for name in ("one", "two")]
    foreign = write_result(tmp_path, manifest("foreign", data_hash="e" * 64), scored(shifted(9)))
    card = manifest("redefined")
    card["definition"] = "0" * 16
    redefined = write_result(tmp_path, card, scored(shifted(9)))
    card = manifest("reworded")
    card["profile"]["summary"] = "The same in other words."
    card["protocol"]["metrics"] = ["psnr"]
    reworded = write_result(tmp_path, card, scored(THREE))
    rows = ranked([*same, foreign, redefined, reworded])
    assert [row.comparable for row in rows] == [True, True, False, False, True]
    assert "other data" in rows[2].unranked


def test_nothing_is_compared_across_protocols_or_profiles(tmp_path: Path) -> None:
    results = [
        write_result(tmp_path, manifest("one", protocol=protocol, profile=profile), scored(shifted(by)))
        for by, (protocol, profile) in enumerate([("p-x8", "sparnet"), ("p-x8", "dic"), ("q-x8", "sparnet")])
    ]
    rows = ranked(results)
    assert [(group.protocol, group.profile) for group in groups(rows)] == [
        ("p-x8", "sparnet"),
        ("p-x8", "dic"),
        ("q-x8", "sparnet"),
    ]
    assert all(row.comparable and not row.best for row in rows), "one row has nothing to be better than"


def test_direction_and_ties(tmp_path: Path) -> None:
    metrics = {"lpips": LPIPS, "psnr": PSNR}
    table = {"m1": (20.0, 0.25), "m2": (21.0, 0.5), "m3": (21.0, 0.125), "m4": (19.0, 0.25)}
    results = [
        write_result(tmp_path, manifest(name, metrics=metrics), scored({"a": {"psnr": p, "lpips": d}}))
        for name, (p, d) in table.items()
    ]
    rows = {row.label: row for row in ranked(results)}
    assert {k for k, row in rows.items() if "psnr" in row.best} == {"m2", "m3"}
    assert {k for k, row in rows.items() if "psnr" in row.second} == {"m1"}
    assert {k for k, row in rows.items() if "lpips" in row.best} == {"m3"}
    assert {k for k, row in rows.items() if "lpips" in row.second} == {"m1", "m4"}


def test_a_metric_over_fewer_images_is_shown_but_not_ranked(tmp_path: Path) -> None:
    rows = scored(shifted(9))
    rows[2] = ImageRecord("c", {"ssim": 0.875}, {"ssim": 1}, {"psnr": "no face found"}, ms=1.0)
    holey = write_result(tmp_path, manifest("holey"), rows)
    one, two = (write_result(tmp_path, manifest(name), scored(THREE)) for name in ("one", "two"))
    first, second, _ = ranked([holey, one, two])
    assert first.comparable and first.counts == {"psnr": 2, "ssim": 3}
    assert first.means["psnr"] == 31.0
    assert first.best == {"ssim"} and "psnr" in second.best
    assert first.reasons == {"psnr": {"no face found": ["c"]}}
    assert "PSNR: no face found (1 of 3 images left out of the mean)" in first.notes()


def test_values_of_an_older_metric_version_do_not_enter_the_mean(tmp_path: Path) -> None:
    rows = scored(THREE)
    rows[0].versions["psnr"] = 1
    card = manifest(metrics={"psnr": {**PSNR, "version": 2}, "ssim": SSIM})
    for row in rows[1:]:
        row.versions["psnr"] = 2
    [summary] = summarise([write_result(tmp_path, card, rows)])
    assert summary.means["psnr"] == (24 + 31) / 2
    assert "version 1" in next(iter(summary.reasons["psnr"]))


def test_values_of_an_older_metric_version_do_not_enter_areas_and_shares(tmp_path: Path) -> None:
    nme = {**LPIPS, "title": "NME", "version": 2, "aggregates": ["auc-8", "failure-8"]}
    rows = [ImageRecord("a", {"nme": 4.0}, {"nme": 2}), ImageRecord("b", {"nme": 6.0}, {"nme": 1})]
    [row] = summarise([write_result(tmp_path, manifest(metrics={"nme": nme}), rows)])
    assert row.means == {"nme": 4.0} and row.counts == {"nme": 1}
    assert row.reasons["nme:auc-8"] == {"needs a value of nme for every image": ["b"]}
    assert set(row.reasons) == {"nme", "nme:auc-8", "nme:failure-8"}


def test_a_value_of_the_set_of_an_older_metric_version_is_not_shown(tmp_path: Path) -> None:
    fid = {**LPIPS, "title": "FID", "of": "set", "version": 2}
    result = write_result(tmp_path, manifest(metrics={"fid": fid}), scored({"a": {}, "b": {}}))
    for version, shown in ((1, {}), (2, {"fid": 30.0})):
        result.save_sets({"fid": {"value": 30.0, "n": 2, "version": version}})
        [row] = summarise([result])
        assert row.means == shown
        assert list(row.reasons) == ([] if shown else ["fid"])
        assert shown or "version 1 of the metric, not 2" in row.notes()[0]


def test_a_newer_metric_version_is_not_ranked_against_an_older(tmp_path: Path) -> None:
    old = write_result(tmp_path, manifest("old"), scored(shifted(9)))
    new = []
    for name, by in (("new1", 1), ("new2", 2)):
        rows = scored(shifted(by))
        for row in rows:
            row.versions = {"psnr": 2, "ssim": 1}
        card = manifest(name, metrics={"psnr": {**PSNR, "version": 2}, "ssim": SSIM})
        new.append(write_result(tmp_path, card, rows))
    rows_ = {row.label: row for row in ranked([old, *new])}
    assert "psnr" in rows_["new2"].best and "psnr" in rows_["new1"].second
    assert "psnr" not in rows_["old"].best | rows_["old"].second


def test_a_method_that_could_not_be_loaded_keeps_its_row(tmp_path: Path) -> None:
    broken = write_result(tmp_path, manifest("broken", error="weights are missing"), [])
    good = write_result(tmp_path, manifest("good"), scored(THREE))
    row, _ = ranked([broken, good])
    assert (row.n, row.failed, row.comparable, row.costs.get("ms_per_image")) == (0, 0, False, None)
    assert row.notes() == ["did not run: weights are missing"]
    assert set(row.reasons) == {"psnr", "ssim"}


def test_every_empty_cell_has_a_reason(tmp_path: Path) -> None:
    plain = write_result(tmp_path, manifest("plain"), scored(THREE))
    more = write_result(
        tmp_path,
        manifest("more", metrics={"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}),
        scored({k: {**v, "lpips": 0.5} for k, v in THREE.items()}),
    )
    rows = ranked([plain, more])
    [group] = groups(rows)
    for row in rows:
        for metric in group.metrics:
            assert metric.name in row.means or row.reasons[metric.name]
    assert "LPIPS: not computed in this run" in rows[0].notes()
    assert group.notes() == [("plain", "LPIPS: not computed in this run")]


def test_frame_columns_are_stable(tmp_path: Path) -> None:
    metrics = {"zeta": LPIPS, "lpips": LPIPS, "ssim": SSIM, "psnr": PSNR}
    values = {"a": {"zeta": 1.0, "lpips": 2.0, "ssim": 0.5, "psnr": 20.0}}
    write_result(tmp_path, manifest("full", metrics=metrics, weights="official"), scored(values))
    write_result(tmp_path, manifest("bare", protocol="real-x8", source="lr", metrics={}), [ImageRecord("a")])
    rows = summarise(newest_results(tmp_path))
    frame = to_frame(rows)
    assert list(frame.columns) == [
        *("protocol", "method", "weights", "profile", "n", "psnr", "ssim", "lpips", "zeta"),
        *("failed", "total", "ms_per_image", "precision", "device", "fingerprint"),
        *("parameters", "flops", "peak_memory", "alignment", "networks"),
        *("psnr_n", "ssim_n", "lpips_n", "zeta_n"),
    ]
    bare = frame[frame.method == "bare"].iloc[0]
    assert math.isnan(bare.psnr) and math.isnan(bare.ms_per_image) and bare.n == 1
    assert frame[frame.method == "full"].iloc[0].weights == "official"
    assert frame.psnr.dtype == float and frame.n.dtype == int


@pytest.mark.parametrize("column", ["psnr", "ssim"])
def test_an_empty_table_has_its_columns(column: str) -> None:
    assert column in to_frame([]).columns
    assert records([]) == []


def test_ranking_changes_no_summary(tmp_path: Path) -> None:
    results = [write_result(tmp_path, manifest(name), scored(shifted(by))) for by, name in enumerate(("one", "two"))]
    rows = summarise(results)
    before = [dict(vars(row)) for row in rows]
    assert [row.label for row in groups(rows)[0].rows] == ["two", "one"]
    assert [dict(vars(row)) for row in rows] == before
    assert groups(rows[:1])[0].rows[0].best == frozenset(), "ranked among those it is given with, and no others"
    with pytest.raises(FrozenInstanceError):
        rows[0].error = "changed"  # type: ignore[misc]


def test_places() -> None:
    values = {"a": 1.0, "b": 3.0, "c": 3.0, "d": 2.0, "e": -math.inf}
    for given, higher_is_better, expected in (
        (values, True, [{"b", "c"}, {"d"}]),
        (values, False, [{"e"}, {"a"}]),
        ({"a": 1.0, "b": 1.0}, True, [{"a", "b"}, set()]),
        (values, None, [set(), set()]),
        ({"a": 1.0}, True, [set(), set()]),
    ):
        assert list(map(set, places(given, higher_is_better))) == expected


def test_columns_stand_where_their_cards_say(tmp_path: Path) -> None:
    """A metric of one's own falls in place by name, unless its card gives it a place."""
    cards: dict[str, dict[str, Any]] = {"ssim": SSIM, "psnr": PSNR, "alpha": {"higher_is_better": None}}
    cards |= {"mine": {**SSIM, "order": 0}, "zeta": {**SSIM, "order": 100}}
    values = {"a": {"psnr": 20.0, "ssim": 0.5, "mine": 1.0, "zeta": 2.0, "alpha": 3.0}}
    result = write_result(tmp_path, manifest(metrics=cards), scored(values))
    (group,) = groups(summarise([result]))
    assert [info.name for info in group.metrics] == ["mine", "psnr", "ssim", "alpha", "zeta"]


def test_results_of_the_first_release_keep_the_order_of_their_columns(tmp_path: Path) -> None:
    """Their manifests say nothing of places."""
    old = {key: {"title": key, "higher_is_better": True} for key in ("fid[clean]", "psnr", "ssim", "lpips@vgg")}
    result = write_result(tmp_path, manifest(metrics=old), scored({"a": {"psnr": 20.0}}))
    write_json(result.folder / MANIFEST, {**result.manifest.to_json(), "schema_version": 1, "metrics": old})
    (group,) = groups(summarise([open_result(result.folder)]))
    assert [info.name for info in group.metrics] == ["psnr", "ssim", "fid[clean]", "lpips@vgg"]
    families = ["fidelity", "fidelity", "perception", "perception"]
    assert [info.family for info in group.metrics] == families
