"""The worker of `Ray`: an actor that does blocks of jobs on whatever machine Ray has placed it."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.base.environment import package_version
from facesr_bench.evaluation.executors.serving import serve

if TYPE_CHECKING:
    from facesr_bench.evaluation.executors.by_value import Away, Files, Parcel
    from facesr_bench.evaluation.job import Job

Said = tuple[str, tuple[Any, ...], "Files"]
"""What `serving` says, and the files that the run has to write first."""

BY_VALUE = "FACESR_BENCH_BY_VALUE"
"""In the worker's environment, not empty: it takes and gives files by value though it sees the run's."""


class RayWorker:
    """One worker. Its blocks are done by a thread of its own, as everything torch is told is told to one thread.

    Args:
        jobs: see `serve`.
        profile_time: likewise.
        probe: a file that the run has written, and what stands in it.
        folder: where the run was started: relative paths are meant from there.
    """

    def __init__(self, jobs: Sequence[Job], profile_time: bool, probe: tuple[Path, str], folder: str) -> None:
        with contextlib.suppress(OSError):  # elsewhere there need not be such a folder
            os.chdir(folder)
        self._away: Away | None = None
        if os.environ.get(BY_VALUE) or not _sees(*probe):
            from facesr_bench.evaluation.executors.by_value import Away

            self._away = Away()
        self._asked: queue.Queue[Parcel] = queue.Queue()
        self._said: queue.Queue[Said] = queue.Queue()
        threading.Thread(target=self._serve, args=(jobs, profile_time), daemon=True).start()

    def ready(self) -> tuple[str | None, bool]:
        """The version that works here, and whether the run's files are seen; once it can work.

        Raises:
            RuntimeError: it can't; the traceback.
        """
        name, arguments, _ = self._said.get()
        if name != "ready":
            raise RuntimeError(str(arguments[0]))
        return package_version("facesr-bench"), self._away is None

    def do(self, parcel: Parcel) -> Iterator[Said]:
        """Do a block; what is heard of it, one by one, as it happens."""
        self._asked.put(parcel)
        while True:
            said = self._said.get()
            yield said
            if said[0] == "done":
                return

    def _serve(self, jobs: Sequence[Job], profile_time: bool) -> None:
        try:
            serve(jobs, self._read, self._say, profile_time=profile_time)
        except BaseException:
            self._say("broken", traceback.format_exc())
            self._say("done", {})

    def _read(self) -> Job | None:
        parcel = self._asked.get()
        return parcel.job if self._away is None else self._away.open(parcel)

    def _say(self, name: str, *arguments: Any) -> None:
        files = self._away.made() if self._away is not None and name in {"image", "done"} else {}
        self._said.put((name, arguments, files))


def _sees(path: Path, token: str) -> bool:
    try:
        return path.read_text(encoding="ascii") == token
    except (OSError, UnicodeDecodeError):
        return False
