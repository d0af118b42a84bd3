"""Numbers on pages: the same as in tables and frames, with how sure they are, or why there are none."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from facesr_bench.report import site
from facesr_bench.report.tables.render import render
from facesr_bench.results.comparison import compare
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.summary import summarise
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, scored, write_result
from tests.site_pages import Page, pages
from tests.stored import newest_results, to_frame


def test_failures_reasons_and_partial_rows_are_said(tmp_path: Path) -> None:
    ids = ["a", "b", "c"]
    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}
    full = scored({k: {"psnr": 20.0, "ssim": 0.5} for k in ids})
    for row in full:
        row.reasons["lpips"] = "needs weights `lpips`"
    write_result(tmp_path, manifest("full", metrics=metrics), full)
    shaky = [ImageRecord("a", error="first error"), ImageRecord("b", error="second <error>"), *full[2:]]
    write_result(tmp_path, manifest("shaky", metrics=metrics), shaky)
    broken = manifest("broken", metrics=metrics, error="no module named basicsr")
    broken["error_details"] = "Traceback (most recent call last): here"
    write_result(tmp_path, broken, [])
    page = Page(site.build(tmp_path))
    assert "needs weights `lpips`" in page.text and "first error" in page.text
    sources = Page(tmp_path / "site/provenance.html")
    for text in ("first error", "second <error>", "needs weights `lpips`", "no module named basicsr", "Traceback"):
        assert text in sources.text
    source = page.path.read_text()
    assert source.count('<tr class="unranked">') == 2 == source.count('class="tag"')
    images = pages(tmp_path)[1]
    assert "failed: first error" in images.text and "failed: second <error>" in images.text
    assert "Not shown: broken" in images.text


def test_a_reason_is_given_once_for_a_metric_and_what_is_made_of_it(tmp_path: Path) -> None:
    nme = {**LPIPS, "title": "NME", "aggregates": ["auc-8"]}
    rows = scored({k: {"psnr": 20.0 + i, "lpips": 1.0} for i, k in enumerate("abc")})
    for row in rows:
        row.reasons["nme"] = "needs weights `2dfan4`"
    lpips = {**LPIPS, "aggregates": ["auc-8"]}
    write_result(tmp_path, manifest(metrics={"psnr": PSNR, "lpips": lpips, "nme": nme}), rows)
    site.build(tmp_path)
    text = Page(tmp_path / "site/methods/bicubic.html").text
    assert "needs weights `2dfan4`" in text and "LPIPS AUC@8" in text and "NME AUC@8" not in text


def test_site_csv_latex_and_frame_carry_the_same_numbers(tmp_path: Path) -> None:
    ids = [f"i{i}" for i in range(9)]
    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}
    for number, label in enumerate(("one", "two", "three")):
        values = {
            image_id: {"psnr": 20 + number + i / 7, "ssim": 0.5 + i / 70, "lpips": 0.3 - number / 30 + i / 90}
            for i, image_id in enumerate(ids)
        }
        write_result(tmp_path, manifest(label, metrics=metrics, total=9), scored(values))
    page = Page(site.build(tmp_path))
    rows = summarise(newest_results(tmp_path))
    frame = to_frame(rows).set_index("method")
    table = list(csv.DictReader(io.StringIO(render(rows, "csv"))))
    latex = render(rows, "latex")
    cells = [a for tag, a in page.elements if tag == "td" and "num" in a.get("class", "") and a.get("data-order")]
    for record in table:
        for name, digits in (("psnr", 2), ("ssim", 4), ("lpips", 4)):
            exact = float(record[name])
            assert frame.loc[record["method"], name] == exact
            assert any(cell["data-order"] == repr(exact) for cell in cells), "the page sorts by the exact mean"
            text = f"{exact:.{digits}f}"
            assert text in page.text and text in latex
    method = Page(tmp_path / "site/methods/three.html").text
    assert f"{float(frame['psnr']['three']):.2f}" in method
    data = (tmp_path / "site/boards/toy-x8/sparnet/data.js").read_text()
    stored = json.loads(data[data.index("facesr.section = ") + 17 :].rstrip(";\n"))
    means = {m["label"]: sum(m["values"]["psnr"]) / len(ids) for m in stored["methods"]}
    assert means == pytest.approx(frame["psnr"].to_dict(), abs=1e-8)


def test_intervals_and_tests_stand_beside_the_means(tmp_path: Path) -> None:
    ids = [f"i{i:02}" for i in range(30)]
    spread = np.random.default_rng(0).normal(0, 1, (3, 30))
    spread -= spread.mean(axis=1, keepdims=True)
    for label, quality, own in (("best", 25.0, 0), ("alike", 24.9, 1), ("worse", 20.0, 2)):
        values = {k: {"psnr": quality + spread[own][i], "ssim": 0.5} for i, k in enumerate(ids)}
        write_result(tmp_path, manifest(label, total=30), scored(values))
    page = Page(site.build(tmp_path))
    cells = compare(groups(summarise(newest_results(tmp_path)))[0])
    for label in ("best", "alike", "worse"):
        low, high = cells[label, "psnr"].interval or (0, 0)
        assert f"{low:.2f} to {high:.2f}" in page.text
    titles = [a["title"] for tag, a in page.elements if tag == "td" and "title" in a]
    low, high = cells["alike", "psnr"].interval or (0, 0)
    (alike,) = [title for title in titles if f"95 % interval {low:.2f} to {high:.2f} over 30 images" in title]
    assert "against best, not significant" in alike
    assert f"effect size {cells['alike', 'psnr'].effect:.2f}".replace("-", "\N{MINUS SIGN}") in alike
    assert [title for title in titles if "against best, significant: Wilcoxon p < 0.0001 after Holm" in title]
    assert page.text.count("not significantly different from the best") >= 1


def test_values_of_a_whole_set_have_no_interval_and_no_value_per_image(tmp_path: Path) -> None:
    fid = {"title": "FID", "unit": "", "higher_is_better": False, "digits": 2, "version": 1, "of": "set"}
    values = {"a": {"psnr": 20.0}, "b": {"psnr": 21.0}}
    card = manifest(metrics={"psnr": PSNR, "fid": {**fid, "minimum_count": 100}}, total=2)
    result = write_result(tmp_path, card, scored(values))
    result.save_sets({"fid": {"value": 12.5, "n": 2, "standard_error": 0.75, "version": 1}})
    site.build(tmp_path)
    index, gallery = pages(tmp_path)
    assert "12.50 ± 0.75 (n = 2)" in index.text
    assert "FID" not in gallery.text
