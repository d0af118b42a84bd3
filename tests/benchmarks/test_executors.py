"""Processes against one process, and where the time of a run goes, each measured in one go.

python -m pytest tests/benchmarks/test_executors.py -s
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
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


def test_where_the_time_goes(benchmark: Any, faces: Path, tmp_path: Path) -> None:
    _, said = benchmark.pedantic(lambda: whole_run(faces, tmp_path / "out", "--profile-time"), rounds=1)
    print("\n" + said)
    assert "\nforward" in said and "\npsnr" in said
