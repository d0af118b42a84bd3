"""The process that does blocks of jobs for `Processes`, until nobody asks any more.

Both sides are this program, with the same plug-ins: the messages are pickled, on standard input and output. What
plug-ins print goes to standard error.
"""

from __future__ import annotations

import os
import pickle
import threading
import traceback
from typing import TYPE_CHECKING, Any, BinaryIO

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.evaluation.isolation.child import own_streams, watch

if TYPE_CHECKING:
    from facesr_bench.evaluation.job import Facts, Job
    from facesr_bench.results.record import ImageRecord
    from facesr_bench.results.samples import SampleRecord


def main(parent: int) -> None:
    """Serve until the stream ends.

    Args:
        parent: the process that started this one; this one ends with it.
    """
    asked, answers = own_streams()
    threading.Thread(target=watch, args=(parent,), daemon=True).start()
    jobs, profile_time = pickle.load(asked)  # noqa: S301 - from the run itself

    from facesr_bench.base.devices import exact_numbers
    from facesr_bench.base.process_state import baseline
    from facesr_bench.base.stages import measured
    from facesr_bench.evaluation.worker import Worker

    _one_thread()
    said = _Said(answers)
    with exact_numbers(), baseline(), measured(profile_time) as stages, Worker(jobs) as worker:
        said.say("ready")
        while (block := _read(asked)) is not None:
            try:
                worker.do(block, said)
            except FaceSRBenchError as error:
                said.say("raised", isinstance(error, ResultsError), str(error))
            except Exception:
                said.say("broken", traceback.format_exc())
            said.say("done", stages.take())
    os._exit(0)  # whatever threads plug-ins have left


def _one_thread() -> None:
    """One thread of every library that has its own: several processes share the cores already."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _read(asked: BinaryIO) -> Job | None:
    try:
        job: Job | None = pickle.load(asked)  # noqa: S301 - from the run itself
    except EOFError:
        return None
    return job


class _Said:
    """A sink that tells the run."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers

    def say(self, name: str, *arguments: Any) -> None:
        pickle.dump((name, arguments), self._answers)
        self._answers.flush()

    def started(self, job: Job) -> None:
        self.say("started")

    def facts(self, job: Job, facts: Facts) -> None:
        self.say("facts", facts)

    def image(self, job: Job, record: ImageRecord, sample: SampleRecord | None) -> None:
        self.say("image", record, sample)

    def problem(self, job: Job, message: str) -> None:
        self.say("problem", message)

    def mended(self, job: Job, message: str) -> None:
        self.say("mended", message)

    def failed(self, job: Job, message: str, details: str | None) -> None:
        self.say("failed", message, details)
