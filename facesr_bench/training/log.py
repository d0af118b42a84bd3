"""The log of a training: a line on the screen, a line in log.jsonl, and TensorBoard's events."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facesr_bench.base.environment import environment
from facesr_bench.base.errors import TrainingError
from facesr_bench.training.checkpoints import LOG_FILE, rewind_log

Say = Callable[[str], None]


def to_screen(line: str) -> None:
    """Print a line. A training goes on when nobody reads it any more (`| head`): the log has all."""
    try:
        print(line, flush=True)  # noqa: T201
    except OSError:
        # Not to stumble over it again, nor over what is still buffered when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Log:
    """The log of one run's folder.

    Args:
        step: where training goes on; what was logged beyond it is taken out.

    Raises:
        TrainingError: it can't be written; so does every method.
    """

    def __init__(self, out: Path, step: int, say: Say) -> None:
        self._path = out / LOG_FILE
        with self._written():
            rewind_log(self._path, step)
            self._file = self._path.open("a", encoding="utf-8")
            self._events = _tensorboard(out / "tensorboard", step, say)

    def line(self, fields: dict[str, Any]) -> None:
        """Append one line to log.jsonl, and its numbers to TensorBoard."""
        with self._written():
            self._file.write(json.dumps(fields) + "\n")
            self._file.flush()
            if self._events is not None and "arguments" not in fields:
                for name, value in fields.items():
                    if name not in {"step", "samples"} and value is not None:
                        self._events.add_scalar(name, value, fields["step"])

    def close(self) -> None:
        """Close the file and TensorBoard's."""
        with self._written():
            self._file.close()
            if self._events is not None:
                self._events.close()

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(f"{self._path}: can't be written: {error.strerror or error}") from error


def _tensorboard(folder: Path, step: int, say: Say) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        say(f"no TensorBoard events: tensorboard is not installed (pip install tensorboard); {LOG_FILE} has everything")
        return None
    return SummaryWriter(folder, purge_step=step + 1)


def machine(device: str) -> dict[str, Any]:
    """What the log says of code, packages and device."""
    known = environment(device)
    packages = {name: known["packages"].get(name) for name in ("torch", "numpy", "pillow")}
    kept = {name: known[name] for name in ("commit", "dirty", "python", "device", "threads")}
    return {**kept, "packages": packages, "machine": platform.machine()}


def progress_line(
    step: int,
    steps: int | None,
    losses: dict[str, float],
    rate: float,
    psnr: float | None,
    best: tuple[float, int] | None,
    seconds_left: float | None,
) -> str:
    """One line for people.

    Args:
        rate: images per second.
        psnr: of the last validation, dB.
        best: the highest such PSNR, and its step.
        seconds_left: None where the end is not known.
    """
    parts = [f"step {step:,}" + (f"/{steps:,}" if steps is not None else "")]
    parts += [f"{name} {value:.4f}" for name, value in losses.items()]
    parts.append(f"{rate:.1f} images/s")
    if psnr is not None:
        parts.append(f"PSNR {psnr:.2f} dB" + (f" (best {best[0]:.2f} at {best[1]:,})" if best is not None else ""))
    if seconds_left is not None:
        parts.append(f"ETA {duration(seconds_left)}")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """`2 h 05 min`, `3 min 20 s`, `15 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
