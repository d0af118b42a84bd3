"""Who does the jobs of a run, and where."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from facesr_bench.evaluation.job import Job, Sink


class Executor(ABC):
    """Does jobs.

    A job is passed on by names and results by path (see `evaluation.job`), so an executor may do it in another process
    or on another machine with the same files, and may do several at once or split one's `todo`. `evaluation.worker.do`
    does one anywhere; `replay` hands on what came of it.
    """

    @abstractmethod
    def run(self, jobs: Sequence[Job], sink: Sink) -> None:
        """Do every job, and tell `sink`, from one thread, in any order of jobs but in each job's own order.

        Raises:
            ResultsError: a result can't be written; what was told until then counts.
        """
