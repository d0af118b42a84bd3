"""Losses that run away, a full disk, a closed pipe: what was good stays, and the message helps."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path

import pytest
import torch

from facesr_bench.cli import main
from facesr_bench.training.checkpoints import read_log, read_state
from tests.training_runs import MakeTiny, start, tensors


def test_a_loss_that_is_not_finite_stops_it(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", tiny(), "--data", str(data), "--out", "run"]
    assert main([*common, "--steps", "10"]) == 0
    good = tensors(Path("run/last.safetensors"))
    assert main([*common, "--resume", "--steps", "50", "--set", "lr=1e30", "--set", "divergence=0"]) == 1
    error = capsys.readouterr().err
    assert "is nan" in error or "is inf" in error or "not finite" in error
    assert "last good checkpoint is run/last.pt (step 10)" in error and "--resume" in error
    assert read_state(Path("run/last.pt"))["step"] == 10
    assert all(torch.equal(good[k], v) for k, v in tensors(Path("run/last.safetensors")).items())
    assert main([*common, "--resume", "--steps", "12", "--set", "lr=1e-4"]) == 0


def test_a_loss_that_runs_away_stops_it(tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", tiny(), "--data", str(data), "--out", "run"]
    assert main([*common, "--steps", "10"]) == 0
    assert main([*common, "--resume", "--steps", "100", "--set", "lr=100"]) == 1
    assert "has diverged" in capsys.readouterr().err
    assert all(math.isfinite(line["l1"]) for line in read_log(Path("run/log.jsonl")) if "l1" in line)


def test_nobody_reads_the_lines_any_more(tiny: MakeTiny, data: Path) -> None:
    """As with `| head -1`: training goes on, and its log has every step."""
    process = start(tiny(), "--data", str(data), "--out", "run", "--steps", "20")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=300) == 0
    assert [line["step"] for line in read_log(Path("run/log.jsonl")) if "l1" in line] == [5, 10, 15, 20]
    assert read_state(Path("run/last.pt"))["step"] == 20
    listing = start("sparnet", "--list-settings")
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.wait(timeout=300) == 0


def test_a_log_that_can_not_be_written_is_one_message(
    tiny: MakeTiny, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ["train", tiny(), "--data", str(data), "--steps", "20"]
    Path("taken/log.jsonl").mkdir(parents=True)
    assert main([*common, "--out", "taken"]) == 2
    assert "taken/log.jsonl: can't be written: Is a directory" in capsys.readouterr().err

    def full(_value: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("facesr_bench.training.log.json.dumps", full)
    assert main([*common, "--out", "full"]) == 2
    assert "full/log.jsonl: can't be written: No space left on device" in capsys.readouterr().err
