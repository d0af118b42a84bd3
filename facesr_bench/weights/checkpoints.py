"""How a checkpoint is read: tensors only, never code, and every name and shape must agree."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.base.errors import WeightsError, first_line

if TYPE_CHECKING:
    from torch import Tensor, nn

_UNREADABLE = (RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, OSError, zipfile.BadZipFile)
"""What torch.load raises at a file that is no checkpoint, or half of one."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint's tensors, without ever running code from it.

    Takes safetensors, and PyTorch files through `weights_only=True`: a bare state dict, or one under `state_dict`,
    `params_ema`, `params` or `model`; a leading `module.` (DataParallel) is removed. Half precision becomes float32.

    Raises:
        WeightsError: not a checkpoint, damaged, or a pickle that holds more than tensors.
    """
    import torch

    if not path.exists():
        raise WeightsError(f"{path}: no such file")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors: Any = load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise WeightsError(f"{path}: not a safetensors file, or damaged: {error}") from error
    else:
        tensors = load_plain(path)
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


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file.

    Raises:
        WeightsError: missing, damaged or another kind of file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: not a safetensors file, or damaged: {first_line(error)}") from error


def load_plain(path: Path) -> Any:
    """What a PyTorch file holds: tensors and plain containers of them, never objects that could run code.

    Raises:
        WeightsError: not a PyTorch file, damaged, or a pickle that holds more than that.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: refused, because it is not a plain PyTorch checkpoint: it is damaged, another kind of file, "
            f"or holds Python objects that could run code when loaded.\n  {first_line(error)}"
        ) from error
    except _UNREADABLE as error:
        raise WeightsError(f"{path}: not a PyTorch checkpoint, or damaged: {first_line(error)}") from error


def load_strictly(network: nn.Module, path: Path, what: str) -> None:
    """Load a checkpoint into a network whose every name and shape must agree.

    Args:
        what: the network's name in errors, as `sparnet`.

    Raises:
        WeightsError: unreadable, or of another network; says which names or shapes differ.
    """
    load_tensors(network, read_state_dict(path), path, what)


def add_batch_counts(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Give a state dict the counts of batches that older files leave out; batch norm in eval mode never reads them."""
    for name, tensor in network.state_dict().items():
        if name.endswith(".num_batches_tracked"):
            tensors.setdefault(name, tensor)


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


def write_random(network: nn.Module, path: Path) -> Path:
    """A checkpoint for a network: random weights, always the same, under which values neither vanish nor explode.

    Returns:
        `path`, written in half precision.
    """
    import torch

    random = torch.Generator().manual_seed(0)
    tensors = {}
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            tensors[name] = tensor
            continue
        drawn = torch.randn(tensor.shape, generator=random)
        if tensor.ndim > 1:
            drawn *= (2 / tensor[0].numel()) ** 0.5
        elif name.endswith("running_var"):
            drawn = 1 + 0.25 * drawn.tanh()
        elif name.endswith("weight"):  # of a norm or an activation: near one
            drawn = 1 + 0.2 * drawn
        else:
            drawn *= 0.1
        tensors[name] = drawn.half()
    torch.save(tensors, path)
    return path
