"""The GPU path against the CPU, where there is a GPU; the check's own course without one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from facesr_bench.images.resize import resize

from . import agreement

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@needs_gpu
def test_every_method_gives_the_cpus_pictures_on_a_gpu() -> None:
    found = agreement.methods(agreement.crops(4), "cuda")
    assert found and [line for line in found if line.well is False] == []


@needs_gpu
def test_every_metric_gives_the_cpus_values_on_a_gpu() -> None:
    found = agreement.metrics(agreement.crops(2), "cuda", agreement.metric_names())
    assert found and [line for line in found if line.well is False] == []


def test_the_comparison_tells_pictures_apart() -> None:
    """On one device all is equal to itself; another method's pictures are not."""
    faces = agreement.crops(2)
    lrs = [resize(face, (16, 16)) for face in faces]
    assert agreement._method("bicubic", lrs, "cpu", "fp32").well
    assert agreement._metric("psnr", [(faces[0], faces[1])], "cpu").said == "off by 0.0e+00 at most"
    assert agreement._metric("no-such", [], "cpu").well is None


@pytest.mark.full
def test_the_check_runs_to_its_end_without_a_gpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gpu.check", "--device", "cpu", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "gpu.json").read_text())
    assert {line["name"] for line in facts["methods"] if line["well"]} >= {"sparnet", "sparnet (bf16)", "bicubic"}
    assert [rate["batch"] for rate in facts["speed"]] == [1, 2, 1, 2]
    assert facts["evaluation"]["cpu"]["psnr"]["sparnet"] > facts["evaluation"]["cpu"]["psnr"]["bicubic"]
