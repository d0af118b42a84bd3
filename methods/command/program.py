"""What a TOML file says of an external program, and how it is started: an argument list, no shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from facesr_bench.base.errors import CardError
from facesr_bench.plugins.sidecar import Stated

FILLED_IN = ("lr_dir", "sr_dir", "scale", "seed", "here", "python")
"""What `{...}` may stand for in a command."""

_BRACES = re.compile(r"\{([^{}]*)\}")


class Program(Stated):
    """The TOML file of an external program."""

    DESCRIPTIVE: ClassVar[frozenset[str]] = Stated.DESCRIPTIVE | {"timeout", "block", "files"}

    command: tuple[str, ...] = Field(
        min_length=1,
        description="the program and its arguments, with {lr_dir} and {sr_dir}: PNG files to read, where to write the "
        "pictures under the same names; {scale}; {seed}; {here}: the folder of this file; {python}: this Python",
    )
    input: Literal["lr", "bicubic"] = Field(default="lr", description="as in the card of a method")
    scales: tuple[int, ...] = ()
    output_size: int | None = Field(default=None, gt=0)
    needs_ffhq_alignment: bool = False
    suffix: str | None = Field(default=None, pattern=r"^[^/{}]+$", description="of its pictures, behind the id")
    deterministic: bool = Field(default=True, description="false: it is started for each image, with {seed}")
    seed: int | None = Field(default=None, ge=0)
    environment: dict[str, str] = Field(default_factory=dict, description="variables beside those of this process")
    timeout: float = Field(default=3600, gt=0, allow_inf_nan=False, description="seconds of one start")
    block: int = Field(default=64, ge=1, description="images of one start")
    files: tuple[str, ...] = Field(
        default=(), description="code and weights, relative to this file, that the fingerprint covers, too"
    )

    @model_validator(mode="after")
    def _can_be_filled_in(self) -> Program:
        texts = [*self.command, *self.environment.values()]
        named = {name for text in texts for name in _BRACES.findall(text)}
        if unknown := sorted(named - set(FILLED_IN)):
            known = ", ".join(f"{{{name}}}" for name in FILLED_IN)
            raise ValueError(f"{{{unknown[0]}}} stands for nothing; known are {known}")
        if missing := sorted({"lr_dir", "sr_dir"} - named):
            raise ValueError(f"the command must have {{{missing[0]}}} in it")
        if not self.deterministic and (self.seed is None or "seed" not in named):
            raise ValueError("deterministic = false needs a seed, such as seed = 0, and {seed} in the command")
        return self

    def covered(self, here: Path) -> list[Path]:
        """The files and folders that can change its pictures, as far as they are named: `files`, and `{here}/NAME`.

        Raises:
            CardError: one of `files` is not there.
        """
        found = [here / name for name in self.files]
        if missing := [path for path in found if not path.exists()]:
            raise CardError(f"{missing[0]}: no such file or folder, though `files` names it")
        named = (Path(text.replace("{here}", str(here))) for text in self.command if text.startswith("{here}/"))
        return sorted({*found, *(path for path in named if path.exists())})


def filled(texts: tuple[str, ...], values: Mapping[str, object]) -> list[str]:
    """Texts with the value of each `{name}` in its place."""
    return [_BRACES.sub(lambda name: str(values[name[1]]), text) for text in texts]
