"""The process that computes: every line of the check that the journal does not hold yet, one after the other."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from facesr_bench.base.devices import EXACT, set_torch
from facesr_bench.base.environment import environment

from . import agreement, speed, whole
from .agreement import Lines
from .journal import Journal, Line

LOST = 75
"""Exit status: CUDA computes nothing more in this process, after an error such as an illegal address."""

Parts = Callable[[str, bool, Path | None, dict[str, Line]], dict[str, Lines]]


def parts(device: str, quick: bool, folder: Path | None, evaluated: dict[str, Line]) -> dict[str, Lines]:
    """All lines by part, the most telling first: there may be no time for the last.

    Args:
        quick: few faces, small batches.
        folder: HR faces; None: crops of one that scikit-image ships.
        evaluated: evaluations that there are already.
    """
    faces = agreement.crops(6 if quick else 60, folder)
    batches, seconds = ((1, 2), 0.5) if quick else ((1, 16, 64), 2.0)
    return {
        "methods, against the CPU": agreement.methods(faces[:4], device),
        "batches, against pictures alone": agreement.batches(faces[:16], device),
        "evaluation": whole.evaluations(faces, device, evaluated),
        "speed": speed.rates(device, batches, seconds),
        "metrics, against the CPU": agreement.metrics(faces[:4], device, agreement.metric_names()),
        "backends, against torch as it is there": agreement.faster(faces[:4], device),
        "speed of backends": speed.faster_rates(device, batches, seconds),
    }


def work(journal: Journal, device: str, quick: bool, faces: Path | None, end: float, parts: Parts = parts) -> int:
    """Compute what is not there yet.

    Args:
        end: no line is begun after it, in seconds of `time.time`.
    """
    set_torch(EXACT)
    journal.read()
    found = parts(device, quick, faces, evaluated := {})
    evaluated.update({name: line for (part, name), line in journal.lines.items() if part == "evaluation"})
    if not journal.keys:
        facts = {"card": speed.card(device), "environment": environment(device)}
        journal.plan(facts, [(part, name) for part, lines in found.items() for name in lines])
        journal.read()
    for part, name in journal.keys:
        if (part, name) in journal.lines:
            continue
        if time.time() >= end:
            break
        journal.begin((part, name))
        line = agreement.tried(found[part][name])
        if part == "evaluation":
            evaluated[name] = line
        journal.end((part, name), line)
        if "CUDA error" in line.said or "CUBLAS_STATUS" in line.said or "CUDNN_STATUS" in line.said:
            return LOST
    return 0


if __name__ == "__main__":
    path, device, quick, faces, end = sys.argv[1:]
    sys.exit(work(Journal(Path(path)), device, quick == "quick", Path(faces) if faces else None, float(end)))
