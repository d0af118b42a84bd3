"""An external program as a method: `command:FILE.toml`."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from facesr_bench.base.errors import DataError, FaceSRBenchError, MethodError
from facesr_bench.base.files import file_name
from facesr_bench.base.hashing import canonical
from facesr_bench.base.suggest import expanded
from facesr_bench.images.files import write_png
from facesr_bench.plugins.argument import Argument, hash_argument
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.method import MethodContext
from facesr_bench.plugins.pictures import ID, Asked, Finished, PictureFolder, PictureMethod
from facesr_bench.plugins.sidecar import read_stated

from .program import Program, filled
from .start import Ended, start

TRIED_ALONE = 3
"""Images of a block that failed which are tried alone; if none of them goes well, the others are not."""


@dataclass(frozen=True)
class Command(Argument):
    """A program as its TOML file describes it."""

    program: Program = field(kw_only=True)

    @property
    def here(self) -> Path:
        """The folder of its file."""
        return expanded(self.text).resolve().parent

    @cached_property
    def sha256(self) -> str:
        """Of what its file says that can change a picture, and of the code and weights that it names."""
        covered = [(path.relative_to(self.here).as_posix(), hash_argument(str(path))) for path in self._covered]
        return hashlib.sha256(json.dumps([canonical(self.program), covered], sort_keys=True).encode()).hexdigest()

    @property
    def _covered(self) -> list[Path]:
        """Raises: DataError: a file that is named lies elsewhere."""
        found = self.program.covered(self.here)
        for path in found:
            if not path.resolve().is_relative_to(self.here):
                raise DataError(f"{path}: not below {self.here}, where {Path(self.text).name} is; put it there")
        return found

    def remarks(self, ids: Collection[str]) -> tuple[str, ...]:
        """What of the program the fingerprint covers."""
        names = ", ".join(path.name for path in self._covered)
        covered = f"its TOML file and {names}" if names else "its TOML file alone"
        return (f"made by an external program, of which the fingerprint covers {covered}",)


class Method(PictureMethod):
    """Starts the program once for a block of images."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        opened = self.open_argument(context.card, str(context.argument))
        self._program, self._here = opened.program, opened.here
        self.block = self._program.block

    @classmethod
    def open_argument(cls, card: MethodCard, argument: str) -> Command:
        """With what its file says of input, sizes and seed."""
        path = expanded(argument)
        if not path.is_file():
            raise DataError(f"{path}: no such file; the TOML file of a program is expected (docs/methods.md)")
        program = read_stated(Program, path)
        fields = ("input", "scales", "output_size", "needs_ffhq_alignment", "deterministic", "seed")
        decided = card.model_copy(update={name: getattr(program, name) for name in fields})
        return Command(argument, program.applied(decided), program, program=program)

    def load(self) -> None:
        """Find the program.

        Raises:
            MethodError: there is no such program.
        """
        name = self._filled(Path(), Path(), 0)[0]
        place = str(self._here / name) if "/" in name else name
        if shutil.which(place) is None:
            raise MethodError(f"{self.argument}: no program is called {name!r} (looked in PATH, or from {self._here})")

    def finished(self, asked: Sequence[Asked]) -> list[Finished]:
        """What it makes of a block; where it fails, of each image alone."""
        ended, found = self._made(asked)
        if ended.problem is None or len(asked) == 1:
            return found
        alone: list[Finished] = []
        for number, each in enumerate(asked):
            if number == TRIED_ALONE and all(one.sr is None for one in alone):
                why = f"{alone[-1].error} (so it went with the {number} images before, each alone; not tried)"
                return [*alone, *(Finished(None, why) for _ in asked[number:])]
            alone += self._made([each])[1]
        return alone

    def _made(self, asked: Sequence[Asked]) -> tuple[Ended, list[Finished]]:
        with TemporaryDirectory(prefix="facesr-bench-") as folder:
            lr_dir, sr_dir = Path(folder) / "lr", Path(folder) / "sr"
            lr_dir.mkdir()
            sr_dir.mkdir()
            for each in asked:
                write_png(lr_dir / f"{file_name(each.id)}.png", each.lr)
            seed = asked[0].seed % 2**31
            values = self._values(lr_dir, sr_dir, seed)
            named = self._program.environment
            variables = dict(zip(named, filled(tuple(named.values()), values), strict=True))
            ended = start(self._filled(lr_dir, sr_dir, seed), self._here, variables, self._limit(asked), self.log)
            pictures = PictureFolder(sr_dir, ID + (self._program.suffix or ""))
            return ended, [self._finished(each, ended, pictures, len(asked)) for each in asked]

    def _finished(self, asked: Asked, ended: Ended, pictures: PictureFolder, count: int) -> Finished:
        said = f"; it said: {ended.said}" if ended.said else ""
        if ended.problem is not None:
            return Finished(None, f"{ended.problem}{said}")
        try:
            return Finished(pictures.read(asked.id, asked.size), ms=ended.seconds * 1000 / count)
        except FaceSRBenchError as error:
            message = str(error).replace(str(pictures.folder), "{sr_dir}")
            return Finished(None, f"exit status 0, but {message}{said}")

    def _limit(self, asked: Sequence[Asked]) -> float:
        """Seconds that one start may take: as its file says, or as the user allows for each image."""
        allowed = self.context.timeout
        return self._program.timeout if allowed is None else min(self._program.timeout, allowed * len(asked))

    def _values(self, lr_dir: Path, sr_dir: Path, seed: int) -> dict[str, object]:
        places = {"lr_dir": lr_dir, "sr_dir": sr_dir, "here": self._here, "python": sys.executable}
        return {**places, "scale": self.scale, "seed": seed}

    def _filled(self, lr_dir: Path, sr_dir: Path, seed: int) -> list[str]:
        return filled(self._program.command, self._values(lr_dir, sr_dir, seed))
