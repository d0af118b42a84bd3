"""One table of methods x protocols, and tables without counts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from facesr_bench import cli
from facesr_bench.base.errors import ResultsError
from facesr_bench.report.tables.joint import join, render_joint
from facesr_bench.report.tables.render import render
from facesr_bench.report.tables.sheet import DASH, Options
from facesr_bench.results.comparison import compare
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.summary import ResultSummary, summarise
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, scored, write_result
from tests.stored import newest_results

IDS = [f"f{i:02}" for i in range(12)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two protocols; `both_&` ran on both, `one` and `two` on one each, `part` on a part of the first."""
    made = [("first-x8", "both_&", 24.0), ("first-x8", "one", 25.0), ("second-x8", "both_&", 30.0)]
    for protocol, name, base in (*made, ("second-x8", "two", 28.0)):
        metrics = {"psnr": PSNR, "ssim": SSIM} if protocol == "first-x8" else {"psnr": PSNR, "lpips": LPIPS}
        values = {i: {"psnr": base + n % 3, list(metrics)[1]: 0.5 + n % 4 / 10} for n, i in enumerate(IDS)}
        write_result(tmp_path, manifest(name, protocol=protocol, metrics=metrics, total=len(IDS)), scored(values))
    few = {i: {"psnr": 20.0, "ssim": 0.5} for i in IDS[:3]}
    card = manifest("part", protocol="first-x8", metrics={"psnr": PSNR, "ssim": SSIM}, total=len(IDS))
    write_result(tmp_path, card, scored(few))
    return tmp_path


@pytest.fixture
def rows(root: Path) -> list[ResultSummary]:
    return summarise(newest_results(root))


def test_every_cell_is_that_of_the_protocols_own_table(rows: list[ResultSummary]) -> None:
    found = groups(rows)
    table = join(found, Options(costs=()))
    assert [block.title for block in table.blocks] == [group.protocol for group in found]
    columns = [
        (group, metric.name) for group, block in zip(found, table.blocks, strict=True) for metric in block.metrics
    ]
    assert len(columns) == 4
    assert len(table.lines) == 4
    for line in table.lines:
        name = line.label.partition(" (n = ")[0]
        for (group, metric), cell in zip(columns, line.cells, strict=True):
            row = next((row for row in group.rows if row.label == name), None)
            assert cell.value == (row.means.get(metric) if row else None)
            assert cell.best == bool(row and metric in row.best)
            assert cell.text == DASH or cell.value is not None


def test_one_of_fewer_images_says_so(rows: list[ResultSummary]) -> None:
    assert "part (n = 3 (not ranked) on first-x8)" in render_joint(rows, "markdown").replace("\\", "")


def test_intervals_and_tests_are_kept(rows: list[ResultSummary]) -> None:
    (first, second) = groups(rows)
    text = render_joint(rows, "markdown", Options(intervals=True, significance=True))
    for group in (first, second):
        for (label, metric), cell in compare(group).items():
            if metric == "psnr" and label != "part":
                assert cell.interval is not None
                assert f"[{cell.interval[0]:.2f}, {cell.interval[1]:.2f}]" in text.replace("\\", "")


def test_latex_compiles_with_a_rule_under_each_protocol(rows: list[ResultSummary], tmp_path: Path) -> None:
    text = render_joint(rows, "latex", Options(intervals=True, cite={"one": "somebody2021"}))
    assert r"\multicolumn{2}{c}{first-x8}" in text and r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}" in text
    assert r"both\_\&" in text and r"one~\cite{somebody2021}" in text
    body = re.search(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert body is not None
    for line in body[2].splitlines():
        if line.strip().endswith(r"\\") and "multicolumn" not in line:
            assert line.replace(r"\&", "").count("&") == len(body[1]) - 1, line
    if shutil.which("pdflatex") is None:
        pytest.skip("needs pdflatex")
    document = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{text}\end{{document}}"
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    if "booktabs.sty' not found" in done.stdout:
        pytest.skip("needs LaTeX's booktabs")
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        ("csv", Options(), "the csv has a row per method and protocol already"),
        ("html", Options(), "made in markdown and latex"),
        ("latex", Options(costs=("ms_per_image", "parameters")), "ms_per_image: each protocol has its own"),
        ("latex", Options(metrics=("pnsr",)), "no metric of these results is called 'pnsr'"),
    ],
)
def test_what_a_joint_table_cannot_show(
    rows: list[ResultSummary],
    format: str,  # noqa: A002
    options: Options,
    message: str,
) -> None:
    with pytest.raises(ResultsError, match=re.escape(message)):
        render_joint(rows, format, options)


def test_without_results_there_is_nothing_to_join() -> None:
    with pytest.raises(ResultsError, match="nothing to join"):
        render_joint([], "markdown")


@pytest.mark.parametrize("format", ["markdown", "latex", "html"])
def test_without_the_column_of_counts(rows: list[ResultSummary], format: str) -> None:  # noqa: A002
    with_n, without = render(rows, format), render(rows, format, Options(count=False))
    heads = {"markdown": "| Method | n |", "latex": "Method & $n$ &", "html": '<th scope="col">n</th>'}
    assert heads[format] in with_n and heads[format] not in without
    assert "part (n = 3 (not ranked))" in without, "a row of fewer images says so at its label"
    if format == "latex":
        widths = re.findall(r"\\begin\{tabular\}\{(\w+)\}", without)
        assert [len(width) for width in widths] == [
            len(w) - 1 for w in re.findall(r"\\begin\{tabular\}\{(\w+)\}", with_n)
        ]


def test_the_command(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["table", "--results", str(root), "--joint", "--metrics", "psnr"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("**first-x8**: sparnet, n = 12; **second-x8**: sparnet, n = 12\n")
    assert "| one | **26.00** | \N{EN DASH} |" in text
    assert cli.main(["table", "--results", str(root), "--no-n", "--costs", "none", "--metrics", "psnr"]) == 0
    assert "| Method | PSNR (dB) ↑ |\n" in capsys.readouterr().out
    assert cli.main(["table", "--results", str(root), "--joint", "--format", "csv"]) == 2
    assert "a row per method and protocol already" in capsys.readouterr().err
