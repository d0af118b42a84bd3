"""A training on disk: `last.pt` to go on from, and weights files that can be run at once. All writes are atomic."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from facesr_bench.base.errors import TrainingError, first_line
from facesr_bench.base.files import replacing
from facesr_bench.base.hashing import file_sha256
from facesr_bench.weights.checkpoints import load_plain, load_strictly

STATE_FILE, LAST_FILE, BEST_FILE, LOG_FILE = "last.pt", "last.safetensors", "best.safetensors", "log.jsonl"
VERSION = 2
"""Of last.pt. A file without one is of version 1: network, average, optimizer, step and seconds alone."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that a reader, and whoever comes after a power cut, finds the old one or the new one.

    Raises:
        TrainingError: the disk is full or not writable.
    """
    try:
        with replacing(path, TrainingError, durable=True) as partial, partial.open("wb") as file:
            write(file)
    except RuntimeError as error:  # torch's writer hides an OSError behind one of its own
        cause = error.__context__
        reason = (cause.strerror if isinstance(cause, OSError) else None) or first_line(error)
        raise TrainingError(f"{path}: can't be written: {reason}") from error


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write `last.pt`."""
    write_atomically(path, lambda file: torch.save({"version": VERSION, **state}, file))


def read_state(path: Path) -> dict[str, Any]:
    """Read `last.pt`, tensors and plain values only.

    Raises:
        WeightsError: damaged, or another kind of file.
        TrainingError: another file, or written by a later release.
    """
    state = load_plain(path)
    if not isinstance(state, dict) or not {"network", "average", "optimizer", "step", "seconds"} <= state.keys():
        raise TrainingError(f"{path}: not a training state")
    if state.get("version", 1) > VERSION:
        raise TrainingError(f"{path}: written by a later release (version {state['version']}); use that one")
    return state


def write_weights(path: Path, network: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write a network's weights as safetensors, float32."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    data = to_bytes(tensors, metadata=dict(metadata))
    write_atomically(path, lambda file: file.write(data))


def start_from(network: nn.Module, path: Path, what: str) -> dict[str, str]:
    """Load a checkpoint (`--init`) into a network whose every name and shape must agree.

    Args:
        what: the network's name in errors.

    Returns:
        What identifies the file: its name (`init`) and hash (`init_sha256`).

    Raises:
        WeightsError: unreadable, or of another network.
    """
    load_strictly(network, path, what)
    return {"init": path.name, "init_sha256": file_sha256(path)}


def load_optimizer(optimizer: torch.optim.Adam, state: dict[str, Any], betas: tuple[float, float]) -> None:
    """Restore what an optimiser remembers; `betas` are settings, which a resumed training may change."""
    optimizer.load_state_dict(state)
    for group in optimizer.param_groups:
        group["betas"] = betas


def all_finite(value: Any) -> bool:
    """Whether no tensor in a state, however deep, holds a NaN or an infinity."""
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    if isinstance(value, dict):
        return all(all_finite(v) for v in value.values())
    return not isinstance(value, (list, tuple)) or all(all_finite(v) for v in value)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; empty if there is no file. A last line that a kill cut short is left out."""
    if not path.is_file():
        return []
    found = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for i, line in enumerate(lines):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            if i < len(lines) - 1:
                raise TrainingError(f"{path}: line {i + 1} is not JSON; mend or remove it") from error
    return found


def rewind_log(path: Path, step: int) -> None:
    """Take out what was logged after `step`: the steps that a resumed training does again."""
    kept = [line for line in read_log(path) if line.get("step", 0) <= step]  # the first starts had no step
    if path.is_file():
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_atomically(path, lambda file: file.write(text.encode()))
