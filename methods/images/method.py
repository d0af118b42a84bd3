"""Finished pictures of a folder as a method: `images:DIR`, `images:DIR/{id}_00.png`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pydantic import Field

from facesr_bench.base.errors import DataError, FaceSRBenchError
from facesr_bench.base.files import open_regular
from facesr_bench.base.hashing import file_sha256
from facesr_bench.images.integrity import sniff
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.method import MethodContext
from facesr_bench.plugins.pictures import ID, Asked, Finished, PictureFolder, PictureMethod, checked_pattern
from facesr_bench.plugins.sidecar import Stated, read_stated

SHOWN = 10
"""Names of pictures that a remark lists."""


class PicturesCard(Stated):
    """The card.toml of a folder of finished pictures; all of it may be left out."""

    suffix: str | None = Field(default=None, pattern=r"^[^/{}]+$", description="behind the id in the files' names")


@dataclass(frozen=True)
class Pictures(Argument):
    """A folder of finished pictures. A suffix in the argument goes before that of its card.toml."""

    @cached_property
    def folder(self) -> PictureFolder:
        """Raises: DataError: no such folder."""
        found = PictureFolder.open(self.text)
        suffix = self.stated.suffix if isinstance(self.stated, PicturesCard) else None
        return replace(found, pattern=checked_pattern(ID + suffix)) if suffix and found.pattern == ID else found

    @cached_property
    def sha256(self) -> str:
        """Of every picture, by the id in its name."""
        listed = [(name, file_sha256(path)) for name, paths in self.folder.files.items() for path in paths]
        return hashlib.sha256(json.dumps(sorted(listed)).encode()).hexdigest()

    def remarks(self, ids: Collection[str]) -> tuple[str, ...]:
        """Where they come from; pictures of no image; lossy ones.

        Raises:
            DataError: none of them belongs to any image.
        """
        folder = self.folder
        if len(folder.missing(ids)) == len(ids):
            names, image_id = sorted(folder.files), next(iter(ids))
            message = f"{folder.folder}: none of its {len(names)} pictures is called after an image of the protocol"
            raise DataError(f"{message} (a picture: {names[0]!r}, an image: {image_id!r}){folder.hint(ids)}")
        found = ["finished pictures, made elsewhere: of which low-resolution images was not checked"]
        if extra := folder.unpaired(ids):
            more = f" and {len(extra) - SHOWN} more" if len(extra) > SHOWN else ""
            belong = "picture belongs" if len(extra) == 1 else "pictures belong"
            found.append(f"{len(extra)} {belong} to no image: {', '.join(extra[:SHOWN])}{more}")
        kinds = [kind for paths in folder.files.values() for path in paths if (kind := _lossy(path))]
        found += [f"{_are(kinds.count(kind))} {kind}: {_LOST}" for kind in sorted(set(kinds))]
        return tuple(found)


class Method(PictureMethod):
    """Reads the picture of each image."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self._folder: PictureFolder | None = None

    @classmethod
    def open_argument(cls, card: MethodCard, argument: str) -> Argument:
        """With what its card.toml states."""
        folder = PictureFolder.open(argument)
        stated = read_stated(PicturesCard, folder.folder / "card.toml")
        return Pictures(argument, stated.applied(card), stated)

    def load(self) -> None:
        """List the folder.

        Raises:
            DataError: it is not there, or holds no picture.
        """
        opened = self.open_argument(self.card, str(self.argument))
        assert isinstance(opened, Pictures)
        self._folder = opened.folder
        _ = self._folder.files

    def known_ids(self) -> list[str]:
        """As the files are called."""
        assert self._folder is not None  # load comes first
        return sorted(self._folder.files)

    def finished(self, asked: Sequence[Asked]) -> list[Finished]:
        """The pictures as they lie there."""
        return [self._read(each) for each in asked]

    def _read(self, asked: Asked) -> Finished:
        assert self._folder is not None  # load comes first
        try:
            return Finished(self._folder.read(asked.id, asked.size))
        except FaceSRBenchError as error:
            return Finished(None, str(error))


_LOST = "what was lost in saving counts as the method's"


def _are(count: int) -> str:
    return f"{count} picture is" if count == 1 else f"{count} pictures are"


def _lossy(path: Path) -> str | None:
    """`JPEG` or `lossy WebP`, by the first bytes; None for any other file."""
    try:
        with open_regular(path) as stream:
            head = stream.read(16)
    except OSError:
        return None
    if sniff(head) == "WEBP" and head[12:16] == b"VP8 ":
        return "lossy WebP"
    return "JPEG" if sniff(head) == "JPEG" else None
