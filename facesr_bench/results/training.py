"""How a checkpoint was trained: what the logs of its training say, kept beside the results of that very file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import read_text, replacing
from facesr_bench.base.invalid import problems

FILE = "training.json"
_NO_LOSS = frozenset({"step", "samples", "seconds", "images_per_second", "psnr", "lr", "d_lr"})

Points = tuple[tuple[int, FiniteFloat], ...]
"""(samples seen in this stage, value)."""


class Stage(BaseModel):
    """One training from its first step to its last.

    Attributes:
        name: of the log.
        bicubic: PSNR (dB) of bicubic interpolation on the same held-out faces, or None where the log does not say.
        psnr: of the held-out faces, dB.
        losses: by name, each the mean of the steps since the point before.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    bicubic: FiniteFloat | None = None
    psnr: Points = ()
    losses: dict[str, Points] = {}

    @property
    def samples(self) -> int:
        """How many samples it has seen."""
        return max((at for points in (self.psnr, *self.losses.values()) for at, _ in points), default=0)


class Training(BaseModel):
    """The stages that made a checkpoint, each begun from the end of the one before.

    Attributes:
        trouble: why there are none though there are logs.
    """

    model_config = ConfigDict(frozen=True)

    stages: tuple[Stage, ...] = ()
    trouble: str = ""

    def save(self, folder: Path) -> None:
        """Keep it in a result's folder.

        Raises:
            ResultsError: it can't be written.
        """
        text = self.model_dump_json(exclude_defaults=True)
        path = folder / FILE
        if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
            with replacing(path) as partial:
                partial.write_text(text, encoding="utf-8")


def kept(folder: Path) -> Training | None:
    """What is kept in a result's folder; None where nothing is, or nothing that can be read: it is no number."""
    try:
        return Training.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def of_logs(logs: Sequence[Path]) -> Training:
    """As `read_logs`; of logs that can't be read, why: they cost no number."""
    try:
        return read_logs(logs)
    except ResultsError as error:
        return Training(trouble=str(error))


def read_logs(logs: Sequence[Path]) -> Training:
    """What the log.jsonl of each stage says, in their order.

    Raises:
        ResultsError: a file is no log of a training, or can't be read.
    """
    return Training(stages=tuple(_read(path) for path in logs))


def _read(path: Path) -> Stage:
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    found = [_line(path, number, line, number == len(lines)) for number, line in enumerate(lines, 1) if line.strip()]
    steps = [line for line in found if "samples" in line and "step" in line]
    if not steps:
        raise ResultsError(
            f"{path}: no log of a training: no line has `step` and `samples`; `facesr-bench train` writes log.jsonl"
        )
    names = dict.fromkeys(name for line in steps for name, value in line.items() if _is_loss(name, value))
    bicubic = next((line["bicubic_psnr"] for line in found if "bicubic_psnr" in line), None)
    try:
        return Stage(
            name=path.parent.name if path.name == "log.jsonl" else path.stem,
            bicubic=bicubic,
            psnr=_points(steps, "psnr"),
            losses={name: _points(steps, name) for name in names},
        )
    except ValidationError as error:
        raise ResultsError(f"{path}: no log of a training: {problems(error)}") from error


def _line(path: Path, number: int, line: str, last: bool) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        if last:  # a kill cut it short
            return {}
        raise ResultsError(f"{path}: line {number} is not JSON; mend or remove it") from error
    if not isinstance(found, dict):
        raise ResultsError(f"{path}: no log of a training: line {number} is no object")
    return found


def _is_loss(name: str, value: Any) -> bool:
    return name not in _NO_LOSS and isinstance(value, (int, float)) and not isinstance(value, bool)


def _points(steps: Sequence[dict[str, Any]], name: str) -> Any:
    return tuple(
        (line["samples"], line[name])
        for line in steps
        if isinstance(line.get(name), (int, float)) and math.isfinite(line[name])
    )
