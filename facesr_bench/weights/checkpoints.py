"""How a checkpoint is read: tensors only, never code, and every name and shape must agree."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesr_bench.base.errors import WeightsError
from facesr_bench.base.text import counted

if TYPE_CHECKING:
    from torch import Tensor, nn

_UNREADABLE = (RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, OSError, zipfile.BadZipFile)
"""What torch.load raises at a file that is no checkpoint, or half of one."""

_WRAPPERS = (
    *("state_dict", "params_ema", "params", "model"),
    *("state_dict_ema", "model_state_dict", "net_G", "netG", "net_g", "generator", "net"),
)
"""Where trainers put a state dict; the first that is there is read."""

_PREFIXES = ("netG.", "net_G.", "net_g.", "generator.", "model.", "net.")
"""What a trainer that holds several networks puts before the names of the one that enhances."""

_MOST_KEYS = 8
"""How many of the keys found an error lists."""

_STARTS = {
    b"\x1f\x8b": "is compressed with gzip: unpack it first (gunzip)",
    b"version https://git-lfs": "is a pointer of Git LFS and not the file itself: `git lfs pull` fetches it",
}


_LONGEST_HEADER = 100_000_000
"""Bytes that safetensors takes for the header of its files at most."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint's tensors, without ever running code from it.

    Takes safetensors, and PyTorch files through `weights_only=True`: a bare state dict, or one under a key that
    trainers use (`state_dict`, `params_ema`, `net_G` ...), two deep at most. A leading `module.` (DataParallel) and
    `_orig_mod.` (torch.compile) are removed. Half precision becomes float32.

    Raises:
        WeightsError: not a checkpoint, damaged, or a pickle that holds more than tensors.
    """

    if not path.is_file():
        raise WeightsError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; a checkpoint is expected")
    _check_start(path)
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors: Any = load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise WeightsError(f"{path}: {_why_unreadable(path)}") from error
    else:
        tensors = load_plain(path)
    held = _unwrapped(_unwrapped(tensors))
    if not _is_state_dict(held):
        raise WeightsError(f"{path}: holds no state dict (names with tensors); {_found(held)}")
    return {
        str(name).replace("_orig_mod.", "").removeprefix("module."): (
            tensor.float() if tensor.is_floating_point() else tensor
        )
        for name, tensor in held.items()
    }


def _is_state_dict(held: Any) -> bool:
    import torch

    return isinstance(held, Mapping) and bool(held) and all(torch.is_tensor(tensor) for tensor in held.values())


def _unwrapped(held: Any) -> Any:
    """What lies under the first key that trainers use, or `held` itself."""
    if not isinstance(held, Mapping) or _is_state_dict(held):
        return held
    return next((held[key] for key in _WRAPPERS if isinstance(held.get(key), Mapping) and held[key]), held)


def _found(held: Any) -> str:
    if not isinstance(held, Mapping):
        return f"found: {type(held).__name__}"
    named = [f"{key} ({_kind(value)})" for key, value in list(held.items())[:_MOST_KEYS]]
    more = f" and {len(held) - _MOST_KEYS} more" if len(held) > _MOST_KEYS else ""
    example = next((key for key, value in held.items() if isinstance(value, Mapping)), None)
    hint = (
        ""
        if example is None
        else f"; where one of them is the network, save it alone: torch.save(held[{example!r}], FILE)"
    )
    return f"keys found: {', '.join(named) or 'none'}{more}{hint}"


def _kind(value: Any) -> str:
    return f"{len(value)} entries" if isinstance(value, Mapping) else type(value).__name__


def _check_start(path: Path) -> None:
    """Refuse what is often downloaded in a checkpoint's place: a web page, a compressed file, a pointer.

    Raises:
        WeightsError: it is one of these; says which.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError:
        return  # the reader says why
    if not start:
        raise WeightsError(f"{path}: the file is empty (0 bytes): fetch or copy it again")
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|\?xml)", start, re.IGNORECASE):
        raise WeightsError(
            f"{path}: is a web page and not a checkpoint: what a server sends in a file's place where a quota is "
            "exceeded or a login is needed; open the address in a browser"
        )
    for magic, what in _STARTS.items():
        if start.startswith(magic):
            raise WeightsError(f"{path}: {what}")
    if _is_torchscript(path):
        raise WeightsError(
            f"{path}: is a TorchScript program and not a checkpoint: code that would run when it is opened. "
            "A file of tensors alone is taken: where the network is trained, torch.save(network.state_dict(), FILE)"
        )


def _is_torchscript(path: Path) -> bool:
    """Whether it is an archive as torch.jit.save writes them, which torch.load would hand to torch.jit.load."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False  # no archive, or a damaged one: the reader says so


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
        raise WeightsError(f"{path}: {_why_unreadable(path)}") from error


def load_plain(path: Path) -> Any:
    """What a PyTorch file holds: tensors and plain containers of them, never objects that could run code.

    Raises:
        WeightsError: not a PyTorch file, damaged, or a pickle that holds more than that.
    """
    import torch

    _check_start(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path}: refused, because {_why_refused(error)}") from error
    except _UNREADABLE as error:
        raise WeightsError(f"{path}: {_why_unreadable(path)}") from error


def _why_unreadable(path: Path) -> str:
    """In our words: what the libraries say of a file that broke off is about their own insides."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
    broken_off = f"damaged, or its end is missing ({size:,} bytes are here): fetch or copy it again"
    if path.suffix == ".safetensors":
        announced = int.from_bytes(start, "little")
        return broken_off if len(start) == 8 and 2 <= announced <= _LONGEST_HEADER else "not a safetensors file"
    if start.startswith((b"PK\3\4", b"\x80")):  # a zip archive, as torch writes them, or a bare pickle
        return broken_off
    return f"not a PyTorch checkpoint: it begins with {start!r}"


def _why_refused(error: pickle.UnpicklingError) -> str:
    """In our words: torch's own advise to read the file in a way that runs its code."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named is None:
        return (
            "it is not a plain PyTorch checkpoint: it is damaged, another kind of file, or holds Python objects that "
            "could run code when loaded"
        )
    return (
        f"it holds a Python object beside its tensors, {named[1]}, and such objects could run code when loaded. "
        "A file of tensors alone is taken: where the network is trained, torch.save(network.state_dict(), FILE)"
    )


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


def _fitting(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors under a trainer's prefix where these alone have the names wanted; else all that are given."""
    if given.keys() == wanted.keys():
        return given
    for prefix in _PREFIXES:
        part = {name.removeprefix(prefix): tensor for name, tensor in given.items() if name.startswith(prefix)}
        part = {name.removeprefix("module."): tensor for name, tensor in part.items()}
        if part.keys() == wanted.keys():
            return part
    return given


def load_tensors(network: nn.Module, given: Mapping[str, Tensor], path: Path, what: str) -> None:
    """`load_strictly` for tensors that were read from `path` and then renamed, cut or added to.

    Raises:
        WeightsError: of another network; says which names or shapes differ.
    """
    wanted = network.state_dict()
    given = _fitting(given, wanted)
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
    # A sum is finite only where all of it is, and takes a third of the time; where it overflows, all is looked at.
    bad = [
        name
        for name, tensor in given.items()
        if tensor.is_floating_point() and not tensor.sum().isfinite() and not tensor.isfinite().all()
    ]
    if bad:
        raise WeightsError(f"{path}: NaN or infinity in {counted(len(bad), 'tensor')}, the first: {bad[0]}")
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
