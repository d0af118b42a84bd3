"""What follows a method's colon, opened: the method that it makes, and what of it can change a number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

from facesr_bench.base.hashing import file_sha256, hash_file
from facesr_bench.base.suggest import expanded
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.sidecar import Stated


@dataclass(frozen=True)
class Argument:
    """The argument of one method: what `MethodBase.open_argument` returns.

    Attributes:
        text: as the user wrote it.
        card: of the method that it makes: the plug-in's own, with what the argument itself decides (its input, whether
            faces must be aligned, its title ...). The engine goes by it wherever it would by the plug-in's.
        stated: what is said of it beside that.
    """

    text: str
    card: MethodCard
    stated: Stated = field(default_factory=Stated)

    @cached_property
    def sha256(self) -> str:
        """Of all that it holds and that can change a number: part of the result's fingerprint.

        By default the content of the file or folder it names, or else its text. A class that also reads other files
        (external data, a FILE.toml) covers them here, less what is only for people.

        Raises:
            DataError: a file can't be read.
        """
        return hash_argument(self.text)

    def remarks(self, ids: Collection[str]) -> tuple[str, ...]:
        """What a reader of the row must know of it, one sentence each.

        Args:
            ids: of all images of the protocol.
        """
        return ()


def hash_argument(argument: str) -> str:
    """sha256 of a file's content (see `hash_file`), of a folder's files with their names, or of any other text.

    Raises:
        DataError, WeightsError: a file can't be read.
    """
    path = expanded(argument)
    if path.is_file():
        return hash_file(path)
    if not path.is_dir():
        return hashlib.sha256(argument.encode()).hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listed = [(file.relative_to(path).as_posix(), file_sha256(file)) for file in files]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
