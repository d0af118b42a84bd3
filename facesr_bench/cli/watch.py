"""A small process that waits for the one that works: no plug-in can end the program and have it look well ended.

`os._exit(0)` in a method, or a library's own `exit`, ends the process at once, with the status of a run that did
everything. The process that works says so when it is done; the one that waits believes nothing else.

The one that waits also reads what libraries write to file descriptors 1 and 2 past Python (libpng's warnings quote the
file, a runtime colours its log), and passes it on as `printable` text: a crash of the worker loses none of it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from facesr_bench.base.text import printable
from facesr_bench.cli import streams

_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl(2)."""

LONGEST = 2**16
"""Bytes of a line that never ends."""

ENDED_EARLY = (
    "the program was ended from within before it was done (os._exit, or a library's exit, in a plug-in); what was "
    "finished is kept, and the same command goes on"
)


def watched(work: Callable[[int | None], int], failed: int) -> int:
    """Do `work` in a process of its own that this one waits for.

    The one that works has the terminal, the streams and the signals: those that are sent to this process alone are
    passed on, and those of a terminal reach both. It dies with this one; where a signal ends it, this process ends by
    the same. Where there is no `fork`, under a debugger, and beside other threads, `work` is done here.

    Args:
        work: gets the descriptor that what libraries write is to go to; None: there is nobody who would read it.
        failed: the exit status where `work` did not come to its end, yet the process says that all is well.

    Returns:
        The exit status.
    """
    if not hasattr(signal, "sigwaitinfo") or sys.gettrace() is not None or threading.active_count() > 1:
        return work(None)
    forwarded = {number for name in _FORWARDED if signal.getsignal(number := signal.Signals[name]) != signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*forwarded, signal.SIGCHLD})
    (said, saying), (noise, noisy) = os.pipe(), os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(said)
        os.close(noise)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _die_with(parent)
        return _told(lambda: work(noisy), saying)
    os.close(saying)
    os.close(noisy)
    going, gone = os.pipe()
    reader = threading.Thread(target=_pass_on, args=(noise, going), daemon=True)
    reader.start()  # with the signals blocked, so that they are this thread's
    ended = _wait(child, forwarded)
    os.close(gone)
    reader.join()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return _status(ended, said, failed)


def _pass_on(noise: int, going: int) -> None:
    """Lines of others on standard error, without terminal escapes, until nobody can write any more.

    Args:
        going: ends when the worker has; what it has left behind may hold `noise` open, and is not waited for.
    """
    left, alive = b"", True
    while True:
        ready, _, _ = select.select([noise, going] if alive else [noise], [], [], None if alive else 0)
        alive = alive and going not in ready
        if noise not in ready:
            if alive or going in ready:
                continue
            break
        if not (piece := os.read(noise, 2**16)):
            break
        left += piece
        whole = 1 + max(left.rfind(b"\n"), left.rfind(b"\r"))  # a progress bar has no other ends of lines
        whole = whole or (len(left) if len(left) > LONGEST else 0)
        _say(left[:whole])
        left = left[whole:]
    _say(left and left + b"\n")


def _say(text: bytes) -> None:
    with suppress(OSError, ValueError):  # standard error is closed: go on reading, or the worker would wait
        sys.stderr.write("\r".join(map(printable, text.decode(errors="replace").split("\r"))))
        sys.stderr.flush()


def _die_with(parent: int) -> None:
    """Have the system kill this process when its parent is killed; only Linux can."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def _told(work: Callable[[], int], saying: int) -> int:
    """Do it, and say with which status it ended."""
    status = 1
    try:
        status = work()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        os.write(saying, bytes([status & 0xFF]))
    return status


def _wait(child: int, forwarded: set[signal.Signals]) -> int:
    """The child's status, as of waitpid."""
    while True:
        heard = signal.sigwaitinfo({*forwarded, signal.SIGCHLD})
        if heard.si_signo == signal.SIGCHLD:
            pid, ended = os.waitpid(child, os.WNOHANG)
            if pid == child:
                return ended
        elif heard.si_code <= 0:  # of another process, not of the terminal, which the child has heard too
            with suppress(ProcessLookupError):
                os.kill(child, heard.si_signo)


def _status(ended: int, said: int, failed: int) -> int:
    """The exit status of this process, where it does not end by a signal as the child did."""
    os.set_blocking(said, False)  # whoever the child has left behind may hold the other end open
    try:
        told = os.read(said, 1)
    except BlockingIOError:
        told = b""
    if os.WIFSIGNALED(ended):
        _end_by(os.WTERMSIG(ended))
    status = os.waitstatus_to_exitcode(ended)
    if told:
        return status or told[0]
    streams.say(f"facesr-bench: error: {ENDED_EARLY}" + (f" (exit status {status})" if status else ""))
    return status or failed


def _end_by(number: int) -> None:
    import resource

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the child has written the core, if any is wanted
    with suppress(OSError, ValueError):  # not those that nobody may handle
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
