"""`facesr-bench check` and `compare` on real runs: exit statuses, what is printed, what is written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from facesr_bench.cli import main
from facesr_bench.evaluation.gate import self_test

from .conftest import MakeMethod

NEAREST = "return functional.interpolate(lr, scale_factor=self.scale, mode='nearest')"


@pytest.fixture
def bench(faces: Path, tmp_path: Path, make_method: MakeMethod, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls `facesr-bench COMMAND` in a folder of its own, on five faces; returns the exit status."""
    monkeypatch.chdir(tmp_path)
    make_method("mine", NEAREST)

    def call(*words: str, data: Path = faces) -> int:
        more = ["--protocols", "folder-x8", "--data", f"folder-x8={data}"] if words[0] in ("run", "check") else []
        more = more if "--methods" in words else []
        more += ["--metrics", "psnr,ssim"] if more else []
        more += ["--no-report"] if words[0] == "run" else []
        return main([*words, *more])

    return call


MINE = "./plugins/mine"


def edit(body: str) -> None:
    path = Path(MINE) / "method.py"
    path.write_text(f"{path.read_text()}\nMethod.upscale = lambda self, lr, _old=Method.upscale: {body}\n")


def test_a_baseline_is_accepted_kept_and_broken(bench: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("check") == 3
    assert capsys.readouterr().out.count("no such folder of baselines") == 1
    assert bench("check", "--methods", MINE) == 3  # there is none yet
    said = capsys.readouterr().out
    assert said.count("no such folder of baselines") == 1 and said.count("no baseline of it") == 1
    assert "1 not comparable" in said
    assert bench("check", "--methods", MINE, "--accept") == 0
    path = Path("reports/baselines/folder-x8/mine.jsonl")
    assert len(path.read_text().splitlines()) == 7
    assert bench("check", "--methods", MINE) == 0
    assert "IDENTICAL" in capsys.readouterr().out
    assert bench("check", "--methods", MINE, "--accept") == 0
    assert "unchanged: reports/baselines/folder-x8/mine.jsonl" in capsys.readouterr().err
    edit("(_old(self, lr) * 0.8)")
    assert bench("check", "--methods", MINE) == 1
    said = capsys.readouterr().out
    assert "regressed" in said
    assert "exit status 1" in said
    assert bench("check") == 1  # what is there now, nothing is run
    assert bench("check", "--methods", MINE, "--accept") == 0
    assert bench("check", "--methods", MINE) == 0


def test_a_baseline_holds_the_metrics_that_it_was_asked_for(bench: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An earlier run computed more: what nobody asked to gate must not decide."""
    assert bench("run", "--methods", MINE) == 0
    assert bench("run", "--methods", MINE, "--metrics", "psnr,lr-psnr") == 0
    assert main(["check", "--methods", MINE, "--protocols", "folder-x8", "--accept"]) == 2, "the place of the data"
    capsys.readouterr()
    assert bench("check", "--methods", MINE, "--accept") == 0
    text = Path("reports/baselines/folder-x8/mine.jsonl").read_text()
    assert '"ssim"' in text and "lr-psnr" not in text
    assert bench("check", "--methods", MINE) == 0
    said = capsys.readouterr().out
    assert "IDENTICAL" in said and "LR" not in said


def test_what_is_not_sure_is_status_4_unless_it_is_ok(bench: Any) -> None:
    assert bench("check", "--methods", MINE, "--accept") == 0
    edit("(_old(self, lr) + 0.02 * torch.sin(5000 * lr.mean(dim=(1, 2, 3), keepdim=True))).clamp(0, 1)")
    Path("gate.toml").write_text("[metrics.psnr]\nmargin = 0.15\n")
    policy = ("--policy", "gate.toml")
    assert bench("check", "--methods", MINE, *policy) == 4
    assert bench("check", "--methods", MINE, *policy, "--inconclusive", "ok") == 0
    assert bench("check", "--methods", MINE, *policy, "--exact") == 1


def test_another_methods_baseline_another_protocol_and_a_typo(
    bench: Any, tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("check", "--methods", "bicubic", "--accept") == 0
    one = "reports/baselines/folder-x8/bicubic.jsonl"
    assert bench("check", "--methods", MINE, "--baseline", one) == 1
    assert "mine against bicubic" in capsys.readouterr().out
    assert bench("check", "--methods", MINE) == 3
    assert "no baseline of it in reports/baselines" in capsys.readouterr().out
    assert bench("check", "--methods", "bicubi") == 2
    assert "did you mean" in capsys.readouterr().err
    Path("gate.toml").write_text("[metrics.pnsr]\n")
    assert bench("check", "--policy", "gate.toml") == 3
    assert "did you mean 'psnr'" in capsys.readouterr().out
    Path("gate.toml").write_text("metrcs = 1\n")
    assert bench("check", "--policy", "gate.toml") == 2
    fewer = tmp_path / "fewer"
    shutil.copytree(faces, fewer)
    (fewer / "face4.png").unlink()
    assert bench("check", "--methods", "bicubic", "--baseline", one, data=fewer) == 3
    said = capsys.readouterr().out
    assert "other data" in said
    assert "1 of the baseline's 5 are missing (face4)" in said


def test_a_method_that_breaks_is_a_regression_and_one_that_is_missing_is_not_comparable(
    bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("check", "--methods", f"{MINE},bicubic", "--accept") == 0
    edit("torch.full_like(_old(self, lr), float('nan'))")
    assert bench("check", "--methods", f"{MINE},bicubic") == 1
    assert "NaN" in capsys.readouterr().out
    assert bench("check", "--methods", f"{MINE},bicubic", "--accept") == 1
    said = capsys.readouterr().err
    assert "not accepted: 5 of 5 images failed" in said
    assert "unchanged: reports/baselines/folder-x8/bicubic.jsonl" in said
    shutil.rmtree("results/folder-x8/mine")
    assert bench("check") == 3
    assert "no result of it in results" in capsys.readouterr().out
    Path("reports/baselines/folder-x8/mine.jsonl").write_text("{}\n")
    assert bench("check") == 3
    assert "no header" in capsys.readouterr().out


def test_what_the_gate_would_overlook_is_not_green(bench: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("check", "--methods", f"{MINE},bicubic", "--accept") == 0
    folder = Path("reports/baselines/folder-x8")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}

    def said(*words: str) -> str:
        capsys.readouterr()
        assert bench("check", *words) == 3
        return " ".join(capsys.readouterr().out.split())

    assert bench("check") == 0
    # A baseline under another's name hides that the other has none.
    (folder / "mine.jsonl").write_bytes(kept["bicubic.jsonl"])
    (folder / "bicubic.jsonl").unlink()
    assert "mine.jsonl holds the baseline of bicubic on folder-x8" in said()
    (folder / "bicubic.jsonl").write_bytes(kept["bicubic.jsonl"])
    (folder / "mine.jsonl").rename(folder.parent / "mine.jsonl")
    (folder.parent / "mine.jsonl").write_bytes(kept["mine.jsonl"])
    assert "which belongs at reports/baselines/folder-x8/mine.jsonl" in said()
    (folder.parent / "mine.jsonl").rename(folder / "mine.jsonl")
    # An older result must not answer for one that can't be read.
    (manifest,) = Path("results/folder-x8/mine").glob("*/manifest.json")
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-20])
    assert "results not comparable: can't be read" in said()
    assert "::error title=results%3A not comparable::can't be read" in said("--format", "github")
    manifest.write_bytes(whole)
    assert "::error title=the baselines%3A not comparable::no/where" in said(
        "--baseline", "no/where", "--format", "github"
    )
    # Values without pictures, and without what they were made of.
    for name in ("sr", "../../inputs/*/lr"):
        moved = [path.rename(path.with_suffix(".gone")) for path in manifest.parent.glob(f"{name}/*.png")]
        assert "not on disk" in said()
        for path in moved:
            path.rename(path.with_suffix(".png"))
    assert bench("check") == 0
    assert "nothing was run" in capsys.readouterr().err


def test_each_profile_that_has_a_baseline_is_gated(bench: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for profile in ("sparnet", "dic"):
        assert bench("check", "--methods", MINE, "--accept", "--profile", profile) == 0
    assert len(list(Path("reports/baselines/folder-x8").iterdir())) == 2
    capsys.readouterr()
    assert bench("check", "--methods", MINE) == 0
    said = capsys.readouterr().out
    assert "profile sparnet" in said
    assert "profile dic" in said
    edit("(_old(self, lr) * 0.8)")
    assert bench("check", "--methods", MINE) == 1
    assert "2 regressed" in capsys.readouterr().out
    assert bench("check", "--methods", MINE, "--profile", "dic") == 1
    assert "1 regressed" in capsys.readouterr().out


def test_a_method_that_its_last_run_could_not_load_is_not_what_it_was_before(
    bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("check", "--methods", MINE, "--accept") == 0
    path = Path(MINE) / "method.py"
    whole = path.read_text()
    path.write_text(f"{whole}\nimport nothing_of_this_name\n")
    assert bench("run", "--methods", MINE) != 0
    capsys.readouterr()
    assert bench("check") == 1
    assert "nothing_of_this_name" in capsys.readouterr().out
    path.write_text(whole)
    assert bench("run", "--methods", MINE) == 0
    assert bench("check") == 0


def test_every_format_says_the_same(bench: Any, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    assert bench("check", "--methods", MINE, "--accept") == 0
    edit("(_old(self, lr) * 0.8)")
    capsys.readouterr()
    names = ("json", "junit", "markdown", "benchmark-bigger", "benchmark-smaller")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    wanted = [word for name in names for word in ("--format", f"{name}=out.{name}")]
    assert bench("check", "--methods", MINE, *wanted, "--format", "github", "--html", "out.html") == 1
    printed = capsys.readouterr().out
    assert printed.startswith("::error title=mine on folder-x8%3A regressed::PSNR regressed: ")
    data = json.loads(Path("out.json").read_text())
    assert (data["verdict"], data["status"]) == ("regressed", 1)
    metric = data["comparisons"][0]["metrics"][0]
    assert metric["difference"] == pytest.approx(metric["candidate"] - metric["baseline"])
    assert data["comparisons"][0]["worst"][0]["image"].startswith("face")
    suites = ElementTree.fromstring(Path("out.junit").read_text())
    assert [case.find("failure") is not None for case in suites.iter("testcase")][:2] == [True, True]
    assert "| PSNR (dB) ↑ |" in Path("out.markdown").read_text()
    assert Path("summary.md").read_text() == Path("out.markdown").read_text()
    bigger = json.loads(Path("out.benchmark-bigger").read_text())
    assert [entry["name"] for entry in bigger] == ["folder-x8 / mine / psnr", "folder-x8 / mine / ssim"]
    assert json.loads(Path("out.benchmark-smaller").read_text()) == []
    page = Path("out.html").read_text()
    assert page.count("data:image/png;base64,") == 5 * 4  # given, truth, candidate, error map
    assert "Candidate: PSNR map" in page
    assert bench("check", "--format", "jsn") == 2
    assert "did you mean 'json'" in capsys.readouterr().err


def test_compare_finds_tags_labels_fingerprints_folders_and_baselines(
    bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("run", "--methods", MINE, "--tag", "before") == 0
    edit("(_old(self, lr) * 0.8)")
    assert bench("run", "--methods", MINE, "--tag", "after") == 0
    assert bench("run", "--methods", "bicubic") == 0
    capsys.readouterr()
    assert bench("compare", "before", "after") == 0
    said = capsys.readouterr().out
    assert "REGRESSED" in said
    assert "worst images:" in said
    assert bench("compare", "after", "before", "--html", "c.html") == 0
    assert "better" in capsys.readouterr().out
    assert Path("c.html").read_text().count("data:image/png;base64,") == 3 * 6  # the three best, with both sides' maps
    folders = sorted(path for path in Path("results/folder-x8/mine").iterdir() if path.is_dir())  # its locks lie beside
    assert bench("compare", str(folders[0]), folders[1].name[:8]) == 0
    assert bench("compare", "bicubic", "mine") == 0
    assert "mine against bicubic" in capsys.readouterr().out
    assert bench("check", "--methods", "bicubic", "--accept") == 0
    assert bench("compare", "reports/baselines/folder-x8/bicubic.jsonl", "bicubic") == 0
    assert "IDENTICAL" in capsys.readouterr().out
    assert bench("bundle", "bicubic", "--out", "sent.tar") == 0
    capsys.readouterr()
    assert bench("compare", "sent.tar", "bicubic") == 0
    assert bench("compare", "reports/baselines/folder-x8/bicubic.jsonl", "sent.tar") == 0
    assert capsys.readouterr().out.count("IDENTICAL") == 2
    assert bench("compare", "befor", "after") == 2
    assert "did you mean 'before'" in capsys.readouterr().err
    Path("gate.toml").write_text("[metrics.lpips]\n")
    assert bench("compare", "before", "after", "--policy", "gate.toml") == 3


def test_a_self_test_is_identical_again_and_shows_the_noise_floor(
    bench: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench("check", "--self-test", "--methods", f"{MINE},bicubic") == 0
    said = capsys.readouterr().out
    assert "the same again" in said
    assert "batch size 3" in said
    assert "workers" in said
    assert "other processes" in said
    assert "not tried" not in said
    every = self_test.ways
    monkeypatch.setattr(self_test, "ways", lambda plain: list(every(plain))[:2])  # processes take long to begin
    edit("(_old(self, lr) + 0.2 * torch.rand(lr.shape[0], 1, 1, 1)).clamp(0, 1)")  # other draws in other batches
    assert bench("check", "--self-test", "--methods", MINE) == 4
    edit("(_old(self, lr) * (0.9 + __import__('time').time_ns() % 1000 / 1e4)).clamp(0, 1)")
    assert bench("check", "--self-test", "--methods", MINE) == 1
    assert "NOT OK" in capsys.readouterr().out
    assert not Path("results").exists()


def test_as_a_ci_calls_it_without_a_terminal(bench: Any, faces: Path) -> None:
    command = [sys.executable, "-m", "facesr_bench", "check", "--methods", "bicubic", "--protocols", "folder-x8"]
    command += ["--data", f"folder-x8={faces}", "--metrics", "psnr"]
    for more, status in ((["--accept"], 0), ([], 0), (["--format", "junk"], 2)):
        done = subprocess.run(
            [*command, *more], capture_output=True, text=True, env={**os.environ, "CI": "true"}, check=False
        )
        assert done.returncode == status, done.stderr
        assert "\x1b[" not in done.stdout + done.stderr
