"""The logs of trainings in this repository: repeated, and as their READMEs say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors import safe_open

from facesr_bench.cli import main
from facesr_bench.plugins import registry
from facesr_bench.training.checkpoints import read_log
from tests.training_runs import ROOT


def losses_of(log: Path) -> dict[int, float]:
    """The pixel loss (L1, or SRCNN's L2) of each step."""
    lines = [line for line in read_log(log) if line.keys() & {"l1", "l2"}]
    return {line["step"]: float(line["l1"] if "l1" in line else line["l2"]) for line in lines}


# Other processors sum in another order, and round to bf16 elsewhere; a wrong sample, rate or loss is off by far more.
@pytest.mark.parametrize(
    ("method", "off"),
    [
        ("sparnet", 5e-3),
        pytest.param("sparnet-light-3d", 5e-3, marks=pytest.mark.full),
        pytest.param("edsr", 5e-3, marks=pytest.mark.full),
        ("srcnn", 5e-3),
    ],
)
def test_the_first_20_steps_of_the_shipped_training_are_those_of_the_log(
    method: str, off: float, shared: Path, tmp_path: Path
) -> None:
    """methods/*/training/first20.jsonl was made by this command; see the README beside it."""
    folder = ROOT / "methods" / method.replace("-", "_") / "training"
    logged = losses_of(folder / "first20.jsonl")
    assert sorted(logged) == list(range(1, 21))
    words = next(
        line for line in (folder / "README.md").read_text().splitlines() if "--out runs/first20" in line
    ).split()
    assert words[:3] == ["facesr-bench", "train", method]
    words[words.index("FACES")] = str(shared / "faces" / "train144")
    assert main(words[1:]) == 0
    assert losses_of(Path("runs/first20/log.jsonl")) == pytest.approx(logged, abs=off)
    shutil.rmtree("runs")


@pytest.mark.parametrize(
    ("method", "log"),
    [
        ("sparnet", "sparnet-5.jsonl"),
        ("sparnet-light-3d", "log.jsonl"),
        ("edsr", "log.jsonl"),
        ("srcnn", "log.jsonl"),
    ],
)
def test_shipped_weights_are_those_of_their_log(method: str, log: str) -> None:
    folder = ROOT / "methods" / method.replace("-", "_")
    lines = read_log(folder / "training" / log)
    scored = {line["step"]: line["psnr"] for line in lines if line.get("psnr") is not None}
    file = registry.methods().get(method).require_card().weights["bundled"].file
    assert file is not None
    with safe_open(folder / file, "pt") as weights:
        facts = weights.metadata()
        kinds = {str(weights.get_tensor(name).dtype) for name in weights.keys()}  # noqa: SIM118 - it is no dict
        assert kinds <= {"torch.float16", "torch.int64"}
    assert scored[int(facts["steps"])] == max(scored.values()) == float(facts["validation_psnr"])
    assert int(facts["samples"]) == lines[-1]["samples"] and facts["method"] == method
    assert float(facts["validation_psnr_bicubic"]) == lines[0]["bicubic_psnr"]
    assert (folder / file).stat().st_size <= 25e6


def test_logs_of_shipped_trainings_hold_what_the_readmes_say() -> None:
    folder = ROOT / "methods" / "sparnethd" / "training"
    lines = [line for line in read_log(folder / "log.jsonl") if "l1" in line]
    assert lines[-1]["step"] == 200
    for term in ("l1", "feature_matching", "perceptual"):
        assert lines[-1][term] < lines[0][term]
    first, last = lines[0], lines[-1]
    assert last["d_real"] + last["d_fake"] < first["d_real"] + first["d_fake"] < 2.0
    assert json.loads((folder / "log.jsonl").read_text().splitlines()[0])["settings"]["pixel"] == 100
