"""The command line as a user meets it: exit statuses, messages, formats, scaffolding and validation."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import facesr_bench
from facesr_bench.base.text import counted
from facesr_bench.cli import main
from facesr_bench.images.files import read_image

from .conftest import HEAD, MakeMethod

CUDA_HERE = f"torch sees {counted(torch.cuda.device_count(), 'CUDA device')} here"
NEAREST = "return functional.interpolate(lr, scale_factor=self.scale, mode='nearest')"


@pytest.fixture(autouse=True)
def somewhere_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))


def test_run_then_table_then_nothing_to_compute(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--methods", "nearest,bicubic"]) == 0
    first = capsys.readouterr()
    assert "demo-x8" in first.out and "PSNR" in first.out and "bicubic" in first.out
    assert "computed 14 images" in first.err
    assert Path("results/index.html").is_file()
    assert main(["run", "--methods", "nearest,bicubic"]) == 0
    assert "nothing to compute" in capsys.readouterr().err
    assert main(["table", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0])[:7] == ["protocol", "method", "weights", "profile", "n", "psnr", "ssim"]
    assert {row["method"]: row["n"] for row in rows} == {"nearest": "7", "bicubic": "7"}
    assert 22 < float(rows[0]["psnr"]) < 25
    for form, mark in (("markdown", "| "), ("latex", r"\toprule")):
        assert main(["table", "--format", form]) == 0
        assert mark in capsys.readouterr().out


def test_images_of_the_demo_are_what_the_card_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--methods", "nearest", "--limit", "2", "--no-report"]) == 0
    folder = next(Path("results/demo-x8/inputs").iterdir())
    assert {p.stem for p in (folder / "hr").iterdir()} == {"astronaut", "t1-1"}
    assert Image.open(folder / "hr" / "astronaut.png").size == (128, 128)
    assert Image.open(folder / "lr" / "astronaut.png").size == (16, 16)
    assert not Path("results/index.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--methods", "bicubik"], "did you mean 'bicubic'"),
        (["run", "--methods", "bicubic", "--protocols", "helen-x9"], "did you mean 'helen-x8'"),
        (["run", "--methods", "bicubic", "--data", "helen"], "NAME=DIR"),
        (["run", "--methods", "bicubic", "--data", "hellen=/tmp"], "did you mean 'helen'"),
        (["run", "--methods", "bicubic", "--limit", "0"], "at least 1"),
        (["run", "--methods", "bicubic", "--batch-size", "-1"], "at least 1"),
        (["run", "--methods", "bicubic", "--device", "gpu"], "auto, cpu, cuda"),
        (["run", "--methods", "bicubic", "--device", "cuda:99"], CUDA_HERE),
        (["run", "--methods", ","], "at least one method"),
        (["run", "--methods", "./nowhere"], "no card.toml"),
        (["table", "--results", "nowhere"], "no such results folder"),
        (["validate", "bicubick"], "did you mean 'bicubic'"),
        (["new", "method", "../evil"], "lower-case letters"),
        (["new", "method", "x" * 65], "at most 64"),
        (["new", "method", "bicubic"], "'bicubic' is there already"),
        (["list", "protocols", "--data", "hellen=/tmp"], "did you mean 'helen'"),
        (["run", "--methods", "bicubic", "--protocols", "helen-x8"], "--data helen"),
    ],
)
def test_misuse_exits_2_with_a_message_that_helps(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_missing_data_says_how_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--methods", "bicubic", "--protocols", "helen-x8,demo-x8", "--limit", "1"]) == 1
    captured = capsys.readouterr()
    assert "--data helen" in captured.err.replace("\n", " ") and "demo-x8" in captured.out


def test_failures_exit_1_and_stay_visible(capsys: pytest.CaptureFixture[str], make_method: MakeMethod) -> None:
    spec = make_method("grumpy", "raise RuntimeError('not today')")
    assert main(["run", "--methods", f"{spec},nearest", "--limit", "2"]) == 1
    captured = capsys.readouterr()
    assert "not today" in captured.err and "grumpy" in captured.out and "nearest" in captured.out
    assert "not today" in Path("results/index.html").read_text()


def test_folder_written_like_a_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "method", "mynet"]) == 0
    assert main(["run", "--methods", "mynet"]) == 2
    assert "write ./mynet" in capsys.readouterr().err
    assert main(["run", "--methods", "bicubic", "--protocols", "mynet"]) == 2
    assert "write ./mynet" in capsys.readouterr().err


def test_one_method_written_twice_is_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "method", "mynet"]) == 0
    assert main(["run", "--methods", "./mynet,./mynet/", "--limit", "2", "--no-report", "--metrics", "psnr"]) == 0
    assert "computed 2 images" in capsys.readouterr().err
    frame = facesr_bench.run(["bicubic", "./mynet", "./mynet/"], limit=2, metrics=["psnr"]).frame
    assert list(frame["method"]) == ["bicubic", "mynet"]


def test_list_protocols_tells_what_is_wrong_with_data_that_was_given(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "no pictures").mkdir()
    arguments = ["list", "protocols", "--data", f"folder={tmp_path}/no pictures", "--data", "helen=nowhere"]
    assert main(arguments) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "not ready helen-x8: nowhere: no such file or folder" in text
    assert "not ready folder-x8:" in text and "no pictures in it" in text
    assert "celeba: " in text and "helen: " not in text


def test_result_that_cannot_be_read_hides_no_failure(
    capsys: pytest.CaptureFixture[str], make_method: MakeMethod
) -> None:
    """Someone's newer release wrote into the same folder: it is left out and counted, and hides no failure."""
    other = Path("results/demo-x8/theirs/0123")
    other.mkdir(parents=True)
    (other / "manifest.json").write_text('{"schema_version": 99}')
    spec = make_method("grumpy", "raise RuntimeError('not today')")
    assert main(["run", "--methods", f"{spec},nearest", "--limit", "1", "--metrics", "psnr"]) == 1
    captured = capsys.readouterr()
    assert "not today" in captured.err and "format 99" in captured.err and "nearest" in captured.out
    assert "1 result can't be read and is left out:" in captured.err and "page: " in captured.err


def test_a_part_without_an_image_says_so_and_has_not_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--methods", "bicubic", "--shard", "9/20", "--metrics", "psnr", "--no-report"]) == 0
    error = capsys.readouterr().err
    assert "demo-x8: part 9 of 20 is empty: there are no more than 7 images" in error
    assert "nothing to compute" not in error and "computed" not in error
    assert main(["run", "--methods", "bicubic", "--shard", "7/20", "--metrics", "psnr", "--no-report"]) == 0
    assert "computed 1 image" in capsys.readouterr().err


def test_a_metric_asked_for_by_name_without_any_number_is_exit_1_in_run_as_in_score(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "none"))
    command = ["run", "--methods", "bicubic,nearest", "--limit", "1", "--no-report"]
    for _ in ("computed", "nothing to compute"):
        assert main([*command, "--metrics", "psnr,lpips"]) == 1
        error = capsys.readouterr().err
        assert "no number demo-x8: lpips has no number (bicubic, nearest): " in error and "lpips-alex" in error
    assert main([*command, "--metrics", "psnr"]) == 0
    assert main(command) == 0, "the protocol's own metrics were not asked for by name: their reasons are notes"
    assert "no number" not in capsys.readouterr().err
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    assert main(["score", "--sr", str(tmp_path), "--hr", str(tmp_path), "--metrics", "lpips"]) == 1


def test_a_damaged_manifest_costs_no_other_result(capsys: pytest.CaptureFixture[str]) -> None:
    """It is counted and shown wherever results are, and the exit status says so."""
    assert main(["run", "--methods", "nearest,bicubic", "--limit", "2", "--metrics", "psnr"]) == 0
    for protocol, text in {"helen-x8": "{torn", "other-x8": '{"schema_version": 2}'}.items():
        path = Path("results", protocol, "theirs", "0123", "manifest.json")
        path.parent.mkdir(parents=True)
        path.write_text(text)
    capsys.readouterr()
    for command in (
        ["table", "--format", "csv"],
        ["table", "--format", "csv", "--protocols", "demo-x8"],
        ["report"],
        ["figure", "distribution"],
        ["run", "--methods", "nearest,bicubic", "--limit", "2", "--metrics", "psnr"],
    ):
        assert main(command) == 1, command
        captured = capsys.readouterr()
        assert "2 results can't be read and are left out:" in captured.err
        assert "helen-x8/theirs/0123/manifest.json: damaged" in captured.err and "remove the folder" in captured.err
        if command[0] == "table":
            assert "nearest" in captured.out and "bicubic" in captured.out
    page = Path("results/index.html").read_text()
    assert "2 results can" in page and "<li>helen-x8/theirs/0123/manifest.json: dam" in page
    assert main(["table", "--methods", "theirs"]) == 2


@pytest.mark.parametrize("what", ["methods", "protocols", "datasets", "metrics", "profiles"])
def test_list(capsys: pytest.CaptureFixture[str], what: str) -> None:
    assert main(["list", what]) == 0
    expected = {
        "methods": "sparnet",
        "protocols": "helen-x8",
        "datasets": "celeba",
        "metrics": "psnr",
        "profiles": "dic",
    }
    assert expected[what] in capsys.readouterr().out


def test_list_protocols_tells_what_is_ready_and_how_to_get_the_rest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["list", "protocols", "--data", f"folder={tmp_path}"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "demo-x8" in text and "ready" in text and "no data yet" in text and "--data helen=DIR" in text


def test_new_method_validates_and_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "method", "mynet"]) == 0
    assert "facesr-bench validate ./mynet" in capsys.readouterr().out
    assert main(["validate", "./mynet"]) == 0
    assert "all checks passed" in capsys.readouterr().out
    assert main(["run", "--methods", "./mynet", "--limit", "1"]) == 0
    assert main(["new", "method", "mynet"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_new_prints_commands_that_a_shell_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "method", "mynet", "--out", "my nets"]) == 0
    command = capsys.readouterr().out.partition("check it:")[2].splitlines()[0]
    assert shlex.split(command) == ["facesr-bench", "validate", "./my nets/mynet"]
    assert main(["validate", "./my nets/mynet"]) == 0


@pytest.mark.parametrize("limits", ["output_size = 100", "scales = [3]", "scales = [8, 4]\noutput_size = 36"])
def test_validate_picks_a_size_that_the_card_allows(
    capsys: pytest.CaptureFixture[str], make_method: MakeMethod, limits: str
) -> None:
    spec = Path(make_method("sized", NEAREST))
    with (spec / "card.toml").open("a") as card:
        card.write(limits)
    assert main(["validate", str(spec)]) == 0
    assert "all checks passed" in capsys.readouterr().out


def test_validate_tells_of_sizes_that_the_method_refuses(
    capsys: pytest.CaptureFixture[str], make_method: MakeMethod
) -> None:
    spec = Path(make_method("sized", NEAREST))
    with (spec / "card.toml").open("a") as card:
        card.write("scales = [3]\noutput_size = 100")
    assert main(["validate", str(spec)]) == 1
    assert "failed load: sized makes 100x100 images" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos", "bicubic-matlab"])
def test_builtin_methods_validate(capsys: pytest.CaptureFixture[str], method: str) -> None:
    assert main(["validate", method]) == 0
    assert "batch invariance" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "body", "check"),
    [
        ("shape", "return lr", "shape"),
        ("range", NEAREST + " * 2", "range"),
        ("dtype", NEAREST + ".double()", "dtype"),
        ("random", NEAREST + " * torch.rand(1)", "determinism"),
        ("batchnorm", "lr = lr - lr.mean() + 0.5\n" + NEAREST + ".clamp(0, 1)", "batch invariance"),
        ("inplace", "lr.mul_(0.5)\n" + NEAREST, "input kept: upscale changed its input"),
        ("grad", NEAREST + ".requires_grad_()", "no gradient"),
        ("even", "assert lr.shape[-1] % 2 == 0\n" + NEAREST, "odd sizes"),
        ("raises", "raise RuntimeError('boom')", "upscale: RuntimeError: boom"),
    ],
)
def test_validate_finds_each_broken_promise(
    capsys: pytest.CaptureFixture[str], make_method: MakeMethod, name: str, body: str, check: str
) -> None:
    assert main(["validate", make_method(name, body)]) == 1
    output = " ".join(capsys.readouterr().out.split())
    assert f"failed {check}" in output


def test_validate_tells_of_bad_card_and_failed_import(
    capsys: pytest.CaptureFixture[str], make_method: MakeMethod
) -> None:
    spec = Path(make_method("broken", "return lr", head="import no_such_module\n" + HEAD))
    assert main(["validate", str(spec)]) == 1
    output = capsys.readouterr().out
    assert "no_such_module" in output and "Traceback" in output
    (spec / "card.toml").write_text("schema_version = 1\nkind = 'method'\n")
    assert main(["validate", str(spec)]) == 1
    assert "licence" in capsys.readouterr().out


def test_manifest_says_where_the_numbers_come_from() -> None:
    assert main(["run", "--methods", "bicubic", "--limit", "1", "--no-report"]) == 0
    manifest = json.loads(next(Path("results").glob("*/*/*/manifest.json")).read_text())
    assert manifest["schema_version"] == 3 and manifest["profile"]["name"] == "sparnet"
    assert manifest["environment"]["packages"]["torch"] and manifest["environment"]["device"] == "cpu"
    assert manifest["data"]["count"] == 7 and len(manifest["data"]["hash"]) == 64
    assert manifest["metrics"]["psnr"]["version"] >= 1 and manifest["command"]


def test_score_two_folders(capsys: pytest.CaptureFixture[str], faces: Path, tmp_path: Path) -> None:
    """Means and csv equal `facesr_bench.score`; a missing partner and a wrong size are told."""
    blurred = tmp_path / "blurred"
    blurred.mkdir()
    expected = {}
    for path in sorted(faces.iterdir()):
        face = Image.open(path)
        face.resize((16, 16)).resize((64, 64)).save(blurred / f"{path.stem}.bmp")
        expected[path.stem] = facesr_bench.score(
            read_image(blurred / f"{path.stem}.bmp"), read_image(path), profile="dic"
        )
    arguments = ["score", "--sr", str(blurred), "--hr", str(faces), "--profile", "dic", "--out", "scores.csv"]
    assert main(arguments) == 0
    rows = list(csv.DictReader(io.StringIO(Path("scores.csv").read_text())))
    assert {row["image"]: {"psnr": float(row["psnr"]), "ssim": float(row["ssim"])} for row in rows} == expected
    mean = sum(values["psnr"] for values in expected.values()) / len(expected)
    out = capsys.readouterr().out
    assert re.search(r"PSNR +\n +\(dB\) +\n", out) and re.search(rf"^blurred +{mean:.2f} ", out, re.M)
    Image.new("RGB", (32, 32)).save(blurred / "face0.bmp")
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert "face0" in captured.err and "n = 4" in captured.out
    rows = list(csv.DictReader(io.StringIO(Path("scores.csv").read_text())))
    assert [row["image"] for row in rows] == sorted(expected) and rows[0]["psnr"] == "", "a line for it all the same"
    (blurred / "face0.bmp").unlink()
    assert main(arguments) == 2
    assert "face0.png: none in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--out", "."], "name the file to write"),
        (["--out", "face.png/scores.csv"], "face.png/scores.csv: can't be written"),
        (["--metrics", ","], "at least one metric"),
        (["--metrics", "psnrr"], "did you mean 'psnr'"),
        (["--scale", "0"], "scale 0: it must be at least 1"),
        (["--profile", "dicc"], "did you mean 'dic'"),
    ],
)
def test_misused_score_says_so_before_any_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, faces: Path, more: list[str], message: str
) -> None:
    monkeypatch.setattr("facesr_bench.evaluation.folders.score_folders", lambda *_, **__: pytest.fail("it scored"))
    Image.new("RGB", (8, 8)).save("face.png")
    assert main(["score", "--sr", str(faces), "--hr", str(faces), *more]) == 2
    assert message in capsys.readouterr().err


def test_score_of_nothing_readable_exits_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "face.png").write_text("no picture")
    assert main(["score", "--sr", str(folder), "--hr", str(folder), "--out", "new/scores.csv"]) == 2
    assert "not a picture" in capsys.readouterr().err
    assert Path("new/scores.csv").read_text() == "image,psnr,ssim\nface,,\n"
