"""Kills runs at events of the file system, again and again, and lets the next run go on: what `test_kills` looks at.

    python -m tests.faults.killed_runs FACES WORK KILLS SEED

One process imports everything and runs once, so that plug-ins, code hashes and versions are known; each run that
counts is a fork of it, which nobody hears die, and costs its own files alone. A line of JSON per kill.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.results.history import read_history
from facesr_bench.results.samples import read_samples

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "os.rmdir"}
_left: list[int] = []
"""How many events the run still lives through; empty where nobody counts."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _left or event not in EVENTS or not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    path = os.fsdecode(arguments[0])
    reads = event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR))
    if reads or "/out" not in path:
        return
    _left[0] -= 1
    if _left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)


def _forked(what: Callable[[], None]) -> int:
    """The exit status of a fork; minus the signal's number for one that was killed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            what()
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended)


def _run(faces: Path, out: Path) -> None:
    asked = RunRequest(
        ("bicubic", "nearest"), ("folder-x8",), {"folder-x8": faces}, out=out, metrics=("psnr", "ssim"), batch_size=2
    )
    outcome = runner.run(asked)
    if outcome.problems:
        raise SystemExit("\n".join(outcome.problems))


def state(out: Path) -> dict[str, Any]:
    """What a finished results folder holds, less times."""
    results = read_history(out).results
    (inputs,) = {result.inputs_folder for result in results}
    samples = {name: sample.landmarks for name, sample in sorted(read_samples(inputs).items())}
    return {
        "files": sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()),
        "numbers": {r.label: {i: row.metrics for i, row in sorted(r.rows().items())} for r in results},
        "device": {r.label: r.manifest.environment.device for r in results},
        "cost": {r.label: r.manifest.method.cost.flops is not None for r in results},
        "samples": samples,
    }


def main() -> None:
    """Kill and go on, as the command line says."""
    faces, work, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)  # a fork has none of the threads of a pool
    _run(faces, work / "warm/out")
    sys.addaudithook(_hook)
    counted = work / "count"

    def whole() -> None:
        _left.append(10**9)
        _run(faces, work / "reference/out")
        counted.write_text(str(10**9 - _left[0]))

    assert _forked(whole) == 0
    events, expected = int(counted.read_text()), state(work / "reference/out")
    print(json.dumps({"events": events, "reference": expected}), flush=True)
    chance = random.Random(seed)
    for number in range(kills):
        place = number * events // kills + chance.randrange(max(1, events // kills))
        out = work / str(number) / "out"

        def killed(place: int = place, out: Path = out) -> None:
            _left.append(min(place, events - 1))
            _run(faces, out)

        ended = _forked(killed)
        partials = len(list(out.rglob("*.partial")))
        went_on = _forked(lambda out=out: _run(faces, out))  # type: ignore[misc]
        found = state(out) if went_on == 0 else None
        said = {"kill": number, "event": place, "ended": ended, "partials": partials, "went_on": went_on}
        print(
            json.dumps({**said, "same": found == expected, "found": None if found == expected else found}), flush=True
        )
        shutil.rmtree(work / str(number))


if __name__ == "__main__":
    main()
