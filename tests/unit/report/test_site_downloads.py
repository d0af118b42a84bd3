"""What a reader takes away: plots and tables as files beside the pages."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.report import site
from facesr_bench.report.citations import bibliography
from facesr_bench.results.comparison import compare
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.summary import summarise
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, scored, write_result
from tests.site_pages import Page
from tests.stored import newest_results


def test_plots_that_are_not_drawn_say_why(tmp_path: Path) -> None:
    metrics = {"psnr": PSNR, "lpips": LPIPS}
    rows = scored({k: {"psnr": 20.0 + i} for i, k in enumerate("abc")})
    for row in rows:
        row.reasons["lpips"] = "needs weights `lpips-alex`"
    write_result(tmp_path, manifest(metrics=metrics), rows)
    for _ in range(2):  # the second build draws nothing anew
        site.build(tmp_path)
        page = Page(next(tmp_path.glob("site/boards/*/*/plots.html")))
        assert len(page.all("img")) == 2, "the distribution of PSNR, for light pages and for dark"
        assert "Distortion against perception" in page.text and "LPIPS: needs weights `lpips-alex`" in page.text
        assert "needs at least two methods and two metrics" in page.text


def test_every_plot_and_table_can_be_taken_away(tmp_path: Path) -> None:
    for name, base in (("bicubic", 20.0), ("nearest", 18.0)):
        values = {str(i): {"psnr": base + i % 5, "ssim": 0.5 + i % 7 / 10} for i in range(20)}
        write_result(tmp_path, manifest(name, metrics={"psnr": PSNR, "ssim": SSIM}), scored(values))
    site.build(tmp_path)
    board = next(tmp_path.glob("site/boards/*/*"))
    (group,) = groups(summarise(newest_results(tmp_path)))

    found = list(csv.DictReader(io.StringIO((board / "table.csv").read_text())))
    means = {row["method"]: float(row["psnr"]) for row in found if not row["published"]}
    assert means == {row.label: row.means["psnr"] for row in group.rows}
    low, high = compare(group)["bicubic", "psnr"].interval or (0, 0)
    (row,) = [row for row in found if row["method"] == "bicubic" and not row["published"]]
    assert (float(row["psnr_low"]), float(row["psnr_high"])) == (low, high)
    latex = (board / "table.tex").read_text()
    assert r"\begin{tabular}" in latex and r"\textbf{22.00}" in latex
    assert (board / "table.bib").read_text() == bibliography(group.rows).text()
    own = list(csv.DictReader(io.StringIO((tmp_path / "site/methods/nearest.csv").read_text())))
    assert [row["method"] for row in own] == ["nearest"] and own[0]["psnr_best"] == "bicubic"

    linked = set()
    for path in (tmp_path / "index.html", board / "plots.html", *tmp_path.glob("site/methods/*.html")):
        page = Page(path)
        for element in page.all("a"):
            if "download" in element:
                target = (path.parent / str(element["href"])).resolve()
                assert target.is_file(), target
                linked.add(target.name)
    plots = {path.stem for path in (board / "plots").glob("*.svg") if not path.stem.endswith("-dark")}
    assert {"parallel", "distribution-1", "distribution-2"} <= plots
    assert {f"{name}.{end}" for name in plots for end in ("svg", "csv")} <= linked
    assert {"table.csv", "table.tex", "table.bib", "nearest.csv", "nearest.tex", "nearest.bib"} <= linked


def test_a_plot_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    write_result(tmp_path, manifest(), scored({k: {"psnr": 20.0 + i} for i, k in enumerate("abc")}))
    site.build(tmp_path)
    plot = next(tmp_path.glob("site/boards/*/*/plots/*[0-9].svg"))
    plot.unlink()
    plot.mkdir()
    with pytest.raises(ResultsError, match=f"{plot.name}: can't be written"):
        site.build(tmp_path)


@pytest.mark.parametrize(
    ("other", "title"),
    [(LPIPS, "PSNR against LPIPS"), (LPIPS | {"title": "Identity", "family": "identity"}, "PSNR against Identity")],
)
def test_the_plot_of_two_metrics_is_called_by_them(tmp_path: Path, other: dict[str, Any], title: str) -> None:
    for name in ("bicubic", "nearest"):
        values = {image: {"psnr": 20.0 + len(name), "other": 0.5} for image in "abc"}
        write_result(tmp_path, manifest(name, metrics={"psnr": PSNR, "other": other}), scored(values))
    site.build(tmp_path)
    page = Page(next(tmp_path.glob("site/boards/*/*/plots.html")))
    assert title in page.text and "Distortion" not in page.text
