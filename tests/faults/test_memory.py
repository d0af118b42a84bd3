"""A few kilobytes of PNG can unfold to hundreds of megabytes: a run needs memory for one picture, not for many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

SIDE = 4160
"""Two of these have no room beside each other."""

MEASURED = """
import json, sys
from pathlib import Path
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunRequest

def memory(name):
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

def run(faces, out):
    metrics = ("psnr", "ssim")
    asked = RunRequest(("bicubic",), (sys.argv[1],), {sys.argv[1]: faces}, out=out, metrics=metrics, workers=8)
    outcome = runner.run(asked)
    assert not outcome.problems, outcome.problems
    return [row.metrics["ssim"] for result in outcome.results for row in result.rows().values()]

home = Path(sys.argv[2])
run(home / "small", home / "out-small")
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
values = run(home / "large", home / "out-large")
print(json.dumps({"values": values, "peak": memory("VmHWM") - before}))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a part")
@pytest.mark.parametrize(
    ("protocol", "pictures", "bound"),
    [
        # Reduced to 128 px as soon as they are read: decoded and reduced one after another.
        ("folder-face-x8", 4, 4),
        # 8 for what the method returns and its copy in float32; 1 each for HR, SR and the method's own.
        ("folder-x8", 1, 11),
    ],
)
def test_a_run_needs_memory_for_one_picture_at_a_time(tmp_path: Path, protocol: str, pictures: int, bound: int) -> None:
    for folder in ("small", "large"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (256, 256), (90, 80, 70)).save(tmp_path / "small/face.png")
    for i in range(pictures):
        Image.new("RGB", (SIDE, SIDE), (90 + i, 80, 70)).save(tmp_path / f"large/face{i}.png")
    command = [sys.executable, "-c", MEASURED, protocol, str(tmp_path)]
    # What is let go of leaves the process at once. By itself glibc keeps some of it for each thread, as it happens.
    returned = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
    ended = subprocess.run(command, env={**os.environ, **returned}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["values"] == [1.0] * pictures
    picture = SIDE * SIDE * 3
    assert found["peak"] < bound * picture, f"{found['peak'] / picture:.2f} pictures"
