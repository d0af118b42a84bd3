"""One job after another in this process, with threads that read and score beside the method."""

from __future__ import annotations

from collections.abc import Sequence

from facesr_bench.evaluation.executors import Executor
from facesr_bench.evaluation.job import Job, Sink
from facesr_bench.evaluation.worker import Worker


class Threads(Executor):
    """Does the jobs of one protocol here, one method in memory at a time."""

    def run(self, jobs: Sequence[Job], sink: Sink) -> None:
        """Do the jobs in their order."""
        with Worker(jobs, self._setting) as worker:
            for job in jobs:
                worker.do(job, sink)
