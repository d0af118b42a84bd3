"""Who works on a result: one run at a time, and another that comes says whom it waits for."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import own, write_text
from facesr_bench.base.text import one_line

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"
HOLDER = ".lock.json"
"""Beside the lock, which must stay empty: who holds it. Both lie beside the result's folder, which may be moved."""
PARTIAL = "*.partial"


@dataclass(frozen=True)
class Holder:
    """A run that works on a result.

    Attributes:
        process: its number on that machine.
        since: UTC, by that machine's clock.
    """

    process: int
    machine: str
    since: str

    def __str__(self) -> str:
        return f"process {self.process} on {one_line(self.machine)}, since {one_line(self.since)}"


_HOLDER: TypeAdapter[Holder] = TypeAdapter(Holder)


class BusyError(ResultsError):
    """Another run works on the result in `folder`, or this one has opened it already."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(f"{folder}: another run works on it ({holder})")
        self.folder = folder


class ResultLock:
    """The lock of one result; the system frees it where its holder dies.

    Where the file system knows no locks, it is as if nobody else were there.

    Args:
        root: the results folder.
        folder: the result's, inside of it.

    Raises:
        ResultsError: the folder can't be written, or the lock is a link.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        from filelock import FileLock

        name = folder.with_name(f".{folder.name}").relative_to(root).as_posix()
        self._path, self._holder = own(root, f"{name}{LOCK}"), own(root, f"{name}{HOLDER}")
        self._lock: BaseFileLock = FileLock(self._path, thread_local=False)

    def take(self, *, wait: bool) -> bool:
        """Take it, if need be when whoever holds it is done.

        Returns:
            Whether it is held now.

        Raises:
            ResultsError: the folder can't be written.
        """
        from filelock import Timeout

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=-1 if wait else 0, poll_interval=0.2)
        except Timeout:
            return False
        except NotImplementedError:
            return True
        except OSError as error:
            raise ResultsError(f"{self._path}: can't be written: {error.strerror or error}") from error
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        write_text(self._holder, json.dumps(asdict(Holder(os.getpid(), socket.gethostname(), now))) + "\n")
        return True

    def holder(self) -> str:
        """Who holds it, in words."""
        try:
            return str(_HOLDER.validate_json(self._holder.read_bytes()))
        except (OSError, ValidationError):
            return "another run"

    def release(self) -> None:
        """Give it back; nothing where it isn't held."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._holder.unlink(missing_ok=True)
            self._lock.release()


def taken(root: Path, folder: Path, busy: Callable[[str], bool]) -> ResultLock:
    """The lock of one result, taken.

    Args:
        busy: told who holds it, where somebody does; whether to wait for him.

    Raises:
        BusyError: somebody holds it, and is not to be waited for.
        ResultsError: see `ResultLock`.
    """
    lock = ResultLock(root, folder)
    if not lock.take(wait=False):
        holder = lock.holder()
        if not busy(holder):
            raise BusyError(folder, holder)
        lock.take(wait=True)
    return lock


@contextlib.contextmanager
def holding(root: Path, folders: Iterable[Path]) -> Iterator[None]:
    """Hold several results of a results folder while they are written; nobody is waited for.

    Raises:
        BusyError: another run works on one; none is held then.
        ResultsError: see `ResultLock`.
    """
    with contextlib.ExitStack() as stack:
        for folder in folders:
            lock = ResultLock(root, folder)
            if not lock.take(wait=False):
                raise BusyError(folder, lock.holder())
            stack.callback(lock.release)
        yield


def refuse_busy(root: Path, folder: Path) -> None:
    """Refuse a result that a run works on; nothing is written, so that `root` may be read-only.

    Raises:
        BusyError: says who.
    """
    path = folder.with_name(f".{folder.name}{LOCK}")
    if path.is_file() and _is_held_by_others(path, ()):
        raise BusyError(folder, ResultLock(root, folder).holder())


def remove_partials(root: Path, held: Sequence[Path]) -> int:
    """Remove what killed runs have left half written in a protocol's folder.

    Args:
        root: the protocol's folder.
        held: the results whose locks the caller holds: half-written files there are nobody's. Elsewhere they may be
            those of a run that is at work, and go only where no other run is at any result of the protocol.

    Returns:
        How many were removed.
    """
    here = [path for folder in held for path in (*folder.rglob(PARTIAL), *folder.parent.glob(f".{PARTIAL}"))]
    # Listed before the locks are looked at: whoever wrote one of these holds a lock still, or has died.
    shared = list((root / "inputs").rglob(PARTIAL))
    if any(_is_held_by_others(path, held) for path in root.glob(f"*/.*{LOCK}")):
        shared = []
    count = 0
    for path in (*here, *shared):
        with contextlib.suppress(OSError):
            path.unlink()
            count += 1
    return count


def _is_held_by_others(lock: Path, held: Sequence[Path]) -> bool:
    from filelock import FileLock, Timeout

    if lock.with_name(lock.name.removesuffix(LOCK)[1:]) in held or lock.is_symlink():
        return False
    other = FileLock(lock, thread_local=False)
    try:
        other.acquire(timeout=0)
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False
    other.release()
    return False
