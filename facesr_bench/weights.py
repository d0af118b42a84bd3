"""Checkpoints: which file a name means, whether it can be trusted, and how it is read."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.cards import MethodCard, WeightsCard
from facesr_bench.dataset import file_sha256
from facesr_bench.errors import DataError, WeightsError
from facesr_bench.plugins import Plugin, unknown

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Weights:
    """One checkpoint, found and verified.

    Attributes:
        name: the card's name for it, or `file.pth:1a2b3c4d` (with the hash's first 8 digits) for a user's own file.
        path: the file.
        sha256: of the file.
        card: none for a user's own file.
    """

    name: str
    path: Path
    sha256: str
    card: WeightsCard | None

    @property
    def training_data(self) -> str:
        return self.card.training_data if self.card else "not stated (a file given by path)"


def cache_folder() -> Path:
    """Where downloads live: `FACESR_BENCH_CACHE`, else the XDG cache folder."""
    if given := os.environ.get("FACESR_BENCH_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "facesr-bench"


def location(plugin: Plugin[MethodCard], name: str) -> Path:
    """Where the checkpoint that the card calls `name` is, or would be once fetched."""
    card = plugin.require_card().weights[name]
    if card.file is not None:
        return plugin.folder / card.file
    assert card.url is not None  # the card's validator has seen to it
    return cache_folder() / "weights" / plugin.name / card.url.rsplit("/", 1)[-1]


def resolve(plugin: Plugin[MethodCard], given: str | None) -> Weights | None:
    """The checkpoint that `method@given` means; the card's default where nothing is given.

    Returns:
        None for a method without weights.

    Raises:
        WeightsError: unknown name, missing file (says how to get it), or wrong hash.
    """
    method = plugin.require_card()
    if not method.weights and given is None:
        return None
    name = given if given is not None else method.default_weights
    assert name is not None  # a card with weights has a default
    if name in method.weights:
        return _named(plugin, name, method.weights[name])
    path = Path(name).expanduser()
    if path.is_file():
        try:
            digest = file_sha256(path)
        except DataError as error:
            raise WeightsError(str(error)) from error
        return Weights(f"{path.name}:{digest[:8]}", path, digest, None)
    if os.sep in name or path.suffix:
        raise WeightsError(f"{method.name}@{name}: no such file")
    if not method.weights:
        raise WeightsError(f"{method.name} has no weights, so {method.name}@{name} means nothing")
    message = unknown(f"weights of {method.name}", name, method.weights)
    raise WeightsError(f"{message}\n  or give a file: {method.name}@/path/to/checkpoint.pth")


def _named(plugin: Plugin[MethodCard], name: str, card: WeightsCard) -> Weights:
    path = location(plugin, name)
    label = f"{plugin.name}@{name}"
    if not path.is_file():
        if card.url is None:
            raise WeightsError(f"{label}: {path} is missing from the installation; install facesr-bench again")
        raise WeightsError(
            f"the weights {label} are not on this machine.\n"
            f"  get them:  {card.url}  ({card.licence})\n"
            f"  put them:  {path}\n"
            f"  or use a file elsewhere:  --methods {plugin.name}@/path/to/{path.name}"
        )
    digest = file_sha256(path)
    if card.sha256 is not None and digest != card.sha256:
        raise WeightsError(
            f"{path}: this is not the file that {label} names: its sha256 is {digest}, expected {card.sha256}; "
            "remove it and get it again"
        )
    return Weights(name, path, digest, card)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint's tensors, without ever running code from it.

    Takes safetensors, and PyTorch files through `weights_only=True`: a bare state dict, or one under `state_dict`,
    `params_ema`, `params` or `model`; a leading `module.` (DataParallel) is removed. Half precision becomes float32.

    Raises:
        WeightsError: not a checkpoint, damaged, or a pickle that holds more than tensors.
    """
    import torch

    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors: Any = load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise WeightsError(f"{path}: not a safetensors file, or damaged: {error}") from error
    else:
        try:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise WeightsError(
                f"{path}: refused, because it is not a plain PyTorch checkpoint: it is damaged, another kind of file, "
                f"or holds Python objects that could run code when loaded.\n  {_first_line(error)}"
            ) from error
        except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, OSError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{path}: not a PyTorch checkpoint, or damaged: {_first_line(error)}") from error
    for key in ("state_dict", "params_ema", "params", "model"):
        if isinstance(tensors, Mapping) and isinstance(tensors.get(key), Mapping):
            tensors = tensors[key]
            break
    if not isinstance(tensors, Mapping) or not tensors or not all(torch.is_tensor(t) for t in tensors.values()):
        raise WeightsError(f"{path}: holds no state dict (names with tensors)")
    return {
        str(name).removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def load_strictly(network: nn.Module, path: Path, what: str) -> None:
    """Load a checkpoint into a network whose every name and shape must agree.

    Args:
        what: the network's name in errors, as `sparnet`.

    Raises:
        WeightsError: unreadable, or of another network; says which names or shapes differ.
    """
    load_tensors(network, read_state_dict(path), path, what)


def load_tensors(network: nn.Module, given: Mapping[str, Tensor], path: Path, what: str) -> None:
    """`load_strictly` for tensors that were read from `path` and then renamed, cut or added to.

    Raises:
        WeightsError: of another network; says which names or shapes differ.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted]
    shapes = [
        f"{name}: {tuple(given[name].shape)} in the file, {tuple(wanted[name].shape)} in the network"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    if missing or extra or shapes:
        lines = [f"{path}: these are not weights of {what}:"]
        for title, names in (("missing", missing), ("unexpected", extra), ("of another shape", shapes)):
            if names:
                lines.append(f"  {len(names)} {title}, the first: {names[0]}")
        raise WeightsError("\n".join(lines))
    bad = [name for name, tensor in given.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        raise WeightsError(f"{path}: NaN or infinity in {len(bad)} tensor(s), the first: {bad[0]}")
    network.load_state_dict(given)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
