"""A run may be killed at any moment: the next one ends with the same numbers and files as one that was left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks")
@pytest.mark.parametrize("kills", [10, pytest.param(220, marks=pytest.mark.full)])
def test_a_run_that_is_killed_at_any_event_loses_nothing_and_leaves_nothing(
    tmp_path: Path, astronaut: NDArray[np.uint8], kills: int
) -> None:
    faces = tmp_path / "faces"
    faces.mkdir()
    for i in range(5):
        Image.fromarray(astronaut[64 + 8 * i : 128 + 8 * i, 40 + 4 * i : 104 + 4 * i]).save(faces / f"face{i}.png")
    command = [sys.executable, "-m", "tests.faults.killed_runs", str(faces), str(tmp_path / "work"), str(kills), "7"]
    (tmp_path / "work").mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "FACESR_BENCH_CACHE": str(tmp_path / "cache")}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    first, *lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert set(first["reference"]["device"].values()) == {"cpu"} and len(first["reference"]["samples"]) == 5
    assert not [name for name in first["reference"]["files"] if name.endswith(".partial")]
    assert len(lines) == kills
    assert {line["ended"] for line in lines} == {-9}, "each was killed"
    wrong = [line for line in lines if line["went_on"] != 0 or not line["same"]]
    assert not wrong, wrong[:2]
    assert kills < 100 or sum(line["partials"] for line in lines) > 0, "some left a half-written file"
