"""The GPU path against the CPU, where there is a GPU; the check's own course without one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import facesr_bench
from facesr_bench.evaluation import in_torch
from facesr_bench.images.resize import resize

from . import agreement, check, speed

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@needs_gpu
def test_every_method_gives_the_cpus_pictures_on_a_gpu() -> None:
    found = agreement.methods(agreement.crops(4), "cuda")
    assert found and [line for line in found if line.well is False] == []


@needs_gpu
def test_every_metric_gives_the_cpus_values_on_a_gpu() -> None:
    found = agreement.metrics(agreement.crops(4), "cuda", agreement.metric_names())
    assert found and [line for line in found if line.well is False] == []


@needs_gpu
def test_compiled_networks_and_cuda_graphs_give_the_pictures_of_torch_as_it_is() -> None:
    found = agreement.faster(agreement.crops(4), "cuda")
    assert {line.name for line in found if line.well} >= {"sparnet (torch-compile)", "sparnet (cuda-graphs)"}
    assert [line for line in found if line.well is False] == []


@needs_gpu
def test_a_cuda_graph_replays_the_very_kernels() -> None:
    plain = facesr_bench.load_method("sparnet", device="cuda")
    lrs = [resize(face, (16, 16)) for face in agreement.crops(16)]
    batch = plain.batch([plain.given(lr) for lr in lrs])
    assert torch.equal(in_torch.in_torch(plain, in_torch.GRAPHS).upscale(batch), plain.upscale(batch))


@needs_gpu
@pytest.mark.parametrize("backend", in_torch.IN_TORCH)
def test_a_picture_depends_on_no_batch(backend: str) -> None:
    method = in_torch.in_torch(facesr_bench.load_method("sparnet", device="cuda"), backend)
    batch = method.batch([method.given(resize(face, (16, 16))) for face in agreement.crops(19)])
    whole = method.upscale(batch)
    assert torch.equal(whole, torch.cat([method.upscale(batch[:1]), method.upscale(batch[1:])]))


@needs_gpu
def test_prefetch_and_pinned_memory_change_no_number() -> None:
    faces = agreement.crops(20)
    one, other = (check.evaluation(faces, "cuda", ahead=ahead) for ahead in (True, False))
    assert one["problems"] == other["problems"] == []
    assert (one["pictures"], one["psnr"]) == (other["pictures"], other["psnr"])


def test_the_comparison_tells_pictures_apart(tmp_path: Path) -> None:
    """On one device all is equal to itself; another method's pictures are not."""
    faces = agreement.crops(2)
    lrs = [resize(face, (16, 16)) for face in faces]
    assert agreement._method("bicubic", lrs, "cpu", "fp32").well
    for name in ("psnr", "lr-psnr", "fid"):
        line = agreement._metric(name, faces, "cpu", tmp_path / name)
        assert line.well and line.said.startswith("off by 0.0e+00 at most"), line
    assert agreement._metric("no-such", faces, "cpu", tmp_path / "no-such").well is None


@pytest.mark.full
def test_the_check_runs_to_its_end_without_a_gpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gpu.check", "--device", "cpu", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "gpu.json").read_text())
    assert {line["name"] for line in facts["methods"] if line["well"]} >= {"sparnet", "sparnet (bf16)", "bicubic"}
    assert [rate["batch"] for rate in facts["speed"]] == [1, 2, 1, 2]
    assert {"lr-psnr", "nme-dlib", "fid[clean]", "kid[clean]"} <= {line["name"] for line in facts["metrics"]}
    assert not [line for kind in ("methods", "metrics", "backends") for line in facts[kind] if line["well"] is False]
    if speed.works(in_torch.COMPILED, "cpu"):
        assert "sparnet (torch-compile)" in {line["name"] for line in facts["backends"] if line["well"]}
        assert facts["evaluation"]["cpu, torch-compile"]["psnr"]
    assert facts["evaluation"]["cpu"]["psnr"]["sparnet"] > facts["evaluation"]["cpu"]["psnr"]["bicubic"]
