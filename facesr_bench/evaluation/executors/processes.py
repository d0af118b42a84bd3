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
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.stages import active
from facesr_bench.evaluation.executors import Executor
from facesr_bench.evaluation.executors.blocks import TRIES, Block, Blocks
from facesr_bench.evaluation.job import Job, Sink
from facesr_bench.evaluation.plan import Setting

GRACE = 10.0
"""Seconds for a process to end whose work is done, or whose answers have ended."""

_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from facesr_bench.evaluation.executors.child import main; main(int(sys.argv[2]))"
)
_ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Read by libraries when they are loaded: threads that spin for each other lose most where others want the cores."""

Heard = tuple["_Process", "tuple[str, tuple[Any, ...]] | None"]
"""Who says what; None: its answers have ended."""


class Processes(Executor):
    """Does the jobs of one protocol in `--workers` processes.

    Args:
        setting: the protocol's; every process opens it anew by its name.
    """

    def __init__(self, setting: Setting) -> None:
        self._workers = setting.options.workers

    def run(self, jobs: Sequence[Job], sink: Sink) -> None:
        """Do the jobs in their order, the blocks of each side by side.

        Raises:
            FaceSRBenchError: no process can be started, or a job can't be begun.
        """
        blocks = Blocks(jobs, sink, self._workers)
        with _Pool(jobs, blocks) as pool:
            for _ in range(min(self._workers, blocks.count)):
                pool.start()
            while not blocks.done:
                pool.wait()


class _Pool:
    """The processes of one run."""

    def __init__(self, jobs: Sequence[Job], blocks: Blocks) -> None:
        self._jobs, self._blocks = jobs, blocks
        self._heard: queue.Queue[Heard] = queue.Queue()
        self._running: dict[_Process, Block | None] = {}
        self._stillborn = 0

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """None of them is left, whatever happened."""
        for process in self._running:
            process.close()
        for process in self._running:
            process.end(GRACE if kind is None else 0)

    def start(self) -> None:
        """One more process, with something to do."""
        process = _Process(self._jobs, self._heard)
        self._running[process] = None
        self._give(process)

    def wait(self) -> None:
        """Hear the next thing that any of them says."""
        process, said = self._heard.get()
        block = self._running.get(process)
        if said is None:
            self._lost(process)
            return
        name, arguments = said
        if name == "ready":
            self._stillborn = 0
        elif name == "raised":
            of_results, message = arguments
            raise ResultsError(message) if of_results else FaceSRBenchError(message)
        elif name == "broken":
            raise RuntimeError(f"in a process of the run:\n{arguments[0]}")
        elif name == "done":
            if (stages := active()) is not None:
                stages.add_all(arguments[0])
            if block is not None:
                self._blocks.finish(block)
            self._running[process] = None
            self._give_all()
        elif block is not None:
            self._blocks.hear(block, name, arguments)

    def _give_all(self) -> None:
        """Everybody who has nothing to do gets something: a block that was lost may have come back."""
        for process in [process for process, block in self._running.items() if block is None]:
            self._give(process)

    def _give(self, process: _Process) -> None:
        if (block := self._blocks.take(process)) is not None:
            self._running[process] = block
            process.send(block.job)

    def _lost(self, process: _Process) -> None:
        """A process has ended though it was not to: another takes its place, and its block is done again."""
        block, status = self._running.pop(process, None), process.end(GRACE)
        how = f"the process that worked on it {_status(status)}"
        self._stillborn += 1
        if self._stillborn > TRIES * max(1, len(self._running)):
            raise FaceSRBenchError(f"processes of --executor processes can't be started: one {_status(status)}")
        if block is not None:
            self._blocks.lose(block, process, how)
        if self._blocks.count:
            self.start()


class _Process:
    """One of them, with a thread that hears it, and one that asks: neither may stop the run."""

    def __init__(self, jobs: Sequence[Job], heard: queue.Queue[Heard]) -> None:
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
        """Say that there is nothing more to do."""
        self._to_send.put(None)

    def _send(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended: the other thread hears that
            while (message := self._to_send.get()) is not None:
                pickle.dump(message, self._process.stdin)
                self._process.stdin.flush()
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()

    def _hear(self, heard: queue.Queue[Heard]) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(Exception):  # an answer that was torn by its end, or is none: both end it
            while True:
                heard.put((self, pickle.load(self._process.stdout)))  # noqa: S301 - this program's own process
        heard.put((self, None))
        self._process.stdout.close()

    def end(self, grace: float) -> int:
        """End it and all its children; its exit status.

        Args:
            grace: seconds for it to end by itself.
        """
        self.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        return self._process.wait()


def _status(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"
