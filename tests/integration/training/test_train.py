"""Training as a user meets it: from start to use, and what is said of mistakes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from facesr_bench.base.text import counted
from facesr_bench.cli import main
from facesr_bench.training.checkpoints import read_log
from tests.training_runs import MakeTiny, tensors


def test_a_training_from_start_to_use(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method = tiny()
    assert main(["train", method, "--data", str(data), "--out", "run", "--steps", "40"]) == 0
    out = capsys.readouterr().out
    assert "from step 0 to step 40, batch 4" in out and "22 faces, 2 held out" in out
    assert "step 40/40  l1 " in out and "images/s  PSNR" in out and "(best" in out and "ETA" in out
    lines = read_log(Path("run/log.jsonl"))
    assert lines[0]["settings"]["batch_size"] == 4 and lines[0]["environment"]["packages"]["torch"]
    steps = [line for line in lines if "l1" in line]
    assert [line["step"] for line in steps] == list(range(5, 41, 5))
    assert steps[-1]["samples"] == 160 and steps[-1]["l1"] < steps[0]["l1"]
    assert [line["psnr"] is not None for line in steps] == [False, True] * 4
    best = max(line["psnr"] for line in steps if line["psnr"] is not None)
    with safe_open(Path("run/best.safetensors"), "pt") as file:
        metadata = file.metadata()
    assert float(metadata["validation_psnr"]) == best
    assert metadata["method"] == "tiny" and metadata["losses"] == "l1" and metadata["samples"].isdigit()
    assert list(Path("run/tensorboard").glob("events*"))
    assert not list(Path("run").glob("*.partial"))

    specs = f"{method}@run/best.safetensors,{method}@run/last.safetensors,bicubic"
    folder = Path("faces")
    folder.mkdir()
    for path in sorted(data.iterdir())[:3]:
        Image.open(path).resize((32, 32)).save(folder / path.name)
    assert main(["run", "--methods", specs, "--protocols", "folder-x8", "--data", "folder=faces", "--no-report"]) == 0
    assert "computed 9 images" in capsys.readouterr().err


def test_the_real_network_trains_and_its_checkpoint_runs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--steps", "1", "--set", "batch_size=1", "--set", "validation=1"]
    assert main(["train", "sparnet-light-3d", "--data", str(data), "--out", "run", *options]) == 0
    methods = "sparnet-light-3d@run/best.safetensors"
    assert main(["run", "--methods", methods, "--limit", "1", "--no-report"]) == 0
    assert "computed 1 image;" in capsys.readouterr().err
    export = ["weights", "export", "run/best.safetensors", "--out", "light.safetensors", "--licence", "CC0"]
    assert main(export) == 0
    assert main(["run", "--methods", "sparnet-light-3d@light.safetensors", "--limit", "1", "--no-report"]) == 0


def test_a_training_starts_from_given_weights(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", tiny(), "--data", str(data)]
    assert main([*common, "--out", "first", "--steps", "10"]) == 0
    options = ["--init", "first/last.safetensors", "--steps", "1", "--set", "lr=1e-9", "--set", "ema=0"]
    assert main([*common, "--out", "second", *options]) == 0
    one, other = tensors(Path("first/last.safetensors")), tensors(Path("second/last.safetensors"))
    torch.testing.assert_close(other["last.weight_orig"], one["last.weight_orig"], atol=1e-6, rtol=0)
    # What it was begun from is told by log and weights, also by those of a later start.
    expected = {
        "init": "last.safetensors",
        "init_sha256": hashlib.sha256(Path("first/last.safetensors").read_bytes()).hexdigest(),
    }
    assert main([*common, "--out", "second", "--resume", "--steps", "2"]) == 0
    starts = [line["arguments"] for line in read_log(Path("second/log.jsonl")) if "arguments" in line]
    assert [{key: start[key] for key in expected} for start in starts] == [expected, expected]
    with safe_open(Path("second/last.safetensors"), "pt") as file:
        assert expected.items() <= file.metadata().items()
    with safe_open(Path("first/last.safetensors"), "pt") as file:
        assert not expected.keys() & file.metadata().keys()
    save_file({"a": torch.zeros(1)}, "other.safetensors")
    assert main([*common, "--out", "third", "--init", "other.safetensors"]) == 2
    assert "these are not weights of tiny" in capsys.readouterr().err


def test_half_precision_and_charbonnier(tiny: MakeTiny, data: Path) -> None:
    options = ["--steps", "20", "--precision", "bf16", "--set", "loss=charbonnier"]
    assert main(["train", tiny(), "--data", str(data), "--out", "run", *options]) == 0
    losses = [line["charbonnier"] for line in read_log(Path("run/log.jsonl")) if "charbonnier" in line]
    assert losses[-1] < losses[0]
    assert all(
        t.dtype is torch.float32 for t in tensors(Path("run/last.safetensors")).values() if t.is_floating_point()
    )


def test_list_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sparnethd", "--list-settings", "--set", "batch_size=3"]) == 0
    out = capsys.readouterr().out
    assert "batch_size=3" in out and "feature_matching=10" in out and "constant, linear, cosine" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "batch_sizes=2"], "did you mean 'batch_size'"),
        (["--resume"], "nothing to resume"),
        (["--steps", "0"], "--steps 0: must be a number, more than 0"),
        (["--minutes", "nan"], "--minutes nan: must be a number"),
        (["--minutes", "inf"], "--minutes inf: must be a number"),
        (["--set", "batch_size=23"], "more than the 22 faces"),
        (["--minutes", "1", "--set", "schedule=cosine"], "give --steps or --epochs beside --minutes"),
        (["--device", "gpu"], "device 'gpu': it must be auto, cpu, cuda, or cuda:N"),
        (["--device", "cuda:99"], f"{counted(torch.cuda.device_count(), 'CUDA device')} here"),
        (["--devices", "3"], "can't be shared by 3 devices"),
        (["--device", "meta"], "device 'meta': it must be auto, cpu, cuda, or cuda:N"),
        (["--seed", "-1"], "--seed -1"),
        (["--seed", "9" * 30], "less than 2^63"),
        (["--set", "image_size=8", "--set", "scale=8", "--init", "nowhere.safetensors"], "no such file"),
    ],
)
def test_misuse_exits_2_with_a_message_that_helps(
    tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["train", tiny(), "--data", str(data), "--out", "run", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_size_that_the_network_can_not_take_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--steps", "1", "--set", "image_size=16", "--set", "batch_size=1"]
    assert main(["train", "sparnet-light-3d", "--data", str(data), "--out", "run", *options]) == 2
    assert "can't be trained with image_size=16" in capsys.readouterr().err
