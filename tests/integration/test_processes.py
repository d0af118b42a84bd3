"""`run --executor processes`: the numbers of a run in one process, from processes that may die."""

from __future__ import annotations

import os
import re
import signal
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

from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunOutcome, RunRequest
from facesr_bench.results.samples import read_samples

from .conftest import MakeMethod
from .test_jobs import NEAREST, asked, files, rows


@pytest.fixture
def twelve(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    """Twelve faces, of which 4 has a red first pixel: three blocks for two processes."""
    folder = tmp_path / "twelve"
    folder.mkdir()
    for i in range(12):
        face = astronaut[5 * i : 5 * i + 128, 20:148].copy()
        if i == 4:
            face[:32, :32] = (255, 0, 0)
        Image.fromarray(face).save(folder / f"face{i:02}.png")
    return folder


def by_method(problems: list[str]) -> list[str]:
    """Those of one method stay in their order."""
    return sorted(problems, key=lambda text: text.split(":")[0].split(", image")[0])


def same(one: RunOutcome, other: RunOutcome) -> None:
    """To the last bit, each method in the same order: whose turn it is, is anybody's."""
    assert (one.computed, by_method(one.problems)) == (other.computed, by_method(other.problems))
    for left, right in zip(one.results, other.results, strict=True):
        assert list(rows(left).items()) == list(rows(right).items())
        assert files(left) == files(right)
        assert left.manifest.method == right.manifest.method
        assert read_samples(left.inputs_folder) == read_samples(right.inputs_folder)


def test_processes_give_the_bits_of_threads(twelve: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    (twelve / "face07.png").write_bytes(b"damaged")
    broken = make_method("broken", NEAREST, head="import no_such_module\n")
    methods = ("bicubic", broken, make_method("fails", "raise ValueError('no')"))
    here = runner.run(asked(twelve, tmp_path / "here", *methods))
    there = runner.run(asked(twelve, tmp_path / "there", *methods, executor="processes"))
    same(here, there)
    assert there.results[0].manifest.environment.threads == 1, "what the numbers come from is on record"
    assert there.results[0].manifest.request is not None
    assert there.results[0].manifest.request.options["executor"] == "processes"


RED = "bool((lr[:, 0, :2, :2] > 0.9).all() and (lr[:, 1, :2, :2] < 0.1).all())"


def dies(make_method: MakeMethod, name: str, when: str, seen: Path) -> str:
    """A method whose process is killed by an image, each end noted in `seen`."""
    lines = (
        "import os, pathlib, signal",
        f"seen = pathlib.Path({str(seen)!r})",
        f"if {RED} and {when}:",
        "    with seen.open('a') as stream:",
        "        stream.write('x')",
        "    os.kill(os.getpid(), signal.SIGKILL)",
        NEAREST,
    )
    return make_method(name, "\n".join(lines))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs signals")
def test_the_block_of_a_process_that_dies_is_done_again(twelve: Path, tmp_path: Path, make_method: MakeMethod) -> None:
    seen = tmp_path / "seen"
    method = dies(make_method, "once", "not seen.exists()", seen)
    more: dict[str, Any] = {"batch_size": 1, "attention": 0, "metrics": ("psnr",)}
    outcome = runner.run(asked(twelve, tmp_path / "out", method, executor="processes", **more))
    alone = runner.run(asked(twelve, tmp_path / "alone", method, **more))
    assert seen.read_text() == "x" and outcome.problems == []
    same(alone, outcome)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs signals")
@pytest.mark.full
def test_a_block_whose_processes_die_three_times_has_failed(
    twelve: Path, tmp_path: Path, make_method: MakeMethod
) -> None:
    seen = tmp_path / "seen"
    method = dies(make_method, "always", "True", seen)
    outcome = runner.run(asked(twelve, tmp_path / "out", method, executor="processes", batch_size=1, attention=0))
    found = outcome.results[0].rows()
    assert seen.read_text() == "xxx", "twice again, and no more"
    failed = {image_id: row.error for image_id, row in found.items() if row.error}
    assert set(failed) == {"face04", "face05", "face06", "face07"}, "the rest of its block"
    assert "SIGKILL, 3 times" in str(failed["face04"])
    assert len(found) == 12 and len(outcome.problems) == 4 and outcome.computed == 12


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] == "Z"
    except OSError:
        return True


def until(what: Callable[[], Any], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.full)])
def test_no_process_is_left_of_a_run_that_is_stopped(
    twelve: Path, tmp_path: Path, make_method: MakeMethod, how: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    note = f"import os, pathlib, time; (pathlib.Path({str(pids)!r}) / str(os.getpid())).touch(); time.sleep(0.5)"
    method = make_method("slow", f"{note}\n{NEAREST}")
    command = [sys.executable, "-m", "facesr_bench", "run", "--methods", method, "--protocols", "folder-x8"]
    command += ["--data", f"folder-x8={twelve}", "--metrics", "psnr", "--batch-size", "1", "--no-report"]
    command += ["--executor", "processes", "--attention", "0", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    until(lambda: len(list(pids.iterdir())) == 2)
    process.send_signal(how)
    assert process.wait(60) == (130 if how == signal.SIGINT else -how)
    until(lambda: all(gone(int(path.name)) for path in pids.iterdir()), 30)
    done = runner.run(asked(twelve, tmp_path / "out", method, metrics=("psnr",)))
    assert not done.problems and len(done.results[0].rows()) == 12, "the same command goes on"


@pytest.mark.full
def test_networks_and_detectors_give_the_same_bits_in_processes(tmp_path: Path, shared: Path) -> None:
    """With one thread of torch on both sides: sums of a method's network differ in the last bits by their number."""
    data = {"helen": shared / "faces" / "helen_test"}
    more: dict[str, Any] = {"limit": 20, "metrics": ("psnr", "ssim", "identity-dlib"), "data": data}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        one, other = (
            runner.run(RunRequest(("sparnet", "bicubic"), ("helen-x8",), out=tmp_path / name, executor=name, **more))
            for name in ("threads", "processes")
        )
    finally:
        torch.set_num_threads(before)
    same(one, other)


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP says how it waits")
@pytest.mark.parametrize(("set_by_user", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_of_torch_wait_asleep_unless_the_user_says_otherwise(
    twelve: Path, tmp_path: Path, set_by_user: str | None, expected: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "TRUE"} | ({"OMP_WAIT_POLICY": set_by_user} if set_by_user else {})
    command = [sys.executable, "-m", "facesr_bench", "run", "--methods", "bicubic", "--protocols", "folder-x8"]
    command += ["--data", f"folder-x8={twelve}", "--metrics", "psnr", "--limit", "1", "--no-report"]
    command += ["--out", str(tmp_path / "out")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    said = set(re.findall(r"OMP_WAIT_POLICY = '(\w+)'", done.stderr))
    assert said == {expected}
