"""The file of a bundle: a plain tar, written so that equal contents are equal bytes, read as a stranger's.

Nothing is ever unpacked by name: a member is read by its offset, after the whole table of contents was found to hold
plain files alone, each within the file, under a name that a bundle can have, and each once.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import open_regular, replacing

SUMS = "SHA256SUMS"
INDEX = "bundle.json"

MAX_MEMBERS = 1_000_000
MAX_TEXT = 1 << 28
"""Bytes of one JSON file: a line of an image is a kilobyte or two."""
MAX_PICTURE = 1 << 28
"""Bytes of one picture, or of one image's features."""

_BLOCK = tarfile.BLOCKSIZE
_NAME = r"[A-Za-z0-9 ()+,=@._%~\-]{1,100}"
_LAYOUT = re.compile(
    rf"{re.escape(INDEX)}|{SUMS}|[1-9][0-9]{{0,3}}/(manifest\.json|images\.jsonl|pixels\.jsonl|sets\.json|sr/{_NAME}\.png"
    rf"|features/{_NAME}/{_NAME}\.npy)"
)
_PLAIN = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
_REMARKS = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE})
_MAX_REMARK = 1 << 16
_DECIDES = re.compile(r"^[0-9]+ (path|linkpath|size|GNU\.sparse[^=]*)=", re.MULTILINE)
"""What a remark may not say: tar programs also put times and owners there, which don't matter."""

Contents = Mapping[str, Path | bytes]
"""What a bundle holds: files, or bytes, by name."""


@dataclass(frozen=True)
class Member:
    """Where one file lies in the archive."""

    offset: int
    size: int


def write(path: Path, contents: Contents) -> str:
    """Write a bundle: the same contents are the same bytes, on any machine.

    Returns:
        The bundle's id: sha256 of the file.

    Raises:
        ResultsError: a name that a bundle can't have, or it can't be read or written.
    """
    digest = hashlib.sha256()
    with replacing(path) as partial, partial.open("wb") as stream:
        for name in sorted(contents):
            content = contents[name]
            data = content if isinstance(content, bytes) else content.read_bytes()
            for piece in _spelled(name, len(data), iter([data])):
                stream.write(piece)
                digest.update(piece)
        stream.write(_END)
        digest.update(_END)
    return digest.hexdigest()


_END = bytes(2 * _BLOCK)


def _spelled(name: str, size: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """One member as it stands in a bundle that was never repacked."""
    if not _LAYOUT.fullmatch(name):
        raise ResultsError(f"a bundle can't hold a file called {name!r}")
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    yield info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    yield from pieces
    yield bytes(-size % _BLOCK)


class Archive:
    """A bundle's file, open for reading.

    Attributes:
        members: by name, directories left out.
        sha256: of each file in it, by name.
        id: what the file's hash is, or was before it was repacked: that of its contents as a bundle writes them.
        repacked: whether another program has packed them since; times, owners and order then differ, contents don't.

    Raises:
        ResultsError: it can't be read, or is not the tar that a bundle is; says what is in it that must not be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._stream: BinaryIO = open_regular(path)
        except OSError as error:
            raise ResultsError(f"{path}: can't be read: {error.strerror or error}") from error
        try:
            self.members = self._scan()
            self._hash()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def read(self, name: str, limit: int) -> bytes:
        """A file of it.

        Raises:
            ResultsError: there is none, or it is larger than `limit` bytes.
        """
        member = self.members.get(name)
        if member is None:
            raise self.refused(f"without {name}")
        if member.size > limit:
            raise self.refused(f"{name} has {member.size} bytes, more than the {limit} that it may have")
        return b"".join(self._pieces(member))

    def refused(self, why: str) -> ResultsError:
        """The error for a file that must not be believed; names it."""
        return ResultsError(f"{self.path}: not an intact bundle: {why}")

    def _pieces(self, member: Member) -> Iterator[bytes]:
        self._stream.seek(member.offset)
        left = member.size
        while left:
            piece = self._stream.read(min(left, 1 << 20))
            if not piece:
                raise self.refused("it ends too early, or was changed while it was read")
            left -= len(piece)
            yield piece

    def _hash(self) -> None:
        whole = hashlib.sha256()
        self.sha256: dict[str, str] = {}
        for name in sorted(self.members):
            member = self.members[name]
            own = hashlib.sha256()
            for piece in _spelled(name, member.size, _heard(self._pieces(member), own.update)):
                whole.update(piece)
            self.sha256[name] = own.hexdigest()
        whole.update(_END)
        self.id = whole.hexdigest()
        self._stream.seek(0)
        found = hashlib.sha256()
        while piece := self._stream.read(1 << 20):
            found.update(piece)
        self.file_sha256 = found.hexdigest()

    @property
    def repacked(self) -> bool:
        """Whether it was packed again: its own bytes are others, its contents are not."""
        return self.file_sha256 != self.id

    def _scan(self) -> dict[str, Member]:
        size = self._stream.seek(0, 2)
        members: dict[str, Member] = {}
        at = 0
        while True:
            self._stream.seek(at)
            block = self._stream.read(_BLOCK)
            if len(block) < _BLOCK:
                raise self.refused(_compressed(block) or "it ends too early")
            if not any(block):
                self._check_end()
                return members
            info = self._header(block, at)
            start, at = at + _BLOCK, at + _BLOCK + info.size + -info.size % _BLOCK
            if at > size:
                raise self.refused(f"{info.name!r} claims {info.size} bytes, more than the file has")
            if info.type in _REMARKS:
                self._check_remark(start, info)
            elif info.type == tarfile.DIRTYPE and not info.size:
                continue  # what a tar program adds; no file is in it
            elif info.type in _PLAIN:
                members[self._name(info.name, members)] = Member(start, info.size)
            else:
                raise self.refused(f"{info.name!r} is {_KINDS.get(info.type, 'no plain file')}")
            if len(members) > MAX_MEMBERS:
                raise self.refused(f"more than {MAX_MEMBERS} files")

    def _header(self, block: bytes, at: int) -> tarfile.TarInfo:
        try:
            info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.TarError, ValueError) as error:
            reason = _compressed(block) if at == 0 else None
            raise self.refused(reason or f"no tar header at byte {at} ({error})") from error
        if info.size < 0:
            raise self.refused(f"{info.name!r} claims {info.size} bytes")
        return info

    def _name(self, name: str, known: Mapping[str, Member]) -> str:
        plain = name.removeprefix("./")
        if not _LAYOUT.fullmatch(plain) or any(part in {".", ".."} for part in plain.split("/")):
            raise self.refused(f"it holds {name!r}, which no bundle does")
        if plain in known:
            raise self.refused(f"it holds {plain} twice")
        return plain

    def _check_remark(self, start: int, info: tarfile.TarInfo) -> None:
        if info.size > _MAX_REMARK:
            raise self.refused(f"a header of {info.size} bytes")
        text = b"".join(self._pieces(Member(start, info.size))).decode("utf-8", "replace")
        if found := _DECIDES.search(text):
            raise self.refused(f"a header that changes a file's {found[1]}")

    def _check_end(self) -> None:
        """Only zeros may follow: tar programs fill up their last record."""
        left = 1 << 20
        while piece := self._stream.read(1 << 16):
            left -= len(piece)
            if any(piece) or left < 0:
                raise self.refused("something stands behind its end")


_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder with contents",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.GNUTYPE_LONGNAME: "a long name",
    tarfile.GNUTYPE_LONGLINK: "a long link",
}

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK": "zip"}


def _compressed(block: bytes) -> str | None:
    """What to say of a file that was compressed: it is never unpacked here, so none can be a bomb."""
    name = next((name for magic, name in _MAGIC.items() if block.startswith(magic)), None)
    return None if name is None else f"it is compressed ({name}); unpack it first: a bundle is a plain tar"


def _heard(pieces: Iterator[bytes], listen: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        listen(piece)
        yield piece
