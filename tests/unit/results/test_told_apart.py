"""What a number is made of stands beside it: what placed the faces, which network, how many images."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.report.tables.render import Options, render
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import Group, groups
from facesr_bench.results.store import Result
from facesr_bench.results.summary import ResultSummary, summarise
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, scored, write_result

IDENTITY = {"title": "Identity distance (dlib)", "higher_is_better": False, "digits": 3, "version": 1, "order": 30}
OWN = {**IDENTITY, "title": "Identity (onnx)", "weights": "onnx", "weights_sha256": "3089a6b1" + "0" * 56}
METRICS = {"psnr": PSNR, "ssim": SSIM, "identity-dlib": IDENTITY, "identity@onnx:3089a6b1": OWN}
IDS = [f"face-{i}" for i in range(6)]


def write(
    root: Path,
    method: str,
    values: Mapping[str, Mapping[str, float]],
    by: Mapping[str, str] | str = "landmarks",
    reasons: Mapping[str, Mapping[str, str]] | None = None,
    metrics: Mapping[str, Any] = METRICS,
) -> Result:
    def told(row: ImageRecord) -> ImageRecord:
        words = by if isinstance(by, str) else by.get(row.id)
        found = {name: words for name in row.metrics if name.startswith("identity") and words}
        return replace(row, alignments=found, reasons=dict((reasons or {}).get(row.id, {})))

    card = manifest(method, metrics=metrics, total=len(values))
    return write_result(root, card, [told(row) for row in scored(values)])


def faces(base: float = 0.5, own: float | None = None) -> dict[str, dict[str, float]]:
    more = {} if own is None else {"identity@onnx:3089a6b1": own}
    return {i: {"psnr": 25.0 + n, "identity-dlib": base + n / 100, **more} for n, i in enumerate(IDS)}


def table(*results: Result) -> tuple[list[ResultSummary], Group]:
    rows = summarise(results)
    (group,) = groups(rows)
    return rows, group


def lines(rows: list[ResultSummary], **options: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(rows, "csv", Options(**options)))))


def test_a_column_says_what_its_faces_were_placed_by_and_its_key_stays(tmp_path: Path) -> None:
    rows, group = table(write(tmp_path, "a", faces()))
    (column,) = (metric for metric in group.metrics if metric.name == "identity-dlib")
    assert column.header == "Identity distance (dlib), by landmarks ↓"
    assert "Identity distance (dlib), by landmarks ↓" in render(rows, "markdown")
    assert lines(rows)[0]["alignment"] == "identity-dlib: landmarks"
    detected, _ = table(write(tmp_path / "2", "a", faces(), "dlib on HR"))
    assert "Identity distance (dlib), by dlib on HR" in render(detected, "html")


def test_faces_placed_in_two_ways_are_counted(tmp_path: Path) -> None:
    by = dict.fromkeys(IDS, "dlib on HR") | {IDS[4]: "landmarks"}
    rows, group = table(write(tmp_path, "a", faces(), by))
    told = "dlib on HR (5 images), landmarks (1: face-4)"
    assert lines(rows)[0]["alignment"] == f"identity-dlib: {told}"
    assert f"a: Identity distance (dlib): faces placed by {told}" in render(rows, "markdown").replace("\\", "")
    assert "by dlib on HR or landmarks" in group.metrics[2].header


def test_rows_that_placed_faces_otherwise_are_told_apart(tmp_path: Path) -> None:
    rows, group = table(
        write(tmp_path, "a", faces()), write(tmp_path, "b", faces(), "dlib on HR"), write(tmp_path, "old", faces(), {})
    )
    notes = {note: label for label, note in group.notes()}
    assert notes["Identity distance (dlib): faces placed by dlib on HR"] == "b"
    assert notes["Identity distance (dlib): faces placed by landmarks"] == "a"
    assert [line["alignment"] for line in lines(rows)][2] == "", "a result of an earlier release does not say"


def test_a_network_of_the_users_is_told_by_its_hash_everywhere(tmp_path: Path) -> None:
    rows, _ = table(write(tmp_path, "a", faces(own=0.4)))
    for form in ("markdown", "latex", "html"):
        assert "Identity" in render(rows, form) and "onnx 3089a6b1" in render(rows, form)
    assert lines(rows)[0]["networks"] == "identity@onnx:3089a6b1: onnx 3089a6b1"


def test_the_default_network_of_a_metric_is_named_below_a_table(tmp_path: Path) -> None:
    lpips = {**LPIPS, "weights": "alex", "weights_sha256": "abcd1234" + "0" * 56}
    values = {i: {"lpips": 0.3} for i in IDS}
    rows, _ = table(write(tmp_path, "a", values, metrics={"lpips": lpips}))
    assert "LPIPS: alex abcd1234" in render(rows, "markdown")
    assert lines(rows)[0]["networks"] == "lpips: alex abcd1234"


def test_each_cell_of_a_csv_has_its_count(tmp_path: Path) -> None:
    values = faces()
    for image in IDS[:2]:
        del values[image]["identity-dlib"]
    rows, _ = table(write(tmp_path, "a", values, reasons={i: {"identity-dlib": "no face"} for i in IDS[:2]}))
    (line,) = lines(rows)
    assert (line["n"], line["psnr_n"], line["identity-dlib_n"], line["ssim_n"]) == ("6", "6", "4", "0")
    assert float(line["identity-dlib"]) == pytest.approx(sum(values[i]["identity-dlib"] for i in IDS[2:]) / 4)
    chosen = lines(rows, metrics=("identity-dlib",))[0]
    assert chosen["identity-dlib_n"] == "4" and "psnr_n" not in chosen


def test_a_mean_over_fewer_images_than_its_row_shows_its_count(tmp_path: Path) -> None:
    values = faces()
    del values[IDS[0]]["identity-dlib"]
    rows, group = table(write(tmp_path, "a", values, reasons={IDS[0]: {"identity-dlib": "no face"}}))
    assert rows[0].qualifier(rows[0].metrics["identity-dlib"]) == " (n = 5)"
    assert rows[0].qualifier(rows[0].metrics["psnr"]) == ""
    for form in ("markdown", "html"):
        assert "0.530 (n = 5)" in render(rows, form)
    assert group.n == 6


def test_rows_that_lack_the_same_image_are_ranked_over_the_others(tmp_path: Path) -> None:
    gap = {IDS[1]: {"identity-dlib": "no face on HR"}}
    results = []
    for method, base in (("good", 0.4), ("fair", 0.5), ("poor", 0.6)):
        values = faces(base)
        del values[IDS[1]]["identity-dlib"]
        results.append(write(tmp_path, method, values, reasons=gap))
    _, group = table(*results)
    places = {row.label: ("identity-dlib" in row.best, "identity-dlib" in row.second) for row in group.rows}
    assert places == {"good": (True, False), "fair": (False, True), "poor": (False, False)}


def test_rows_that_lack_other_images_are_not_ranked_in_that_column(tmp_path: Path) -> None:
    results = []
    for number, method in enumerate(("a", "b", "c", "d")):
        values = faces(0.4 + number / 10)
        missing = IDS[:1] if method in "ab" else IDS[1:3] if method == "c" else IDS[3:4]
        for image in missing:
            del values[image]["identity-dlib"]
        reasons = {image: {"identity-dlib": "no face"} for image in missing}
        results.append(write(tmp_path, method, values, reasons=reasons))
    _, group = table(*results)
    ranked = [row.label for row in group.rows if "identity-dlib" in row.best | row.second]
    assert sorted(ranked) == ["a", "b"], "c lacks two images, d another one"
