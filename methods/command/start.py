"""Starts a program in a process group of its own, and ends all of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from facesr_bench.base.errors import MethodError
from facesr_bench.base.text import one_line

SAID = 4096
"""Bytes of what a program said, from its end, that a message may draw on."""


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        problem: in words; None where its exit status was 0.
        said: the last lines of what it wrote.
    """

    problem: str | None
    said: str
    seconds: float


def start(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float, log: Path | None
) -> Ended:
    """Run a program to its end, or to its timeout, and then end every process that it has left.

    Args:
        folder: it runs there.
        environment: variables beside those of this process.
        log: where all that it writes is kept, behind what is there.

    Raises:
        MethodError: it can't be started.
    """
    with _kept(log) as output:
        output.seek(0, os.SEEK_END)
        begin, started = output.tell(), time.perf_counter()
        try:
            process = subprocess.Popen(  # noqa: S603 - an argument list, no shell: what the user asked to run
                list(command),
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise MethodError(f"{command[0]} can't be started: {getattr(error, 'strerror', None) or error}") from error
        try:
            status: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end(process)
        return Ended(_problem(status, timeout), _tail(output, begin), time.perf_counter() - started)


@contextmanager
def _kept(log: Path | None) -> Iterator[BinaryIO]:
    """The log, opened; where nothing was ever said there is none afterwards."""
    try:
        with TemporaryFile() if log is None else log.open("ab+") as output:
            yield output
    finally:
        if log is not None and log.is_file() and not log.stat().st_size:
            log.unlink()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: a program may have left children."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()


def _problem(status: int | None, timeout: float) -> str | None:
    if status is None:
        return f"no end after {timeout:g} s, so it was ended"
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-status).name}"
    return f"exit status {status}" if status else None


def _tail(output: BinaryIO, begin: int) -> str:
    output.flush()
    end = output.seek(0, os.SEEK_END)
    output.seek(max(begin, end - SAID))
    lines = [one_line(line) for line in output.read().decode(errors="replace").splitlines()]
    return " | ".join([line for line in lines if line][-3:])
