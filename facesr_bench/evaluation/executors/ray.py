"""Jobs on the machines of a Ray cluster, or in processes that Ray starts here; the run alone writes results.

Each worker is an actor with one core (on GPUs: with one device), which does blocks of images of one method at a time
(see `blocks`) and tells of each image as it is done. Where it sees the run's files it reads and writes them itself;
where it doesn't, they go through Ray (`by_value`).
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from facesr_bench.base.environment import package_version
from facesr_bench.base.errors import FaceSRBenchError, ResultsError, first_line
from facesr_bench.base.stages import active
from facesr_bench.evaluation.executors import Executor
from facesr_bench.evaluation.executors.blocks import Blocks
from facesr_bench.evaluation.executors.by_value import Packing, Parcel, unpack
from facesr_bench.evaluation.executors.pool import Heard, Member, Pool
from facesr_bench.evaluation.executors.ray_worker import RayWorker
from facesr_bench.evaluation.job import Job, Sink
from facesr_bench.evaluation.request import RunRequest

_ATTEMPTS = 3
"""To start Ray here: it gives its own processes 30 s, which a busy machine may not have for them."""
_STORE = 128 * 2**20
"""Bytes of Ray's shared memory on this machine: what goes through it is small."""


_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # By itself Ray gives its workers the lowest priority but four: beside other work they would get next to nothing.
    "RAY_worker_niceness": "0",
}


def start(workers: int) -> None:
    """Start Ray on this machine, for so many workers; it ends with this process.

    Raises:
        FaceSRBenchError: it can't be started.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            # `local`: never a cluster that happens to run here and was not asked for.
            ray.init(address="local", num_cpus=workers, include_dashboard=False, object_store_memory=_STORE, **_QUIET)
        except Exception as error:  # Ray has no class of its own for it
            ray.shutdown()
            if attempt == _ATTEMPTS:
                raise FaceSRBenchError(
                    f"Ray can't be started on this machine: {first_line(error)}; --executor processes does without"
                ) from error
        else:
            return


class Ray(Executor):
    """Does the jobs of one protocol in `--workers` workers of a Ray cluster; each opens it anew by its name."""

    _own = False
    """Whether Ray was started here."""

    def run(self, jobs: Sequence[Job], sink: Sink) -> None:
        """Do the jobs in their order, the blocks of each side by side.

        Raises:
            FaceSRBenchError: there is no such cluster, no worker can be started, or a job can't be begun.
        """
        options = self._setting.options
        self._connect(options)
        gpus = int(self._setting.device.startswith("cuda"))
        self._check(gpus)
        # Ray shows each worker the one device that it has.
        device = "cuda" if gpus else "cpu"
        jobs = [replace(job, request=replace(job.request, device=device)) for job in jobs]
        packing, blocks = Packing(self._setting), Blocks(jobs, sink, options.workers)
        with _probe(options.out) as probe:

            def start(heard: Heard) -> _Remote:
                return _Remote(_actor(gpus, jobs, active() is not None, probe, str(Path.cwd())), packing, heard)

            with Pool(blocks, start, "workers of --executor ray") as pool:
                pool.work(options.workers)

    @classmethod
    def _connect(cls, options: RunRequest) -> None:
        """Join the cluster, or start Ray here, unless that was done before.

        Raises:
            FaceSRBenchError: there is none.
        """
        import ray

        if ray.is_initialized():
            return
        if options.address is not None:
            try:
                ray.init(address=options.address, **_QUIET)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise FaceSRBenchError(
                    f"--address {options.address}: no Ray cluster can be reached there ({first_line(error)}); start "
                    "one with `ray start --head`, or leave --address out: then Ray is started on this machine"
                ) from error
        else:
            start(options.workers)
        cls._own = True

    @staticmethod
    def _check(gpus: int) -> None:
        import ray

        if gpus and not ray.cluster_resources().get("GPU"):  # type: ignore[no-untyped-call]
            raise FaceSRBenchError(
                "--executor ray --device cuda: no machine of this cluster has a GPU that Ray knows of"
            )

    @classmethod
    def close(cls) -> None:
        """Leave the cluster, or end the Ray that was started here."""
        if cls._own:
            import ray

            ray.shutdown()
            cls._own = False


def _actor(gpus: int, *arguments: Any) -> Any:
    import ray

    # A core each, so that Ray and numeric libraries alike give it one thread.
    return ray.remote(RayWorker).options(num_cpus=1, num_gpus=gpus, max_restarts=0).remote(*arguments)


@contextmanager
def _probe(out: Path) -> Iterator[tuple[Path, str]]:
    """A file by which a worker finds out whether it sees the run's files, and what stands in it."""
    token = secrets.token_hex(16)
    path = out / f".shared-{token}"
    try:
        path.write_text(token, encoding="ascii")
    except OSError as error:
        raise ResultsError(f"{path}: can't be written: {error.strerror or error}") from error
    try:
        yield path, token
    finally:
        path.unlink(missing_ok=True)


class _Remote(Member):
    """One worker, with a thread that talks to it."""

    def __init__(self, actor: Any, packing: Packing, heard: Heard) -> None:
        self._actor, self._packing, self._heard = actor, packing, heard
        self._to_send: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._how = "ended"
        self._sent: set[Path] = set()
        threading.Thread(target=self._talk, daemon=True).start()

    def send(self, job: Job) -> None:
        self._to_send.put(job)

    def close(self) -> None:
        self._to_send.put(None)

    def end(self, grace: float) -> str:
        import ray

        self.close()
        ray.kill(self._actor, no_restart=True)
        return self._how

    def _say(self, name: str, *arguments: Any) -> None:
        self._heard.put((self, (name, arguments)))

    def _talk(self) -> None:
        import ray

        try:
            version, self._sees = ray.get(self._actor.ready.remote())
            if version != package_version("facesr-bench"):
                here = package_version("facesr-bench")
                raise FaceSRBenchError(f"a machine of the cluster has facesr-bench {version}, and this one {here}")
            self._say("ready")
            while (job := self._to_send.get()) is not None:
                self._do(job)
        except FaceSRBenchError as error:
            self._say("raised", isinstance(error, ResultsError), str(error))
        except Exception as error:  # of Ray's, or of the worker: both lose it
            self._how = f"was lost ({type(error).__name__}: {first_line(error)})"
        self._heard.put((self, None))

    def _do(self, job: Job) -> None:
        if self._sees:
            for name, arguments, _ in self._asked(Parcel(job)):
                self._say(name, *arguments)
            return
        parcel, mended = self._packing.pack(job, self._sent)
        for name in mended:
            self._say("mended", f"{name} was damaged; what it held is computed anew")
        for name, arguments, files in self._asked(parcel):
            unpack(job.request.out, files)
            self._say(name, *arguments)

    def _asked(self, parcel: Parcel) -> Iterator[Any]:
        import ray

        for said in self._actor.do.options(num_returns="streaming").remote(parcel):
            yield ray.get(said)
