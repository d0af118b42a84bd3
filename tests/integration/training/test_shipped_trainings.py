"""The logs of trainings in this repository: repeated, and as their READMEs say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from facesr_bench.cli import main
from facesr_bench.training.checkpoints import read_log
from tests.training_runs import ROOT


def test_the_first_20_steps_of_the_shipped_training_are_those_of_the_log(shared: Path, tmp_path: Path) -> None:
    """methods/sparnet/training/first20.jsonl was made by this command; see the README beside it."""
    folder = ROOT / "methods" / "sparnet" / "training"
    logged = {line["step"]: line["l1"] for line in read_log(folder / "first20.jsonl") if "l1" in line}
    assert sorted(logged) == list(range(1, 21))
    words = next(
        line for line in (folder / "README.md").read_text().splitlines() if "--out runs/first20" in line
    ).split()
    assert words[:3] == ["facesr-bench", "train", "sparnet"]
    words[words.index("FACES")] = str(shared / "faces" / "train144")
    assert main(words[1:]) == 0
    again = {line["step"]: line["l1"] for line in read_log(Path("runs/first20/log.jsonl")) if "l1" in line}
    # Other processors sum in another order; a wrong sample, rate or loss is off by far more.
    assert again == pytest.approx(logged, abs=2e-3)
    shutil.rmtree("runs")


def test_logs_of_shipped_trainings_hold_what_the_readmes_say() -> None:
    folder = ROOT / "methods" / "sparnethd" / "training"
    lines = [line for line in read_log(folder / "log.jsonl") if "l1" in line]
    assert lines[-1]["step"] == 200
    for term in ("l1", "feature_matching", "perceptual"):
        assert lines[-1][term] < lines[0][term]
    first, last = lines[0], lines[-1]
    assert last["d_real"] + last["d_fake"] < first["d_real"] + first["d_fake"] < 2.0
    assert json.loads((folder / "log.jsonl").read_text().splitlines()[0])["settings"]["pixel"] == 100
