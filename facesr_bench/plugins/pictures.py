"""Methods whose pictures are made elsewhere: finished ones in a folder, found by the image's id and by nothing else."""

from __future__ import annotations

import re
import unicodedata
from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from facesr_bench.base.errors import DataError, MethodError, ResultsError
from facesr_bench.base.files import file_name, inside
from facesr_bench.base.suggest import expanded
from facesr_bench.images.files import SUFFIXES, Image8, read_image
from facesr_bench.images.folders import say_passed_over
from facesr_bench.plugins.method import MethodBase

if TYPE_CHECKING:
    from torch import Tensor

ID = "{id}"
"""Stands for the image's id in a pattern."""
FOLDERS_NAMED = 5
"""Folders of pictures that a message names."""


@dataclass(frozen=True)
class Asked:
    """One image that a picture is wanted of.

    Attributes:
        lr: what the card's `input` says, HxWx3 uint8.
        size: height and width that its picture must have; None: any.
        seed: what random numbers are to begin at; a card that says `deterministic = false` gets one image at a time.
    """

    id: str
    lr: Image8
    size: tuple[int, int] | None
    seed: int = 0


@dataclass(frozen=True)
class Finished:
    """A picture, HxWx3 uint8, or why there is none; `ms`: what it took, where that is known."""

    sr: Image8 | None
    error: str | None = None
    ms: float | None = None


class PictureMethod(MethodBase):
    """A method that hands over finished pictures, uint8 as they were saved, by the images' ids.

    Attributes:
        block: how many images it is best asked for at once; None: as many as any other method.
    """

    block: int | None = None

    @abstractmethod
    def finished(self, asked: Sequence[Asked]) -> list[Finished]:
        """The picture of each image, in their order; what has none says why and costs no other.

        Raises:
            FaceSRBenchError: none of them can be had.
        """

    def known_ids(self) -> list[str] | None:
        """The images that it has pictures of, as far as their names say; None: it makes one of any image."""
        return None

    def upscale(self, lr: Tensor) -> Tensor:
        """Never called by the engine.

        Raises:
            MethodError: always.
        """
        raise MethodError(f"{self.card.name} hands over finished pictures by their ids; it upscales no others")


@dataclass(frozen=True)
class PictureFolder:
    """The pictures of a folder, paired with images by name.

    The file of an image is called as `pattern` says with the id in the place of `{id}`; an id with a separator in it is
    looked for in folders of that name, and as results spell it (`a%2Fb.png`). Names are compared in Unicode's composed
    form, since macOS writes them decomposed; nothing else is forgiven. Hidden files are no pictures.

    Args:
        folder: must exist.
        pattern: a path in it; without a picture's suffix (`{id}_00`) any that is read fits.
    """

    folder: Path
    pattern: str = ID

    @classmethod
    def open(cls, argument: str) -> PictureFolder:
        """The folder that a text names: `DIR`, or `DIR/PATTERN` with `{id}` in it.

        Raises:
            DataError: no such folder, or a pattern that can't be meant.
        """
        path = expanded(argument)
        if path.is_dir():
            return cls(path)
        at = next((i for i, part in enumerate(path.parts) if "{" in part), None)
        if at is None:
            what = "a file, not a folder" if path.exists() else "no such folder"
            raise DataError(f"{path}: {what}; a folder of finished pictures is expected, or FOLDER/{ID}_00.png")
        folder, pattern = Path(*path.parts[:at]), "/".join(path.parts[at:])
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
        return cls(folder, checked_pattern(pattern))

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """Every file that the pattern fits, by what stands in the place of the id; two where only suffixes differ.

        Raises:
            DataError: the folder can't be read, holds no picture that fits, or one that is a link out of it.
        """
        try:
            every = sorted(p for p in self.folder.rglob("*") if p.is_file())
        except OSError as error:
            raise DataError(f"{self.folder}: can't be read: {error.strerror or error}") from error
        say_passed_over(self.folder, every)
        found: dict[str, list[Path]] = {}
        for path in (p for p in every if p.suffix.lower() in SUFFIXES):
            name = path.relative_to(self.folder).as_posix()
            fits = None if any(part[0] == "." for part in name.split("/")) else self._form.fullmatch(_composed(name))
            if fits:
                found.setdefault(fits["id"], []).append(self._own(path))
        if not found:
            fitting = "" if self.pattern == ID else f" called as {self.pattern!r} says"
            raise DataError(f"{self.folder}: no pictures{fitting} in it (looked for {', '.join(sorted(SUFFIXES))})")
        return found

    @cached_property
    def _form(self) -> re.Pattern[str]:
        before, after = map(re.escape, _composed(self.pattern).split(ID))
        any_suffix = "" if Path(self.pattern).suffix.lower() in SUFFIXES else r"\.[^./]+"
        return re.compile(f"{before}(?P<id>.+){after}{any_suffix}", re.DOTALL)

    def path(self, image_id: str) -> Path:
        """The file of one image.

        Raises:
            DataError: there is none, or there are two.
        """
        found = [path for name in _names(image_id) for path in self.files.get(name, ())]
        if not found:
            raise DataError(f"no picture of it in {self.folder}: looked for {self._looked_for(image_id)}")
        if len(found) > 1:
            raise DataError(f"{len(found)} pictures of it: {', '.join(map(str, found))}; leave one there")
        return found[0]

    def _own(self, path: Path) -> Path:
        """A path in the folder, unless it is a link out of it: the folder may be a stranger's."""
        try:
            return inside(self.folder, path.relative_to(self.folder).as_posix()) if path.is_symlink() else path
        except ResultsError as error:
            raise DataError(str(error)) from error

    def read(self, image_id: str, size: tuple[int, int] | None) -> Image8:
        """The picture of one image.

        Args:
            size: height and width that it must have; None: any.

        Raises:
            DataError: missing, ambiguous, unreadable, or of another size.
        """
        path = self.path(image_id)
        picture = read_image(path)
        if size is not None and picture.shape[:2] != size:
            found, expected = (f"{width}x{height}" for height, width in (picture.shape[:2], size))
            raise DataError(f"{path} is {found} px; expected {expected}")
        return picture

    def unpaired(self, ids: Collection[str]) -> list[str]:
        """The names of pictures that belong to none of some images, sorted."""
        wanted = {name for image_id in ids for name in _names(image_id)}
        alone = [path for name, paths in self.files.items() if name not in wanted for path in paths]
        return sorted(path.relative_to(self.folder).as_posix() for path in alone)

    def missing(self, ids: Collection[str]) -> list[str]:
        """The ids without a picture, in their order."""
        return [image_id for image_id in ids if not any(name in self.files for name in _names(image_id))]

    def hint(self, ids: Collection[str]) -> str:
        """Where no picture fits any image: the folders that they lie in, or what stands around the ids in the names."""
        if all("/" in name for name in self.files):
            inside = sorted({name.partition("/")[0] for name in self.files})
            more = f" and {len(inside) - FOLDERS_NAMED} more" if len(inside) > FOLDERS_NAMED else ""
            named = ", ".join(inside[:FOLDERS_NAMED])
            return f"; they lie in folders of it, {named}{more}: name one, as in images:{self.folder}/{inside[-1]}"
        names = [(name, image) for name in self.files for image_id in ids for image in _names(image_id)]
        behind = {name.removeprefix(image) for name, image in names if name.startswith(image)}
        before = {name.removesuffix(image) for name, image in names if name.endswith(image)}
        if len(behind) == 1:
            (one,) = behind
            way = f"--suffix {one}, or images:{self.folder}/{ID}{one}.png"
            return f"; the pictures' names have {one!r} behind the id: {way}"
        if len(before) == 1:
            (one,) = before
            return f"; the pictures' names have {one!r} before the id: write images:{self.folder}/{one}{ID}.png"
        return ""

    def _looked_for(self, image_id: str) -> str:
        names = " or ".join(self.pattern.replace(ID, name) for name in _names(image_id))
        return names if Path(self.pattern).suffix.lower() in SUFFIXES else f"{names} with .png, .jpg, .webp ..."


def checked_pattern(pattern: str) -> str:
    """A pattern with `{id}` in it once, and no other braces.

    Raises:
        DataError: it is none; says what it must be.
    """
    if pattern.count(ID) != 1 or set("{}") & set(pattern.replace(ID, "")) or ".." in pattern.split("/"):
        raise DataError(f"{pattern!r}: a pattern has {ID} in it once and no other braces, as in {ID}_00.png")
    return pattern


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _names(image_id: str) -> tuple[str, ...]:
    """What may stand in the place of an id: itself, and as results spell it."""
    return tuple(dict.fromkeys((_composed(image_id), _composed(file_name(image_id)))))
