"""What a worker elsewhere does: blocks of jobs, one after another, and whatever comes of them is said at once."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facesr_bench.evaluation.job import Facts, Job
    from facesr_bench.results.image_record import ImageRecord
    from facesr_bench.results.samples import SampleRecord

Say = Callable[..., None]
"""Told a name and arguments, all of them plain data: `ready`; what a sink hears, without the job; `raised` (whether of
results, and the message) or `broken` (the traceback) where a block can't be done; behind each block `done` with seconds
by stage.
"""


def serve(jobs: Sequence[Job], read: Callable[[], Job | None], say: Say, *, profile_time: bool) -> None:
    """Do blocks until there is none any more.

    Args:
        jobs: all that are to be done here or by others, by which samples are kept for those that will want them.
        read: waits for the next block; None: there is none.
        profile_time: measure the stages.
    """
    from facesr_bench.base.devices import exact_numbers
    from facesr_bench.base.errors import FaceSRBenchError, ResultsError
    from facesr_bench.base.process_state import baseline
    from facesr_bench.base.stages import measured
    from facesr_bench.evaluation.worker import Worker

    _one_thread()
    # What is done side by side by threads elsewhere is done in turns here.
    jobs = [replace(job, request=replace(job.request, workers=1)) for job in jobs]
    sink = _Said(say)
    with exact_numbers(), baseline(), measured(profile_time) as stages, Worker(jobs) as worker:
        say("ready")
        while (block := read()) is not None:
            try:
                worker.do(block, sink)
            except FaceSRBenchError as error:
                say("raised", isinstance(error, ResultsError), str(error))
            except Exception:
                say("broken", traceback.format_exc())
            say("done", stages.take())


def _one_thread() -> None:
    """One thread of every library that has its own: several workers share the cores already."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


class _Said:
    """A sink that tells the run."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def started(self, job: Job) -> None:
        self._say("started")

    def facts(self, job: Job, facts: Facts) -> None:
        self._say("facts", facts)

    def image(self, job: Job, record: ImageRecord, sample: SampleRecord | None) -> None:
        self._say("image", record, sample)

    def problem(self, job: Job, message: str) -> None:
        self._say("problem", message)

    def mended(self, job: Job, message: str) -> None:
        self._say("mended", message)

    def failed(self, job: Job, message: str, details: str | None) -> None:
        self._say("failed", message, details)
