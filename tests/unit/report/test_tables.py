"""CSV, markdown, LaTeX and the terminal, read back."""

from __future__ import annotations

import csv
import io
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import pandas
import pytest
from rich.console import Console

from facesr_bench.errors import ResultsError
from facesr_bench.report.site import build
from facesr_bench.report.tables import render
from facesr_bench.report.terminal import print_tables
from facesr_bench.store import ImageRow, newest_results
from facesr_bench.summary import RowSummary, summarise, to_frame
from tests.report_fixtures import LPIPS, PSNR, SSIM, manifest, scored, write_result

HOSTILE = "[red]50%_&#$~^\\{}|<b>*x*`--\"'"


@pytest.fixture
def rows(tmp_path: Path) -> list[RowSummary]:
    ids = ("a", "b", "c")
    third = 1 / 3

    def values(base: float) -> dict[str, dict[str, float]]:
        return {k: {"psnr": base + i * third, "ssim": 0.5 + base / 100 + i * 0.01} for i, k in enumerate(ids)}

    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}
    write_result(tmp_path, manifest("bicubic", metrics=metrics), scored(values(20)))
    write_result(tmp_path, manifest("sparnet", weights="bundled", metrics=metrics), scored(values(26)))
    perfect = {k: {"psnr": math.inf, "ssim": 1.0, "lpips": 0.0} for k in ids}
    write_result(tmp_path, manifest("oracle", metrics=metrics), scored(perfect))
    part = [*scored({"a": {"psnr": 40.0, "ssim": 0.9}}), ImageRow("b", error="ran out\nof memory")]
    write_result(tmp_path, manifest(HOSTILE, metrics=metrics), part)
    write_result(tmp_path, manifest("broken", metrics=metrics, error="no module named basicsr"), [])
    write_result(tmp_path, manifest("bicubic", profile="dic", metrics={"psnr": PSNR}), scored({"a": {"psnr": 22.5}}))
    return summarise(newest_results(tmp_path))


def printed(rows: list[RowSummary], *, color: bool = False) -> str:
    stream = io.StringIO()
    system: Literal["standard"] | None = "standard" if color else None
    print_tables(rows, Console(file=stream, width=200, force_terminal=color, color_system=system))
    return stream.getvalue()


def number(cell: str) -> float:
    cell = re.sub(r"</?[a-z][^>]*>|\*\*|\\(?:textbf|underline)|[{}$]", "", cell)
    return float(cell.replace(r"\infty", "inf").replace("∞", "inf").strip())


def test_every_form_carries_the_same_numbers(rows: list[RowSummary], tmp_path: Path) -> None:
    frame = to_frame(rows)
    read = list(csv.DictReader(io.StringIO(render(rows, "csv"))))
    assert list(read[0]) == list(frame.columns)
    markdown, latex = render(rows, "markdown").splitlines(), render(rows, "latex").splitlines()
    html = build(tmp_path).read_text()
    terminal = printed(rows).splitlines()
    checked = 0
    for i, row in enumerate(rows):
        for metric in ("psnr", "ssim"):
            if metric not in row.means:
                assert read[i][metric] == "" and math.isnan(frame[metric][i])
                continue
            exact = row.means[metric]
            assert float(read[i][metric]) == exact == frame[metric][i], "csv and pandas carry every digit"
            assert f'data-sort="{exact}"' in html
            if row.label not in {"sparnet@bundled", "oracle"}:
                continue
            digits = row.metrics[metric].digits
            column = 2 + ("psnr", "ssim").index(metric)
            md = next(line for line in markdown if line.startswith(f"| {row.label} "))
            tex = next(line for line in latex if line.strip().startswith(f"{row.label} "))
            term = next(line for line in terminal if line.startswith(f"{row.label} "))
            shown = re.search(rf'data-sort="{re.escape(str(exact))}">(.*?)</td>', html)
            assert shown
            page_cell = shown[1].split("<span")[0]
            cells = [md.split("|")[1 + column], tex.split("&")[column], term.split()[column], page_cell]
            for cell in cells:
                value = number(cell)
                assert value == exact or value == pytest.approx(exact, abs=0.5 * 10**-digits)
                checked += 1
    assert checked == 16


def test_csv_reads_back_with_pandas(rows: list[RowSummary]) -> None:
    text = render(rows, "csv")
    frame = pandas.read_csv(io.StringIO(text), keep_default_na=False, dtype={"fingerprint": str})
    assert HOSTILE in set(frame.method)
    assert text.count("inf") >= 1 and "nan" not in text.lower()
    assert text.startswith("protocol,method,weights,profile,n,psnr,ssim,lpips,failed,")


def test_markdown_marks_and_escapes(rows: list[RowSummary]) -> None:
    text = render(rows, "markdown")
    assert "| PSNR (dB) ↑ | SSIM ↑ | LPIPS ↓ |" in text
    assert re.search(r"^\| oracle \| 3 \| \*\*inf\*\* \| \*\*1\.0000\*\* \|", text, re.M)
    assert re.search(r"^\| sparnet@bundled \| 3 \| <u>26\.33</u> \|", text, re.M)
    assert "**toy-x8**, profile sparnet, n = 3" in text and "profile dic, n = 1 of 3" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    first = lines[: lines.index(next(line for line in lines[1:] if line.startswith("| Method")))]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in first}) == 1, "a name must not add a column"
    assert "<b>" not in text and "1 (not ranked)" in text
    assert "- broken: did not run: no module named basicsr" in text
    assert "failed on 1 of 2 images; first b: ran out of memory" in text


def test_terminal_shows_marks_failures_and_reasons(rows: list[RowSummary]) -> None:
    plain = printed(rows)
    assert HOSTILE in plain, "brackets in a name are no markup"
    assert "1 (not ranked)" in plain and "did not run: no module named basicsr" in plain
    assert "toy-x8 · profile dic · n = 1 of 3" in plain
    coloured = printed(rows, color=True)
    assert re.search(r"\x1b\[1m1\.0000\x1b", coloured) and re.search(r"\x1b\[4m26\.33\x1b", coloured)


def test_terminal_escapes_of_a_name_are_not_sent(tmp_path: Path) -> None:
    evil = manifest("evil", label="evil\x1b]0;title\x07\x1b[2J", error="line one\nline two \x1b[31m")
    text = printed(summarise([write_result(tmp_path, evil, [])]))
    assert "\x1b" not in text and "\x07" not in text
    assert "line one line two" in text


def test_nothing_to_show() -> None:
    assert "No results" in printed([])
    assert "No results" in render([], "markdown")
    assert render([], "csv").startswith("protocol,method,weights,profile,n,psnr,ssim,failed")


def test_unknown_format_names_the_known() -> None:
    with pytest.raises(ResultsError, match="'excel'; known: csv, markdown, latex"):
        render([], "excel")


def test_latex_escapes_and_states_the_conditions(rows: list[RowSummary]) -> None:
    text = render(rows, "latex")
    assert r"\caption{toy-x8, profile sparnet, $n = 3$. Best in bold" in text
    assert r"\textbf{$\infty$}" in text and r"\underline{26.33}" in text
    assert r"{[}red]50\%\_\&\#\$\textasciitilde{}\textasciicircum{}\textbackslash{}\{\}\textbar{}\textless{}b" in text
    assert r"$n = 1$ of 3" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(rows: list[RowSummary], tmp_path: Path) -> None:
    work = tmp_path / "tex"
    work.mkdir()
    label = "é 中 \N{MULTIPLICATION SIGN} \N{EN DASH} ∞ \U0001f600"
    foreign = write_result(tmp_path / "more", manifest("m", label=label), scored({"a": {"psnr": 1.0}}))
    body = render([*rows, *summarise([foreign])], "latex")
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{body}\end{{document}}"
    (work / "t.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, errors="replace", check=False)
    if "booktabs.sty' not found" in done.stdout:
        pytest.skip("needs LaTeX's booktabs")
    assert done.returncode == 0, done.stdout[-2000:]
