"""What a run costs beside the network itself: time and memory, as ratios measured in one go.

python -m pytest tests/benchmarks
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import facesr_bench
from facesr_bench.evaluation import request
from facesr_bench.evaluation import run as runner
from facesr_bench.images.files import read_image
from facesr_bench.images.folders import list_images
from facesr_bench.images.resize import resize
from tests.plain_networks import plain

COUNT = 110
REPEATS = 2


def make_faces(folder: Path, picture: NDArray[np.uint8], count: int) -> Path:
    """`count` different 128x128 crops of one face."""
    folder.mkdir()
    for i in range(count):
        left, top = (7 * i) % 64, (11 * i) % 64
        Image.fromarray(picture[top : top + 128, left : left + 128]).save(folder / f"{i:04}.png")
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory, astronaut: NDArray[np.uint8]) -> Path:
    return make_faces(tmp_path_factory.mktemp("bench") / "faces", astronaut, COUNT)


def network_input(path: Path) -> torch.Tensor:
    lr = resize(read_image(path), (16, 16))
    return torch.from_numpy(resize(lr, (128, 128)).astype(np.float32) / 255).permute(2, 0, 1)[None]


def test_run_costs_at_most_1_3_times_the_forward_pass(benchmark: Any, faces: Path, tmp_path: Path) -> None:
    """sparnet with PSNR and SSIM, from opening the dataset to the last line on disk, against its forward passes.

    Without attention maps: those of the first 8 images cost a forward pass each, however many images there are.
    """
    method = facesr_bench.load_method("sparnet")
    inputs = [network_input(path) for path in list_images(faces)]
    method.upscale(inputs[0])
    ratios: list[float] = []

    def measure() -> float:
        started = time.perf_counter()
        for x in inputs:
            method.upscale(x)
        forward = time.perf_counter() - started
        started = time.perf_counter()
        report = runner.run(
            request.RunRequest(
                ("sparnet",), ("folder-x8",), {"folder-x8": faces}, out=tmp_path / str(len(ratios)), attention=0
            )
        )
        ratios.append((time.perf_counter() - started) / forward)
        assert report.computed == COUNT and not report.problems
        return ratios[-1]

    benchmark.pedantic(measure, rounds=REPEATS)
    benchmark.extra_info["run / forward"] = ratios
    assert min(ratios) <= 1.3, ratios


def time_of(forward: Callable[[], object]) -> float:
    """Seconds of eight calls, after one to warm up."""
    with torch.inference_mode():
        forward()
        started = time.perf_counter()
        for _ in range(8):
            forward()
        return time.perf_counter() - started


def test_folded_channels_last_is_faster_than_the_plain_network(benchmark: Any, faces: Path) -> None:
    method: Any = facesr_bench.load_method("sparnet")
    network, x = plain("sparnet"), network_input(next(faces.iterdir()))
    ratios: list[float] = []

    def measure() -> float:
        ratios.append(time_of(lambda: network(x * 2 - 1)) / time_of(lambda: method.upscale(x)))
        return ratios[-1]

    benchmark.pedantic(measure, rounds=REPEATS)
    benchmark.extra_info["plain / folded"] = ratios
    assert max(ratios) > 1.0, ratios


PEAK = """
import json, resource, sys
from pathlib import Path
from facesr_bench.evaluation import request, run as runner
runner.run(request.RunRequest(("sparnet",), ("folder-x8",), {"folder-x8": Path(sys.argv[1])}, out=Path(sys.argv[2])))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def test_peak_memory_does_not_grow_with_the_number_of_images(
    benchmark: Any, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    """Peak resident memory of whole runs in processes of their own, on 20 and on 100 images."""
    peaks = {}

    def measure() -> None:
        for count in (20, 100):
            folder = make_faces(tmp_path / f"faces{count}", astronaut, count)
            command = [sys.executable, "-c", PEAK, str(folder), str(tmp_path / f"out{count}")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks[count] = json.loads(done.stdout.splitlines()[-1])

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info["peak, KiB"] = peaks
    assert peaks[100] <= 1.05 * peaks[20], peaks


def test_peak_memory_of_five_networks_is_that_of_one(benchmark: Any, tmp_path: Path, faces: Path) -> None:
    """SPARNet with other weights each time: one network is in memory at a time."""
    state = plain("sparnet").state_dict()
    methods = []
    for number in range(5):
        methods.append(f"sparnet@{tmp_path / f'{number}.pth'}")
        torch.save({name: tensor * (1 + number / 1000) for name, tensor in state.items()}, tmp_path / f"{number}.pth")
    peaks = {}

    def measure() -> None:
        for count in (1, 5):
            command = [sys.executable, "-c", SEVERAL, str(faces), str(tmp_path / f"out{count}"), *methods[:count]]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks[count] = json.loads(done.stdout.splitlines()[-1])

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info["peak, KiB"] = peaks
    assert peaks[5] <= 1.05 * peaks[1], peaks


SEVERAL = """
import json, resource, sys
from pathlib import Path
from facesr_bench.evaluation import request, run as runner
faces, out, *methods = sys.argv[1:]
outcome = runner.run(
    request.RunRequest(methods, ("folder-x8",), {"folder-x8": Path(faces)}, out=Path(out), limit=4, attention=0)
)
assert not outcome.problems, outcome.problems
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


MANY = 4000


def test_a_run_that_finds_everything_done_takes_under_0_2_ms_an_image(
    benchmark: Any, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    """Processor time of `runner.run`, every checksum looked at; faces of 16 px, so that the first run takes seconds."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(MANY):
        left, top = i % 64, (i // 64) % 64
        Image.fromarray(astronaut[top : top + 16, left : left + 16]).save(folder / f"{i:05}.png")
    request_ = request.RunRequest(
        ("bicubic",), ("folder-x8",), {"folder-x8": folder}, out=tmp_path / "out", metrics=("psnr", "ssim")
    )
    assert runner.run(request_).computed == MANY
    seconds: list[float] = []

    def measure() -> None:
        begun = time.process_time()
        assert runner.run(request_).computed == 0
        seconds.append(time.process_time() - begun)

    benchmark.pedantic(measure, rounds=3)
    each = 1000 * min(seconds) / MANY
    benchmark.extra_info["ms an image"] = each
    print(f"\n{min(seconds):.2f} s for {MANY} images, {each:.3f} ms each, load {os.getloadavg()[0]:.0f}")
    assert each < 0.2
