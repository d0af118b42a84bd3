"""One run against the scripts that papers are made with, on the same pictures, networks and metrics, in one go.

COUNT=60 python -m pytest -m full tests/benchmarks/test_peers.py -s

Real faces and networks from beside the checkout (Helen, SqueezeNet, MobileFaceNet); Inception has random weights.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesr_bench.faces.points import five_points
from facesr_bench.results.samples import read_samples
from facesr_bench.results.store import Result
from facesr_bench.results.summary import summarise
from tests.benchmarks import peers
from tests.benchmarks.peers import METHODS, SCORES
from tests.stored import newest_results

pytestmark = pytest.mark.full

PEERS = Path(peers.__file__)
COUNT = int(os.environ.get("COUNT", "12"))
ROUNDS = int(os.environ.get("ROUNDS", "1"))


class Clock:
    """Wall and processor seconds of processes that have ended."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        self.wall += time.perf_counter() - begun
        self.processor += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return done


def ours(clock: Clock, shared: Path, inception: Path, out: Path, *options: str) -> str:
    """One run; what it said."""
    weights = shared / "weights"
    metrics = f"psnr,ssim,lpips@squeeze={weights / 'squeezenet1_1_features.pth'}"
    metrics += f",identity@mobilefacenet-ms1m={weights / 'mobilefacenet_arcface_ms1m.onnx'}"
    command = [sys.executable, "-m", "facesr_bench", "run", "--methods", "sparnet,bicubic", "--protocols", "helen-x8"]
    command += ["--data", f"helen={shared / 'faces/helen_test'}", "--limit", str(COUNT), "--attention", "0"]
    command += ["--metrics", f"{metrics},fid@inception-2015={inception}", "--out", str(out), "--no-report"]
    return clock.run(*command, "--profile-time", *options).stderr


def prepare(result: Result, shared: Path, inception: Path, data: Path) -> None:
    """The files that the peers' steps read."""
    data.mkdir()
    for name, target in (
        ("squeezenet1_1_features.pth", "squeezenet.pth"),
        ("mobilefacenet_arcface_ms1m.onnx", "recogniser.onnx"),
    ):
        shutil.copy(shared / "weights" / name, data / target)
    shutil.copy(inception, data / "inception.pth")
    records = read_samples(result.inputs_folder).values()
    points = {f"{r.id}.png": five_points(np.array(r.landmarks)).tolist() for r in records if r.landmarks}
    (data / "points.json").write_text(json.dumps(points))


def chain(clock: Clock, result: Result, data: Path, out: Path) -> dict[str, dict[str, float]]:
    """Every step for every method; the numbers."""
    lr, hr, found = result.inputs_folder / "lr", result.inputs_folder / "hr", {}
    for method in METHODS:
        sr = out / method
        sr.mkdir(parents=True)
        folders = [str(lr), str(hr), str(sr), str(data)]
        clock.run(sys.executable, str(PEERS), method, *folders)
        found[method] = {
            name: value
            for step in SCORES
            for name, value in json.loads(
                clock.run(sys.executable, str(PEERS), step, *folders).stdout.splitlines()[-1]
            ).items()
        }
    return found


def test_one_run_against_a_chain_of_scripts(
    benchmark: Any, shared: Path, inception_weights: Path, tmp_path: Path
) -> None:
    """The same numbers, to what float32 and the truncation to levels leave open, in a fraction of the time."""
    mine, theirs = Clock(), Clock()
    said = ""

    def measure() -> None:
        nonlocal said
        number = len(list(tmp_path.glob("out*")))
        out, data = tmp_path / f"out{number}", tmp_path / f"data{number}"
        said = ours(mine, shared, inception_weights, out)
        result = next(r for r in newest_results(out) if r.manifest.method.name == "sparnet")
        prepare(result, shared, inception_weights, data)
        found = chain(theirs, result, data, tmp_path / f"peers{number}")
        for row in summarise(newest_results(out)):
            for name, value in found[row.label].items():
                own = next(v for key, v in row.means.items() if key.startswith(name))
                assert value == pytest.approx(own, rel=0.02, abs=0.005), (row.label, name)

    benchmark.pedantic(measure, rounds=ROUNDS)
    ratios = {"wall": theirs.wall / mine.wall, "processor": theirs.processor / mine.processor}
    benchmark.extra_info.update(ratios, images=COUNT, load=os.getloadavg()[0])
    print(f"\n{said}\nseconds, ours and theirs: wall {mine.wall:.1f} {theirs.wall:.1f}, processor {mine.processor:.1f}")
    print(f"{theirs.processor:.1f}; {ratios}, {COUNT} images, {os.cpu_count()} cores, load {os.getloadavg()}")
    assert ratios["processor"] > 1.5


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_one_core_against_all(benchmark: Any, shared: Path, inception_weights: Path, tmp_path: Path) -> None:
    """The same run on one core and on all that there are, in turns, start included: sooner, with the same bits."""
    all_cores = os.sched_getaffinity(0)
    if len(all_cores) < 2:
        pytest.skip("needs two cores")
    given = {1: {min(all_cores)}, len(all_cores): all_cores}
    clocks = {count: Clock() for count in given}
    numbers: dict[int, list[Any]] = {}

    def measure() -> None:
        for count, cores in given.items():
            out = Path(tempfile.mkdtemp(dir=tmp_path))
            os.sched_setaffinity(0, cores)
            try:
                ours(clocks[count], shared, inception_weights, out)
            finally:
                os.sched_setaffinity(0, all_cores)
            numbers[count] = [(row.label, row.means) for row in summarise(newest_results(out))]

    quiet = os.getloadavg()[0] < 0.5 * len(all_cores)
    benchmark.pedantic(measure, rounds=max(2, ROUNDS))
    one, every = (clocks[count].wall for count in given)
    benchmark.extra_info.update(images=COUNT, cores=len(all_cores), ratio=one / every)
    print(f"\n{COUNT} images: {one:.1f} s on one core, {every:.1f} s on {len(all_cores)}: {one / every:.2f} times")
    assert numbers[1] == numbers[len(all_cores)]
    if quiet:
        assert one > 1.2 * every
