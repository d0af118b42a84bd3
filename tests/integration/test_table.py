"""`facesr-bench table` and `figure` as a user calls them, on results of a real run."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facesr_bench.cli import main
from facesr_bench.evaluation import request
from facesr_bench.evaluation import run as runner


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    runner.run(
        request.RunRequest(
            methods=("sparnet", "bicubic", "nearest"),
            protocols=("demo-x8",),
            out=out,
            limit=3,
            metrics=("psnr", "ssim"),
        )
    )
    return out


def test_table_of_a_real_run(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["table", "--results", str(results), "--format", "csv", "--intervals", "--significance"]
    assert main(command) == 0
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert set(rows) == {"sparnet", "bicubic", "nearest"}
    sparnet, bicubic = rows["sparnet"], rows["bicubic"]
    assert float(sparnet["psnr_low"]) <= float(sparnet["psnr"]) <= float(sparnet["psnr_high"])
    assert bicubic["psnr_best"] == "sparnet" and bicubic["psnr_significant"] == "False", "three images prove nothing"
    # What the counter of torch sees in every convolution, two operations a multiply-add.
    assert int(sparnet["parameters"]) == 10518867 and int(sparnet["flops"]) == 14_260_469_760
    assert bicubic["flops"] == "" and sparnet["peak_memory"] == ""


def test_out_and_bibtex_files(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, bib = tmp_path / "paper" / "t.tex", tmp_path / "paper" / "refs.bib"
    command = ["table", "--results", str(results), "--format", "latex", "--methods", "sparnet,bicubic"]
    assert main([*command, "--out", str(out), "--bibtex", str(bib)]) == 0
    assert capsys.readouterr().out == ""
    assert r"sparnet~\cite{ChenSPARNet} & 3 &" in out.read_text() and "nearest" not in out.read_text()
    assert "@article{ChenSPARNet," in bib.read_text() and "No paper in the cards of: bicubic" in bib.read_text()
    assert main([*command, "--bibtex"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(out.read_text()) and "% @article{ChenSPARNet," in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "sparnt"], "did you mean 'sparnet'"),
        (["--protocols", "demo"], "did you mean 'demo-x8'"),
        (["--metrics", "pnsr"], "did you mean 'psnr'"),
        (["--profile", "sparnett"], "did you mean 'sparnet'"),
        (["--bibtex"], "--bibtex needs a FILE"),
        (["--out", "/dev/null/t.md"], "can't be written"),
    ],
)
def test_mistakes_are_told(
    results: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", "--results", str(results), *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["comparison", "distribution", "tradeoff", "parallel", "heatmap"])
def test_figures_of_a_real_run(
    results: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["figure", name, "--results", str(results), "--y", "ssim", "--format", "svg"]) == 0
    assert capsys.readouterr().out == f"{name}.svg\n"
    svg = (tmp_path / f"{name}.svg").read_text()
    assert all(f">{method}" in svg for method in ("sparnet", "bicubic", "nearest"))


def test_figure_takes_its_format_from_the_file(results: Path, tmp_path: Path) -> None:
    command = ["figure", "comparison", "--results", str(results), "--images", "astronaut", "--methods", "bicubic"]
    assert main([*command, "--zoom", "40,40,48,48", "--out", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert main([*command, "--zoom", "none", "--out", str(tmp_path / "b")]) == 0
    assert (tmp_path / "b").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["comparison", "--images", "astronut"], "did you mean 'astronaut'"),
        (["comparison", "--zoom", "1,2"], "give x,y,width,height"),
        (["comparison", "--methods", "sparnt"], "did you mean 'sparnet'"),
        (["tradeoff"], "known: psnr, ssim"),
        (["curve"], "an error curve needs a metric with lower values better"),
        (["heatmap", "--profile", "sfmnet"], "known: sparnet"),
        (["heatmap", "--metrics", "psnr"], "figure heatmap has no --metrics"),
        (["tradeoff", "--metrics", "psnr"], "choose with --x and --y"),
        (["curve", "--metrics", "psnr,ssim"], "a curve is of one metric"),
        (["parallel", "--out", "a.gif"], "known: pdf, png, svg"),
    ],
)
def test_mistakes_with_figures_are_told(
    results: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figure", *arguments, "--results", str(results)]) == 2
    assert message in capsys.readouterr().err


def test_a_figure_of_two_protocols_asks_which(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = shutil.copytree(results, tmp_path / "results")
    again = request.RunRequest(methods=("bicubic",), protocols=("demo-x8",), out=results, limit=1, profile="dic")
    runner.run(again)
    assert main(["figure", "parallel", "--results", str(results)]) == 2
    assert "--protocols demo-x8 --profile dic" in capsys.readouterr().err
    assert main(["table", "--results", str(results)]) == 0
    assert "profile dic" in capsys.readouterr().out
    assert main(["table", "--results", str(results), "--profile", "dic"]) == 0
    printed = capsys.readouterr().out
    assert "profile dic" in printed and "profile sparnet" not in printed


@pytest.mark.parametrize("command", [["--help"], ["table", "--help"], ["figure", "--help"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys\nfrom facesr_bench.cli import main\n"
        f"try: main({command!r})\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'scipy', 'pandas', 'matplotlib', 'seaborn', 'cv2', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_columns_in_which_no_row_has_a_value_are_named_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a paper they would be columns of dashes."""
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))
    out = str(tmp_path / "r")
    words = ["run", "--methods", "bicubic", "--metrics", "psnr,lpips,ssim", "--limit", "2", "--out", out, "--no-report"]
    assert main(words) == 1
    capsys.readouterr()
    assert main(["table", "--results", out]) == 0
    said = capsys.readouterr()
    assert "note: no row has a value of lpips; the others alone: --metrics psnr,ssim" in said.err
    assert main(["table", "--results", out, "--metrics", "psnr,ssim"]) == 0
    said = capsys.readouterr()
    assert said.err == "" and "LPIPS" not in said.out
