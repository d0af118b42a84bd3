"""Writing files so that a reader never sees half of one, even where two runs write the same file at once."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from facesr_bench.base.errors import FaceSRBenchError, ResultsError


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, but no fifo, device or socket, which could hang or never end.

    Raises:
        OSError: missing, not readable, or not a regular file; `strerror` says which.
    """
    # Without O_NONBLOCK, opening a fifo waits for somebody to write.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A text file of somebody's, of a regular file only; line ends become those of Python.

    Raises:
        OSError: as `open_regular`.
        UnicodeDecodeError: it is no text of this encoding.
    """
    with open_regular(path) as stream:
        text = stream.read().decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_pipe_or_device(path: Path) -> bool:
    """Whether opening it could wait for ever, or read what never ends."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False  # whoever opens it says what is wrong
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def inside(root: Path, relative: str) -> Path:
    """The path of something inside a folder that strangers may have made.

    Args:
        relative: names joined by `/`. Links on the way may lead elsewhere in `root`, but not out of it.

    Raises:
        ResultsError: an absolute name, one with `..`, or a link out of `root`.
    """
    path = root / plain(root, relative)
    _check_stays(path, root)
    return path


def own(root: Path, relative: str) -> Path:
    """The path of something inside a folder, to write or remove: like `inside`, but no part of it may be a link.

    Raises:
        ResultsError: an absolute name, one with `..`, or a link on the way.
    """
    path = root
    for name in plain(root, relative).split("/"):
        path = path / name
        if path.is_symlink():
            raise ResultsError(f"{path}: a link; nothing is written or removed through it. Remove the link")
    return path


def check_links(root: Path, folder: Path, *, allowed: bool = True) -> None:
    """Find links out of `root`, and what is neither a file nor a folder, in `folder` and everything below it.

    Args:
        allowed: whether links that stay inside `root` may be there.

    Raises:
        ResultsError: there is one.
    """
    seen: set[Path] = set()
    waiting = [_followed(root, folder, allowed)]
    while waiting:
        here = waiting.pop()
        if here in seen or not here.is_dir():
            continue
        seen.add(here)
        for entry in _entries(here):
            if entry.is_symlink():
                waiting.append(_followed(root, Path(entry.path), allowed))
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                raise ResultsError(f"{entry.path}: not a regular file; remove it")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []  # another build has removed it
    except OSError as error:
        raise ResultsError(f"{folder}: can't be read: {error.strerror or error}") from error


def _followed(root: Path, path: Path, allowed: bool) -> Path:
    if not allowed and path.is_symlink():
        raise ResultsError(f"{path}: a link; nothing is written or removed through it. Remove the link")
    return _check_stays(path, root)


def plain(root: Path, relative: str) -> str:
    """The same name, of something inside a folder by its words; where links lead, `inside` finds out.

    Raises:
        ResultsError: an absolute name, or one with `..`.
    """
    parts = relative.split("/")
    foreign = "\0" in relative or (os.name == "nt" and any(sign in relative for sign in "\\:"))
    if foreign or any(part in ("", ".", "..") for part in parts):
        raise ResultsError(f"{root}: {relative!r} does not name something inside this folder")
    return relative


def _check_stays(path: Path, root: Path) -> Path:
    try:
        real = path.resolve()
    except (OSError, RuntimeError) as error:
        raise ResultsError(f"{path}: a link that leads nowhere ({error}); remove it") from error
    if not real.is_relative_to(root.resolve()):
        raise ResultsError(f"{path}: a link out of the folder {root}; put the file itself there, or remove the link")
    return real


@contextmanager
def replacing(path: Path, error: type[FaceSRBenchError] = ResultsError, *, durable: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; it becomes `path` where the block ends well, and is gone where it doesn't.

    The folder of `path` is made. The name is this process's and thread's own: whoever is done last wins.

    Args:
        error: what is raised where it can't be written.
        durable: have the disk confirm the file first, so that a power cut leaves the old one or the new one.

    Raises:
        ResultsError: it can't be written; or `error` in its place.
    """
    partial = _beside(path)
    try:
        _refuse_special(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            if durable:
                _flush(partial)
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as cause:
        raise error(f"{path}: can't be written: {cause.strerror or cause}") from cause


def _refuse_special(path: Path) -> None:
    """Refuse what a file must not take the place of: the system's own /dev/null would be gone for everybody.

    Raises:
        OSError: `path` is a device, a pipe or a socket, or one of the names that the system has for such.
    """
    _, *folders = path.absolute().parts
    of_system = os.name == "posix" and folders[:1] in (["dev"], ["proc"]) and folders[:2] != ["dev", "shm"]
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        mode = stat.S_IFREG  # it is not there yet, or leads nowhere: a file may take its place
    if of_system or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is a device or a pipe; name a file")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial")


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def file_name(image_id: str) -> str:
    """A file name without suffix for any image id: no separators, never longer than a file system allows."""
    quoted = (
        urllib.parse.quote(image_id, safe=" ()+,=@").replace(".", "%2E")
        if image_id.startswith(".")
        else (urllib.parse.quote(image_id, safe=" ()+,=@."))
    )
    if len(quoted) <= 150:
        return quoted
    return f"{quoted[:120]}-{hashlib.sha256(image_id.encode()).hexdigest()[:16]}"


def make_folders(*folders: Path) -> None:
    """Make folders and those above them.

    Raises:
        ResultsError: one can't be made.
    """
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(f"{folder}: can't be made: {error.strerror or error}") from error


def check_writable(root: Path) -> None:
    """Make a results folder, and find out whether it can be written before any work is done.

    Raises:
        ResultsError: it can't be.
    """
    make_folders(root)
    probe = root / ".writable"
    try:
        probe.touch()
        probe.unlink(missing_ok=True)  # another run may probe at the same time
    except OSError as error:
        raise ResultsError(
            f"{root}: can't write there: {error.strerror or error}; choose another folder with --out"
        ) from error


def check_file_writable(path: Path) -> None:
    """Find out whether a file can be written there before any work is done; its folder is made.

    Raises:
        ResultsError: it can't be, or is a folder.
    """
    if path.is_dir():
        raise ResultsError(f"{path}: a folder; name the file to write")
    probe = _beside(path)
    try:
        _refuse_special(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ResultsError(f"{path}: can't be written: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all, with the same line ends on every system.

    Raises:
        ResultsError: it can't be written.
    """
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, data: Any, error: type[FaceSRBenchError] = ResultsError) -> None:
    """Write JSON so that a reader never sees half of it.

    Raises:
        ResultsError: it can't be written; or `error` in its place.
    """
    with replacing(path, error) as partial:
        partial.write_text(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
