"""Who does the jobs of a run, and where."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from facesr_bench.evaluation.job import Job, Sink

if TYPE_CHECKING:
    from facesr_bench.evaluation.setting import Setting


class Executor(ABC):
    """Does the jobs of one protocol.

    A job is passed on by names and results by path (see `evaluation.job`), so an executor may do it in another process
    or on another machine with the same files, and may do several at once or split one's `todo`. `evaluation.worker.do`
    does one anywhere; `replay` hands on what came of it.

    Args:
        setting: the protocol's.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    @abstractmethod
    def run(self, jobs: Sequence[Job], sink: Sink) -> None:
        """Do every job, and tell `sink`, from one thread, in any order of jobs but in each job's own order.

        Raises:
            ResultsError: a result can't be written; what was told until then counts.
        """

    @classmethod  # noqa: B027 - most hold nothing
    def close(cls) -> None:
        """The run is over: let go of what was held for all its protocols."""
