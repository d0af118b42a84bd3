"""A checkpoint, read by our own safe reader and given to spandrel as tensors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

from torch import Tensor

from facesr_bench.base.errors import MethodError, WeightsError
from facesr_bench.weights import read_state_dict

_PREFIXES = ("", "vqvae.", "net_g.", "netG.", "net_G.", "generator.", "model.")
"""What trainers that hold several networks put before the names of the one that enhances."""

_MOST_KEYS = 6


def built(path: Path) -> Any:
    """A spandrel ImageModelDescriptor of an RGB network, in evaluation mode.

    Raises:
        MethodError: spandrel is not installed.
        WeightsError: not a checkpoint, no architecture that spandrel knows, or one that it has otherwise.
    """
    return build(read_state_dict(path), path)


def build(tensors: Mapping[str, Tensor], path: Path) -> Any:
    """`built`, of tensors that were read from `path`."""
    registry = _registry()
    for prefix in _PREFIXES:
        part = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        known = next((arch for arch in registry.architectures("detection") if part and arch.detect(part)), None)
        if known is not None:
            return _checked(_loaded(known.architecture, part, path), path)
    raise WeightsError(_unknown(tensors, path, registry))


def _registry() -> Any:
    """What spandrel knows, with the architectures that only the user installs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch.jit.script, in some architectures
            from spandrel import MAIN_REGISTRY
    except ImportError as error:
        raise MethodError("spandrel:FILE needs spandrel: pip install 'facesr-bench[spandrel]'") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            from spandrel_extra_arches import EXTRA_REGISTRY
    except ImportError:
        return MAIN_REGISTRY
    registry = MAIN_REGISTRY.copy()
    registry.add(*EXTRA_REGISTRY.architectures(), ignore_duplicates=True)
    return registry


def _loaded(architecture: Any, part: dict[str, Tensor], path: Path) -> Any:
    """Every tensor must have its place: what is loaded in part is another network under the same name."""
    try:
        return architecture.load(part)
    except Exception as error:  # whatever its builder or torch raises at tensors that don't fit
        reason = shorten(" ".join(str(error).split()), 200, placeholder=" ...") or type(error).__name__
        hint = (
            ". RestoreFormer++ is such a file: spandrel has no network for it, and what fits of it makes another one; "
            "its authors' code can be started by command:FILE.toml (docs/methods.md)"
            if architecture.id == "RestoreFormer"
            else ""
        )
        raise WeightsError(
            f"{path}: refused: its tensors look like {architecture.name}'s but don't fit spandrel's network of that "
            f"name ({reason}){hint}"
        ) from error


def _checked(descriptor: Any, path: Path) -> Any:
    name, purpose = descriptor.architecture.name, descriptor.purpose
    if purpose == "Inpainting":
        raise WeightsError(f"{path}: {name} fills holes in pictures; a network that enhances them is expected")
    channels = descriptor.input_channels, descriptor.output_channels
    if channels != (3, 3):
        raise WeightsError(f"{path}: {name} takes {channels[0]} channel(s) and makes {channels[1]}; RGB is expected")
    descriptor.eval()
    descriptor.model.requires_grad_(False)
    return descriptor


def _unknown(tensors: Mapping[str, Tensor], path: Path, registry: Any) -> str:
    names = sorted(tensors)
    keys = ", ".join(f"{name} {tuple(tensors[name].shape)}" for name in names[:_MOST_KEYS])
    more = f" and {len(names) - _MOST_KEYS} more" if len(names) > _MOST_KEYS else ""
    tried = ", ".join(sorted((arch.architecture.name for arch in registry.architectures()), key=str.lower))
    extra = (
        ""
        if "CodeFormer" in registry
        else ". CodeFormer and nine more are in spandrel_extra_arches, which is not installed here; its licences are "
        "not for commercial use: pip install spandrel_extra_arches"
    )
    return (
        f"{path}: no architecture that spandrel knows has these tensors.\n  keys: {keys}{more}\n"
        f"  tried: {tried}{extra}\n"
        "  A network of your own is a method in a few lines: facesr-bench new method NAME"
    )
