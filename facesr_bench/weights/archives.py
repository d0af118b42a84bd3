"""One member out of a zip that nobody vouches for: no path of its own, no more bytes than announced, no bombs."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from facesr_bench.base.errors import WeightsError

MAX_MEMBERS = 10_000
MAX_BYTES = 2 << 30
"""The largest member that is unpacked where its size is not published."""
MAX_RATIO = 50
"""How far a member may be compressed; trained weights hardly compress at all."""


def members(path: Path) -> set[str]:
    """The file names in a zip, without folders; empty if it is not a zip that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {PurePosixPath(info.filename).name for info in archive.infolist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return set()


def extract(path: Path, member: str, target: Path, *, size: int | None) -> None:
    """Unpack the file called `member`, in whatever folder of the zip it is, into `target`.

    Args:
        size: of the member in bytes, if published.

    Raises:
        WeightsError: not a zip, damaged, the member is missing or there twice, or the zip is not to be trusted: a
            name that leads out of it, a link, a size or compression that no weights have. Nothing is left in `target`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            info = _the_one(archive, member, path)
            _refuse_bombs(info, size, path)
            _unpack(archive, info, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        target.unlink(missing_ok=True)
        raise WeightsError(f"{path}: not a zip archive, or damaged: {error}") from error
    except OSError as error:
        target.unlink(missing_ok=True)
        raise WeightsError(f"{path}: {member} can't be unpacked: {error.strerror or error}") from error
    except WeightsError:
        target.unlink(missing_ok=True)
        raise


def _the_one(archive: zipfile.ZipFile, member: str, path: Path) -> zipfile.ZipInfo:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise WeightsError(f"{path}: refused: it has {len(infos)} members")
    for info in infos:
        # Nothing is unpacked under its own name here, but a zip that tries this is not the publisher's.
        name = info.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
            raise WeightsError(f"{path}: refused: a member's name leads out of the archive: {info.filename!r}")
    found = [info for info in infos if PurePosixPath(info.filename).name == member and not info.is_dir()]
    if not found:
        raise WeightsError(f"{path}: there is no {member} in it")
    if len(found) > 1:
        raise WeightsError(f"{path}: refused: there are {len(found)} files called {member} in it")
    if stat.S_ISLNK(found[0].external_attr >> 16):
        raise WeightsError(f"{path}: refused: {member} is a link")
    return found[0]


def _refuse_bombs(info: zipfile.ZipInfo, size: int | None, path: Path) -> None:
    name = PurePosixPath(info.filename).name
    if size is not None and info.file_size != size:
        raise WeightsError(f"{path}: refused: {name} would have {info.file_size} bytes unpacked, expected {size}")
    if info.file_size > (size or MAX_BYTES):
        raise WeightsError(f"{path}: refused: {name} would have {info.file_size} bytes unpacked; the limit {MAX_BYTES}")
    if info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise WeightsError(
            f"{path}: refused: {name} would grow from {info.compress_size} to {info.file_size} bytes, "
            "which no trained weights do"
        )


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    written = 0
    with archive.open(info) as source, target.open("wb") as stream:
        while block := source.read(1 << 20):
            written += len(block)
            if written > info.file_size:  # the header lied
                raise WeightsError(f"{info.filename}: refused: it unpacks to more than its {info.file_size} bytes")
            stream.write(block)
