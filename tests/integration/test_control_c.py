"""Ctrl-C in a terminal reaches every process at once: one word about it, status 130, nothing lost, nobody left."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.evaluation import run as runner

from .conftest import MakeMethod
from .test_jobs import NEAREST, asked

pty = pytest.importorskip("pty", reason="no terminals on this system")
SECONDS = 240


def in_a_terminal(command: Sequence[str], ready: Callable[[], bool], presses: int = 1) -> tuple[int, str]:
    """Run a command in a terminal of its own and press Ctrl-C when it is ready: its status, and its screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["COLUMNS"] = "150"
        os.execv(command[0], list(command))
    seen, pressed, end = b"", 0, time.monotonic() + SECONDS
    while True:
        assert time.monotonic() < end, seen[-2000:]
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                seen += os.read(terminal, 2**16)
            except OSError:  # nobody has the terminal any more
                break
        if pressed < presses and ready():
            os.write(terminal, b"\x03")
            pressed += 1
    _, ended = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(ended), seen.decode(errors="replace")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize(
    ("options", "presses"),
    [([], 1), ([], 2), (["--workers", "4"], 1), (["--executor", "processes"], 2), (["--isolate"], 2)],
    ids=["serial", "pressed twice", "workers", "processes", "isolate"],
)
def test_a_run_is_stopped_with_one_word_and_goes_on(
    tmp_path: Path, astronaut: NDArray[np.uint8], make_method: MakeMethod, options: list[str], presses: int
) -> None:
    faces, calls = tmp_path / "faces", tmp_path / "calls"
    for folder in (faces, calls):
        folder.mkdir()
    for i in range(12):
        Image.fromarray(astronaut[4 * i : 128 + 4 * i, 20:148]).save(faces / f"face{i:02}.png")
    note = f"import os, pathlib, time; (pathlib.Path({str(calls)!r}) / f'{{os.getpid()}}-{{time.time()}}').touch()"
    method = make_method("slow", f"{note}; time.sleep(0.5)\n{NEAREST}")
    command = [sys.executable, "-m", "facesr_bench", "run", "--methods", method, "--protocols", "folder-x8"]
    command += ["--data", f"folder-x8={faces}", "--metrics", "psnr", "--batch-size", "1", "--no-report"]
    command += ["--out", str(tmp_path / "out"), *options]

    def finished() -> int:
        return sum(len(path.read_bytes().splitlines()) for path in (tmp_path / "out").rglob("images.jsonl"))

    status, screen = in_a_terminal(command, lambda: finished() >= 2, presses)
    assert status == 130, screen[-2000:]
    assert screen.count("stopped; what is finished is kept, and the same command goes on") == 1
    assert "Traceback" not in screen and "KeyboardInterrupt" not in screen
    workers = {int(path.name.split("-")[0]) for path in calls.iterdir()}
    end = time.monotonic() + 30
    while not all(map(gone, workers)):
        assert time.monotonic() < end, "somebody is left"
        time.sleep(0.05)
    assert not list((tmp_path / "out").rglob("*.partial")) and not list((tmp_path / "out").rglob(".*.lock.json"))
    kept = finished()
    assert 2 <= kept < 12
    done = runner.run(asked(faces, tmp_path / "out", method, metrics=("psnr",)))
    assert not done.problems and len(done.results[0].rows()) == 12
    assert done.computed == 12 - kept, "what was finished is kept"


@pytest.mark.parametrize(
    "module", ["facesr_bench.cli", "facesr_bench.cli.run", "facesr_bench.cli.watch", "rich.markup"]
)
def test_a_command_that_is_still_loading_is_stopped_with_one_word(module: str) -> None:
    code = f"""
import os, signal, sys
pressed = []
class Finder:
    def find_spec(name, path=None, target=None):
        if name == {module!r} and not pressed:
            pressed.append(name)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
sys.argv = ["facesr-bench", "run", "--methods", "bicubic"]
from facesr_bench.__main__ import program
sys.exit(program())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 130, ended.stderr
    assert ended.stderr.strip().startswith("stopped") and "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_what_goes_on_is_promised_only_where_it_does() -> None:
    code = """
import os, signal, sys
from facesr_bench.cli import carry_out
import argparse
def stop(options): os.kill(os.getpid(), signal.SIGINT)
for command in ("run", "table", "train"):
    print(carry_out(argparse.Namespace(command=command, handler=stop)))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["130"] * 3
    run, table, train = (line for line in ended.stderr.splitlines() if line)
    assert run.endswith("the same command goes on") and table == "stopped" and "--resume" in train
