"""Processes against one process, and where the time of a run goes, each measured in one go.

python -m pytest -m "full or not full" tests/benchmarks/test_executors.py -s
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

COUNT = 60


def whole_run(faces: Path, out: Path, *options: str, **environment: str) -> tuple[float, str]:
    """Seconds of a `facesr-bench run` from start to end, and what it wrote on standard error."""
    command = [sys.executable, "-m", "facesr_bench", "run", "--methods", "sparnet,bicubic"]
    command += ["--protocols", "folder-x8", "--data", f"folder-x8={faces}", "--no-report", "--attention", "0"]
    command += ["--metrics", "psnr,ssim", "--out", str(out), *options]
    begun = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    return time.perf_counter() - begun, done.stderr


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory, astronaut: NDArray[np.uint8]) -> Path:
    """Different 128x128 crops of one face."""
    folder = tmp_path_factory.mktemp("executors")
    for i in range(COUNT):
        left, top = (7 * i) % 64, (11 * i) % 64
        Image.fromarray(astronaut[top : top + 128, left : left + 128]).save(folder / f"{i:04}.png")
    return folder


@pytest.mark.full
def test_processes_against_one_process_of_one_thread(benchmark: Any, faces: Path, tmp_path: Path) -> None:
    """Start-up included, the two in turns; on a machine with something else to do the ratio says little."""
    seconds: dict[str, list[float]] = {"threads": [], "processes": []}

    def measure() -> None:
        for executor, times in seconds.items():
            out = tmp_path / f"{executor}{len(times)}"
            times.append(whole_run(faces, out, "--executor", executor, OMP_NUM_THREADS="1")[0])

    benchmark.pedantic(measure, rounds=2)
    ratio = min(seconds["threads"]) / min(seconds["processes"])
    benchmark.extra_info.update(seconds, ratio=ratio, load=os.getloadavg()[0])
    print(f"\nthreads {seconds['threads']}, processes {seconds['processes']}: {ratio:.2f} times, load", os.getloadavg())
    if os.getloadavg()[0] < 1.2 * (os.cpu_count() or 1):
        assert ratio > 1.1


@pytest.mark.full
def test_processes_against_the_default(benchmark: Any, faces: Path, tmp_path: Path) -> None:
    """Two processes of one thread against one process with as many threads of torch as cores; start-up included."""
    ways = {"default": (), "processes": ("--executor", "processes")}
    seconds: dict[str, list[float]] = {name: [] for name in ways}

    def measure() -> None:
        for name, options in ways.items():
            out = tmp_path / f"{name}{len(seconds[name])}"
            seconds[name].append(whole_run(faces, out, *options, OMP_NUM_THREADS=str(os.cpu_count() or 1))[0])

    benchmark.pedantic(measure, rounds=2)
    ratio = min(seconds["default"]) / min(seconds["processes"])
    benchmark.extra_info.update(seconds, ratio=ratio, load=os.getloadavg()[0])
    print(f"\ndefault {seconds['default']}, processes {seconds['processes']}: {ratio:.2f} times, load", os.getloadavg())


BUSY = "while True: pass"


@contextlib.contextmanager
def other_jobs(count: int) -> Iterator[None]:
    """Somebody else's jobs, which want a core each."""
    jobs = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for job in jobs:
            job.kill()
            job.wait()


FORWARD = """
import sys, time, torch, facesr_bench
method, x = facesr_bench.load_method("sparnet"), torch.rand(1, 3, 128, 128)
method.upscale(x)
begun = time.perf_counter()
for _ in range(int(sys.argv[1])):
    method.upscale(x)
print((time.perf_counter() - begun) / int(sys.argv[1]))
"""


def seconds_of_sparnet(images: int, **environment: str) -> float:
    """Wall seconds an image, of a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "KMP_", "MKL_"))}
    command = [sys.executable, "-c", FORWARD, str(images)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**inherited, **environment})
    return float(done.stdout)


@pytest.mark.full
def test_other_jobs_cost_no_more_than_their_share(benchmark: Any) -> None:
    """A network beside two busy jobs on two cores: threads that wait asleep, as the command line has them wait, and one
    thread, as workers have, against threads that spin. A fair share with as many busy jobs as cores is half of a core
    for each thread, so twice the time."""
    cores = os.cpu_count() or 1
    ways = {
        "asleep": {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(cores)},
        "one thread": {"OMP_NUM_THREADS": "1"},
        "spinning": {"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": str(cores)},
    }
    alone: dict[str, float] = {}
    beside: dict[str, float] = {}

    def measure() -> None:
        for name, environment in ways.items():
            count = 2 if name == "spinning" else 8
            alone[name] = min(alone.get(name, 1e9), seconds_of_sparnet(8, **environment))
            with other_jobs(cores):
                beside[name] = min(beside.get(name, 1e9), seconds_of_sparnet(count, **environment))

    quiet = os.getloadavg()[0] < 0.5 * cores
    benchmark.pedantic(measure, rounds=1)
    losses = {name: beside[name] / alone[name] for name in ways}
    benchmark.extra_info.update(losses=losses, alone=alone, beside=beside)
    for name, loss in losses.items():
        print(f"\n{name}: {1000 * alone[name]:.0f} ms alone, {1000 * beside[name]:.0f} ms beside, {loss:.1f} times")
    if quiet:
        assert losses["asleep"] < 1.5 * 2 and losses["one thread"] < 1.5 * 2


def seconds_of_training(faces: Path, out: Path, steps: int, **environment: str) -> float:
    """Wall seconds a step of `facesr-bench train sparnet`, batch 2, by the rates that it logs, without the first."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "KMP_", "MKL_"))}
    command = [sys.executable, "-m", "facesr_bench", "train", "sparnet", "--data", str(faces), "--out", str(out)]
    settings = {"batch_size": 2, "log_every": 1, "validate_every": 1000, "save_every": 1000, "validation": 1}
    command += [
        "--steps",
        str(steps),
        *(part for item in settings.items() for part in ("--set", "{}={}".format(*item))),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True, env={**inherited, **environment})
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    rates = [line["images_per_second"] for line in logged if 1 < line["step"] < steps]  # the last step validates, too
    return float(statistics.mean(2 / rate for rate in rates))


@pytest.mark.full
def test_other_jobs_cost_training_no_more_than_their_share(
    benchmark: Any, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    """Training as the command line starts it, its threads waiting asleep, beside a busy job for each core: twice the
    time is its fair share. Threads that spin are told beside it."""
    cores = os.cpu_count() or 1
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(8):
        top, left = (3 * i) % 48, (5 * i) % 48
        Image.fromarray(astronaut[top : top + 144, left : left + 144]).save(folder / f"{i}.png")
    spinning = {"OMP_WAIT_POLICY": "ACTIVE", "KMP_BLOCKTIME": "infinite"}
    found: dict[str, float] = {}

    def measure() -> None:
        found["alone"] = seconds_of_training(folder, tmp_path / "alone", 8)
        with other_jobs(cores):
            found["beside"] = seconds_of_training(folder, tmp_path / "beside", 8)
            found["beside, spinning"] = seconds_of_training(folder, tmp_path / "spinning", 4, **spinning)

    quiet = os.getloadavg()[0] < 0.5 * cores
    benchmark.pedantic(measure, rounds=1)
    loss = found["beside"] / found["alone"]
    benchmark.extra_info.update(found, loss=loss)
    print("\n" + ", ".join(f"{name}: {each:.2f} s a step" for name, each in found.items()) + f": {loss:.2f} times")
    if quiet:
        assert loss < 1.5 * 2


def test_where_the_time_goes(benchmark: Any, faces: Path, tmp_path: Path) -> None:
    _, said = benchmark.pedantic(lambda: whole_run(faces, tmp_path / "out", "--profile-time"), rounds=1)
    print("\n" + said)
    assert "\nforward" in said and "\npsnr" in said
