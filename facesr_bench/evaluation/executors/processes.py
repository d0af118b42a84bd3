"""Jobs in processes of their own, each of a block of a job's images: nothing is shared with them but files."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from facesr_bench.evaluation.executors import Executor
from facesr_bench.evaluation.job import Job, Sink
from facesr_bench.evaluation.plan import Setting
from facesr_bench.evaluation.worker import do, replay

BLOCKS = 2
"""Blocks that a job's images are cut into, and processes that work at a time."""


class Processes(Executor):
    """Does the jobs of one protocol in fresh processes.

    Args:
        setting: the protocol's; every process opens it anew by its name.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def run(self, jobs: Sequence[Job], sink: Sink) -> None:
        """Do the jobs in their order, the blocks of each side by side."""
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(BLOCKS, mp_context=fresh) as pool:
            for job in jobs:
                size = -(-len(job.todo) // BLOCKS)
                parts = [
                    replace(job, todo=job.todo[start : start + size]) for start in range(0, len(job.todo), size or 1)
                ]
                for part, heard in zip(parts, [pool.submit(do, part) for part in parts], strict=True):
                    events = heard.result()
                    replay(events, part, sink)
                    if any(name == "failed" for name, _ in events):
                        break  # it can't be loaded: the record of that stands for all its images
