"""Jobs in processes of one thread each: nothing is shared with them but files, and the run alone writes results.

Each does blocks of images of one method at a time (see `blocks`). Networks of one thread each never wait for another's
threads, so this way grows with the cores; what it costs is a start of Python and an opening of the metrics' networks
per process.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

from facesr_bench.base.children import end_in_words, ended
from facesr_bench.base.stages import active
from facesr_bench.evaluation.executors import Executor
from facesr_bench.evaluation.executors.blocks import Blocks
from facesr_bench.evaluation.executors.pool import Heard, Member, Pool
from facesr_bench.evaluation.job import Job, Sink

_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from facesr_bench.evaluation.executors.child import main; main(int(sys.argv[2]))"
)
_ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Read by libraries when they are loaded: threads that spin for each other lose most where others want the cores."""


class Processes(Executor):
    """Does the jobs of one protocol in `--workers` processes, each of which opens it anew by its name."""

    def run(self, jobs: Sequence[Job], sink: Sink) -> None:
        """Do the jobs in their order, the blocks of each side by side.

        Raises:
            FaceSRBenchError: no process can be started, or a job can't be begun.
        """
        workers = self._setting.options.workers
        blocks = Blocks(jobs, sink, workers)
        with Pool(blocks, lambda heard: _Process(jobs, heard), "processes of --executor processes") as pool:
            pool.work(workers)


class _Process(Member):
    """One of them, with a thread that hears it, and one that asks: neither may stop the run."""

    def __init__(self, jobs: Sequence[Job], heard: Heard) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", _CODE, json.dumps(sys.path), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            start_new_session=True,  # its children end with it; Ctrl-C is this process's to handle
        )
        self._to_send: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._to_send.put((jobs, active() is not None))
        threading.Thread(target=self._send, daemon=True).start()
        threading.Thread(target=self._hear, args=(heard,), daemon=True).start()

    def send(self, job: Job) -> None:
        self._to_send.put(job)

    def close(self) -> None:
        self._to_send.put(None)

    def _send(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended: the other thread hears that
            while (message := self._to_send.get()) is not None:
                pickle.dump(message, self._process.stdin)
                self._process.stdin.flush()
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()

    def _hear(self, heard: Heard) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(Exception):  # an answer that was torn by its end, or is none: both end it
            while True:
                heard.put((self, pickle.load(self._process.stdout)))  # noqa: S301 - this program's own process
        heard.put((self, None))
        self._process.stdout.close()

    def end(self, grace: float) -> str:
        self.close()
        return end_in_words(ended(self._process, grace))
