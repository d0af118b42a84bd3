"""CelebA in its official layout, zipped or not, and DIC's prebuilt pairs of it."""

from __future__ import annotations

import hashlib
import threading
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from facesr_bench.base.errors import DataError
from facesr_bench.data import folders
from facesr_bench.images import files
from facesr_bench.plugins.cards import DatasetCard, ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase, Item, Picture

PICTURES = "img_align_celeba"
PARTITION = "list_eval_partition.txt"
LANDMARKS = "list_landmarks_align_celeba.txt"
IDENTITY = "identity_CelebA.txt"
PARTITIONS = {"train": "0", "val": "1", "test": "2"}


class Dataset(DatasetBase):
    """One partition of CelebA; HR/LR pairs for protocols whose source is `pairs`."""

    def __init__(self, card: DatasetCard, root: Path | None) -> None:
        super().__init__(card, root)
        self._lock = threading.Lock()

    def items(self, protocol: ProtocolCard) -> Sequence[Item]:
        if protocol.source == "pairs":
            return folders.pair_items(self.root)
        listed = self._partition(protocol.split)
        landmarks = self._table(LANDMARKS, 10)
        identities = self._table(IDENTITY, 1)
        present = self._present()
        found = sorted(listed & present)
        if not found:
            wanted = f"{len(listed)} pictures that {PARTITION} lists as {protocol.split}"
            raise DataError(f"{self._source}: none of the {wanted} is in it")
        items = []
        for name in found:
            file = self._source if self._zipped else self._source / name
            who = identities[name][0] if name in identities else None
            meta = {"name": name, "landmarks": _integers(landmarks.get(name)), "identity": who}
            items.append(Item(PurePosixPath(name).stem, (file,), meta))
        return items

    def read(self, item: Item, protocol: ProtocolCard) -> Picture:
        if protocol.source == "pairs":
            return folders.read_pair(item)
        name, points = item.meta["name"], item.meta["landmarks"]
        label = f"{self._source}/{name}"
        data = self._zipped_bytes(name) if self._zipped else self._source / name
        return Picture(
            hr=files.read_image(data, label),
            landmarks=None if points is None else np.array(points, dtype=np.float64).reshape(5, 2),
            identity=item.meta["identity"],
        )

    def content_hash(self, items: Sequence[Item]) -> str:
        """sha256 over each picture's id, size, CRC-32 and annotations; the same for the zip and the folder.

        A zip's directory has the CRCs, so its 1.4 GB need not be read; they are verified when a picture is.
        """
        if "name" not in items[0].meta:
            return super().content_hash(items)
        digest = hashlib.sha256()
        for item in items:
            size, crc = self._size_and_crc(item.meta["name"])
            digest.update(f"{item.id} {size} {crc} {item.meta['landmarks']} {item.meta['identity']}\n".encode())
        return digest.hexdigest()

    @cached_property
    def _source(self) -> Path:
        """The folder of pictures, or the zip."""
        places = [folder / name for name in (PICTURES, f"{PICTURES}.zip") for folder in (self.root, self.root / "Img")]
        for path in places:
            if path.is_dir() or (path.suffix == ".zip" and path.is_file()):
                return path
        raise DataError(f"{self.root}: neither {PICTURES}/ nor {PICTURES}.zip in it (nor in its Img/)")

    @property
    def _zipped(self) -> bool:
        return self._source.suffix == ".zip"

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._source)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{self._source}: not a readable zip file ({error}); download it again") from error

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """The zip's pictures, by their name inside PICTURES/."""
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            path = PurePosixPath(info.filename)
            if path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in info.filename:
                raise DataError(f"{self._source}: member {info.filename!r} points out of the archive; don't trust it")
            if len(path.parts) == 2 and path.parts[0] == PICTURES and not info.is_dir():
                members[path.name] = info
        return members

    def _present(self) -> set[str]:
        if self._zipped:
            return set(self._members)
        return {path.name for path in self._source.iterdir()}

    def _zipped_bytes(self, name: str) -> bytes:
        try:
            with self._lock:  # ZipFile counts its open members without one
                return self._zip.read(self._members[name])
        except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
            raise DataError(f"{self._source}/{name}: can't be read from the zip: {error}") from error

    def _size_and_crc(self, name: str) -> tuple[int, int]:
        if self._zipped:
            return self._members[name].file_size, self._members[name].CRC
        path = self._source / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
        return len(data), zlib.crc32(data)

    def _partition(self, split: str) -> set[str]:
        table = self._table(PARTITION, 1)
        if not table:
            raise DataError(f"{self.root}: no {PARTITION} in it (nor in its Eval/), which names the test partition")
        return {name for name, (value,) in table.items() if value == PARTITIONS[split]}

    def _table(self, file: str, columns: int) -> dict[str, list[str]]:
        """The rows of one of CelebA's lists, by picture; empty where there is no such file."""
        path = next((p for p in (self.root / sub / file for sub in ("", "Eval", "Anno")) if p.is_file()), None)
        if path is None:
            return {}
        return dict(_rows(path, columns))


def _rows(path: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # editors of Windows begin files with a BOM
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error
    # The list of landmarks starts with a count and the names of its columns.
    header = 2 if lines and lines[0].strip().isdigit() else 0
    for number, line in enumerate(lines[header:], header + 1):
        name, *values = line.split() or [""]
        if not name:
            continue
        if len(values) != columns or not all(value.lstrip("-").isdigit() for value in values):
            expected = f"a picture's name and {columns} whole number(s)"
            raise DataError(f"{path}, line {number}: expected {expected}, not {line!r}")
        if PurePosixPath(name).name != name or "\\" in name:
            raise DataError(f"{path}, line {number}: {name!r} is not a plain file name")
        yield name, values


def _integers(values: list[str] | None) -> list[int] | None:
    return None if values is None else [int(value) for value in values]
