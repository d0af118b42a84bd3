"""`facesr-bench check --self-test`: a method against itself, where nothing but the way of computing differs.

The same run again must give the same pictures. Other batches, threads and executors show the floor of noise: a margin
below it would block what nobody changed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.text import counted
from facesr_bench.evaluation import run as runner
from facesr_bench.evaluation.gate.looks import side_of_result
from facesr_bench.evaluation.gate.request import CheckRequest
from facesr_bench.evaluation.request import Progress, RunRequest
from facesr_bench.results.gate.judge import Answer, judge
from facesr_bench.results.gate.policy import Policy
from facesr_bench.results.gate.verdict import Verdict, exit_status
from facesr_bench.results.store import Result


@dataclass(frozen=True)
class Trial:
    """One way of computing, against the first.

    Attributes:
        name: what is other: `the same again`, `batch size 3`.
        answer: how its numbers differ; not identical where they must be is a verdict of its own.
        floor: by metric: the mean difference and the largest of one image, both without sign.
    """

    name: str
    answer: Answer
    floor: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class SelfTest:
    """What a self-test found: the trials, and those that could not be made, with why."""

    trials: Sequence[Trial]
    skipped: Sequence[tuple[str, str]]
    unsure_is_ok: bool = False

    @property
    def status(self) -> int:
        """0 where the same again is identical and every floor is below the margin."""
        return exit_status((trial.answer.verdict for trial in self.trials), unsure_is_ok=self.unsure_is_ok)


AGAIN = "the same again"


def self_test(request: CheckRequest, progress: Progress | None = None) -> SelfTest:
    """Run every method on every protocol several times, in a folder of its own that is removed afterwards.

    Raises:
        FaceSRBenchError: nothing could be run.
    """
    request.check()
    policy = request.decides()
    trials: list[Trial] = []
    skipped: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="facesr-bench-") as folder:
        plain = request.of_run(request.methods, request.protocols or ("demo-x8",))
        first = _results(Way("", {}), plain, Path(folder) / "first", progress)
        for number, way in enumerate(ways(plain)):
            try:
                second = _results(way, plain, Path(folder) / str(number), progress)
            except FaceSRBenchError as error:
                skipped.append((way.name, str(error)))
                continue
            for old, new in zip(first, second, strict=True):
                trials.append(_trial(way.name, old, new, policy))
    return SelfTest(trials, skipped, policy.inconclusive == "ok")


@dataclass(frozen=True)
class Way:
    """A way of computing.

    Attributes:
        options: of the run, that are other than in the first.
        threads: of torch; None: as they are.
    """

    name: str
    options: Mapping[str, Any]
    threads: int | None = None


def _results(way: Way, plain: RunRequest, folder: Path, progress: Progress | None) -> list[Result]:
    request = replace(plain, **{**way.options, "out": folder, "resume": "never"})
    with _torch_threads(way.threads):
        outcome = runner.run(request, progress)
    if outcome.problems or not outcome.results:
        raise FaceSRBenchError("\n".join(outcome.problems) or "nothing was run")
    return outcome.results


def ways(plain: RunRequest) -> Iterator[Way]:
    """The ways that are tried against the first."""
    import torch

    yield Way(AGAIN, {})
    batch = 3 if plain.batch_size != 3 else 5
    yield Way(f"batch size {batch}", {"batch_size": batch})
    threads = 2 if torch.get_num_threads() == 1 else 1
    workers = plain.workers + 1
    yield Way(f"{counted(threads, 'thread')} of torch, {workers} workers", {"workers": workers}, threads)
    yield Way("other processes", {"executor": "processes"})


@contextmanager
def _torch_threads(count: int | None) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _trial(name: str, old: Result, new: Result, policy: Policy) -> Trial:
    strict = policy.but(two_sided=True, exact=True) if name == AGAIN else policy.but(two_sided=True)
    answer = judge(side_of_result(old), side_of_result(new), strict)
    if name == AGAIN and answer.verdict not in (Verdict.IDENTICAL, Verdict.REFUSED):
        answer = replace(answer, verdict=Verdict.DIFFERS)
    floor = {
        metric.name: (abs(metric.difference or 0.0), max(map(abs, metric.losses.values())))
        for metric in answer.metrics
        if metric.losses
    }
    return Trial(name, answer, floor)
