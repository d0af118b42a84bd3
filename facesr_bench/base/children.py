"""Processes that this one has started, each at the head of a group of its own (`start_new_session=True`)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess


def ended(process: subprocess.Popen[bytes], grace: float) -> int:
    """End a process and every child that it has left; its exit status, negative where a signal ended it.

    Args:
        grace: seconds for it to end by itself, so that the status is its own.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    return process.wait()


def end_in_words(status: int) -> str:
    """How a process came to its end: `was ended by SIGKILL`, `ended by itself with exit status 1`."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
    return f"ended by itself with exit status {status}"
