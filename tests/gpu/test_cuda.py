"""The GPU path against the CPU, where there is a GPU; the check's own course without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import facesr_bench
from facesr_bench.evaluation import in_torch
from facesr_bench.images.resize import resize

from . import agreement, check, whole
from .journal import Line

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def come_to(lines: agreement.Lines) -> dict[str, Line]:
    return {name: agreement.tried(compute) for name, compute in lines.items()}


def wrong(lines: dict[str, Line]) -> dict[str, Line]:
    return {name: line for name, line in lines.items() if line.well is False}


@needs_gpu
def test_every_method_gives_the_cpus_pictures_on_a_gpu() -> None:
    found = come_to(agreement.methods(agreement.crops(4), "cuda"))
    assert found and wrong(found) == {}


@needs_gpu
def test_every_metric_gives_the_cpus_values_on_a_gpu() -> None:
    found = come_to(agreement.metrics(agreement.crops(4), "cuda", agreement.metric_names()))
    assert found and wrong(found) == {}


@needs_gpu
def test_compiled_networks_and_cuda_graphs_give_the_pictures_of_torch_as_it_is() -> None:
    found = come_to(agreement.faster(agreement.crops(4), "cuda"))
    assert {name for name, line in found.items() if line.well} >= {"sparnet (torch-compile)", "sparnet (cuda-graphs)"}
    assert wrong(found) == {}


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
    one, other = (whole.evaluation(faces, "cuda", ahead=ahead) for ahead in (True, False))
    assert one.well and other.well, (one.said, other.said)
    assert all(one.figures[name] == other.figures[name] for name in ("pictures", "psnr"))


def test_the_comparison_tells_pictures_apart() -> None:
    """On one device all is equal to itself; another method's pictures are not."""
    faces = agreement.crops(2)
    assert wrong(come_to({name: agreement.methods(faces, "cpu")[name] for name in ("bicubic", "input")})) == {}
    lines = agreement.metrics(faces, "cpu", ("psnr", "lr-psnr", "fid", "no-such"))
    for name, line in come_to(lines).items():
        if name == "no-such":
            assert line.well is None and "no-such" in line.said
        else:
            assert line.well and line.said.startswith("off by 0.0e+00 at most"), line
    one, other = (facesr_bench.load_method(name) for name in ("bicubic", "lanczos"))
    gaps = agreement.gaps_of(one, other, [resize(faces[0], (16, 16))])
    assert agreement._line(gaps, 1, 0.002).well is False


def test_what_fails_on_a_device_alone_is_wrong_and_costs_its_own_line() -> None:
    """There is no such device here: all is well on the CPU, and nothing there."""
    faces = agreement.crops(1)
    lines = {**agreement.metrics(faces, "cuda:9", ("psnr", "nme-dlib")), **whole.evaluations(faces, "cuda:9", {})}
    found = come_to({**lines, "bicubic": agreement.methods(faces, "cuda:9")["bicubic"]})
    assert not found["cuda:9"].well and "torch sees" in found["cuda:9"].said
    assert not found["cpu"].well and "KeyError" in found["cpu"].said, "there is nothing to hold it against"


PARTS = """
import os, signal, sys, time
from pathlib import Path
from tests.gpu import work
from tests.gpu.journal import Journal, Line

once = Path(sys.argv[1]).with_name("once")

def lost():
    if once.exists():
        raise AssertionError("it was computed again")
    once.touch()
    raise RuntimeError("CUDA error: an illegal memory access was encountered")

def parts(device, quick, faces, evaluated):
    print("what a library says")
    return {
        "one": {"fine": lambda: Line(True, f"by {os.getpid()}"), "raises": lambda: 1 / 0, "ends": sys.exit},
        "evaluation": {"lost": lost, "after": lambda: Line(True, ",".join(evaluated))},
        "two": {"killed": lambda: os.kill(os.getpid(), signal.SIGKILL), "hangs": lambda: time.sleep(600)},
        "three": {"fine": lambda: Line(True, f"by {os.getpid()}"), "slow": lambda: time.sleep(600), "never": None},
    }

sys.exit(work.work(Journal(Path(sys.argv[1])), "cpu", True, None, float(sys.argv[2]), parts))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs signals")
def test_a_part_that_raises_dies_or_hangs_costs_its_own_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    def command(path: Path) -> list[str]:
        if (tmp_path / "gpu.txt").exists():
            seen.append((tmp_path / "gpu.txt").read_text())
        # Behind the line that is too slow there is no time for the last one.
        end = time.time() + (0 if len(seen) > 3 else 600)
        return [sys.executable, "-c", PARTS, str(path), str(end)]

    assert check.check(tmp_path, command, time.time() + 600, patience=3) == 1
    facts = json.loads((tmp_path / "gpu.json").read_text())
    found = {(line["part"], line["name"]): line for line in facts["lines"]}
    said = {name: line["said"] for (_, name), line in found.items() if not line["well"]}
    assert said == {
        "raises": "failed: ZeroDivisionError: division by zero",
        "ends": "failed: SystemExit",
        "lost": "failed: RuntimeError: CUDA error: an illegal memory access was encountered",
        "killed": "failed: the process ended with status -9 (see gpu.log)",
        "hangs": "failed: it was not done in 3 s",
        "slow": "failed: it was not done in 3 s",
    }
    assert "in <lambda>" in found["one", "raises"]["figures"]["traceback"]
    assert found["evaluation", "after"]["said"] == "lost", "a new process knows what the one before it has found"
    assert found["one", "fine"]["said"] != found["three", "fine"]["said"]
    assert facts["left_out"] == [["three", "never"]]
    shown = capfd.readouterr().out
    for name in ("raises", "killed", "slow"):
        assert said[name] in shown and said[name] in (tmp_path / "gpu.txt").read_text()
    assert "0 not tried, 1 left out" in shown and "left out: three: never" in shown
    assert "raises" in seen[0] and "killed" not in seen[0], "what there was stood in the file before the rest began"
    assert "what a library says" in (tmp_path / "gpu.log").read_text()


@pytest.mark.full
def test_the_check_runs_to_its_end_without_a_gpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gpu.check", "--device", "cpu", "--quick", "--out", str(tmp_path)]
    command += ["--minutes", "60"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "gpu.json").read_text())
    assert facts["left_out"] == []
    well = {(line["part"].split(",")[0], line["name"]): line for line in facts["lines"] if line["well"]}
    assert not [line for line in facts["lines"] if line["well"] is False]
    expected = {
        *(("methods", name) for name in ("sparnet", "sparnet (bf16)", "bicubic")),
        *(("batches", name) for name in ("sparnet", "srcnn")),
        *(("metrics", name) for name in ("lr-psnr", "nme-dlib", "fid[clean]", "kid[clean]")),
        *(("speed", f"sparnet, {precision}, batch {count}") for precision in ("fp32", "bf16") for count in (1, 2)),
        *(("evaluation", name) for name in ("cpu", "cpu, nothing ahead")),
    }
    if in_torch._compiler("cpu") is not None:
        expected |= {("backends", "sparnet (torch-compile)"), ("evaluation", "cpu, torch-compile")}
    assert expected <= well.keys()
    psnr = well["evaluation", "cpu"]["figures"]["psnr"]
    assert psnr["sparnet"] > psnr["bicubic"]
