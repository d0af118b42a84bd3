"""Losses that are not finite or run away: training stops, and what was good stays."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from facesr_bench.cli import main
from facesr_bench.training.checkpoints import read_log, read_state
from tests.training_runs import MakeTiny, tensors


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
