"""`run --keep none`: numbers without pictures, and what needs pictures says so. `--profile-time`: where time goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.cli import main
from facesr_bench.evaluation import run as runner
from facesr_bench.images.files import read_image
from facesr_bench.report.figures.heatmap import heatmap
from facesr_bench.report.site import build
from facesr_bench.results.bundle.make import make
from facesr_bench.results.leaderboard import groups
from facesr_bench.results.store import open_result, read_results
from facesr_bench.results.summary import summarise

from .test_jobs import asked, files, rows


def command(faces: Path) -> list[str]:
    """`run` of one method on a folder of faces."""
    return ["run", "--methods", "bicubic", "--protocols", "folder-x8", "--data", f"folder-x8={faces}"]


def test_without_pictures_the_numbers_are_the_same_and_what_needs_pictures_refuses(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = runner.run(asked(faces, tmp_path / "kept", "bicubic", metrics=("psnr", "ssim"))).results[0]
    out = tmp_path / "out"
    outcome = runner.run(asked(faces, out, "bicubic", metrics=("psnr",), keep="none", limit=3))
    assert outcome.problems == [] and outcome.results[0].manifest.unkept
    outcome = runner.run(asked(faces, out, "bicubic", metrics=("psnr",)))
    assert outcome.problems == [] and outcome.computed == 2, "the first three are done, whatever became of their files"
    result = open_result(outcome.results[0].folder)
    assert {i: row.metrics["psnr"] for i, row in result.rows().items()} == {
        i: row.metrics["psnr"] for i, row in kept.rows().items()
    }
    assert {Path(name).name for name in files(result)} == {"face3.png", "face4.png"}

    assert main([*command(faces), "--metrics", "psnr", "--out", str(out), "--no-report"]) == 0
    said = capsys.readouterr().err
    assert "nothing to compute" in said and "without pictures, as --keep none left them: bicubic" in said

    later = runner.run(asked(faces, out, "bicubic", metrics=("psnr", "ssim")))
    assert later.computed == 0
    assert "3 of its images lack a number" in later.problems[0] and "--resume never" in later.problems[0]
    with pytest.raises(ResultsError, match=r"3 of its 5 pictures were not kept .* a bundle needs"):
        make([result], tmp_path / "bundle.tar", lambda data, name: read_image(Path(name)))
    with pytest.raises(ResultsError, match="a figure needs them"):
        heatmap(groups(summarise([result]))[0])
    assert build(out, stored=read_results(out)).is_file()

    anew = runner.run(asked(faces, out, "bicubic", metrics=("psnr", "ssim"), resume="never")).results[0]
    assert rows(anew) == rows(kept) and files(anew) == files(kept)
    assert not open_result(anew.folder).manifest.unkept


def test_a_run_says_where_its_time_went(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--metrics", "psnr,ssim", "--out", str(tmp_path / "out"), "--no-report", "--profile-time"]
    assert main([*command(faces), *options]) == 0
    said = capsys.readouterr().err
    for name in ("decode", "degrade", "forward", "quantise and PNG of SR", "psnr", "ssim, ground truth", "lines"):
        assert f"\n{name}" in said
    profile = runner.run(asked(faces, tmp_path / "two", "bicubic", metrics=("psnr",), profile_time=True)).profile
    assert profile is not None and profile.stages["psnr"][1] == 5 == profile.stages["decode"][1]
    assert sum(seconds for seconds, _ in profile.stages.values()) > 0
    assert runner.run(asked(faces, tmp_path / "two", "bicubic", metrics=("psnr",))).profile is None
