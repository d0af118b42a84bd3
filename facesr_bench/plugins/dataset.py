"""The contract of a dataset: a list of items first, pixels only when asked."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError
from facesr_bench.base.hashing import file_sha256
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import DatasetCard, ProtocolCard

READ_SINCE = {".tif": b" 3", ".tiff": b" 3"}
"""Formats whose pixels are read otherwise since a release: colour of 16 bits was cut to 8 (2), or mixed up where its
planes lay apart (3). Such data counts as new."""


@dataclass(frozen=True)
class Item:
    """One entry of a dataset's list; naming it reads no pixels.

    Attributes:
        id: unique within the protocol; it names the image in results, forever.
        files: every file that its pixels and annotations come from (hashed into the dataset's fingerprint).
        meta: what the dataset's `read` needs beside them.
    """

    id: str
    files: tuple[Path, ...]
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """What a dataset reads for one item, before the protocol's crop and degradation.

    Attributes:
        hr: HxWx3 uint8, or None for data without ground truth.
        lr: HxWx3 uint8, or None where the protocol makes LR from HR.
        landmarks: Nx2 float64, x then y in px of `hr`, the centre of the top-left pixel at (0, 0); or None.
        box: left, top, side in px: the square that crop rule `box` takes.
        identity: who it is.
        lr_points: where there is no `hr`: Nx2 float64 as `landmarks`, in px of `lr`.
    """

    hr: Image8 | None
    lr: Image8 | None = None
    landmarks: NDArray[np.float64] | None = None
    box: tuple[int, int, int] | None = None
    identity: str | None = None
    lr_points: NDArray[np.float64] | None = None


class DatasetBase(ABC):
    """Base of every dataset's class `Dataset`.

    Args:
        card: the dataset's card.
        root: the folder (or file) the user gave with `--data`; None where the card says `needs_data = false`.
    """

    def __init__(self, card: DatasetCard, root: Path | None) -> None:
        self.card = card
        self._root = root

    @property
    def root(self) -> Path:
        """The folder that the user gave; DataError for a dataset that needs none."""
        if self._root is None:
            raise DataError(f"dataset {self.card.name} needs data")
        return self._root

    @abstractmethod
    def items(self, protocol: ProtocolCard) -> Sequence[Item]:
        """All items of a protocol, in a fixed order.

        Raises:
            DataError: the layout is not what the card describes; says what is missing.
        """

    @abstractmethod
    def read(self, item: Item, protocol: ProtocolCard) -> Picture:
        """The pixels and annotations of one item; called from several threads."""

    def content_hash(self, items: Sequence[Item]) -> str:
        """sha256 over every item's id and the bytes of its files.

        A file that can't be read counts as that: it costs its own image, when that is read, and not the whole set.
        """
        digest = hashlib.sha256()
        seen: dict[Path, bytes] = {}
        for item in items:
            digest.update(item.id.encode() + b"\0")
            for path in item.files:
                if path not in seen:
                    seen[path] = _sha256_or_reason(path)
                digest.update(seen[path] + READ_SINCE.get(path.suffix.lower(), b"") + b"\0")
        return digest.hexdigest()


def _sha256_or_reason(path: Path) -> bytes:
    try:
        return file_sha256(path).encode()
    except DataError:
        return b"unreadable"
