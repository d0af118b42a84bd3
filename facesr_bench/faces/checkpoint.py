"""How the torch networks that look at faces are opened from a local checkpoint. Imports torch."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import nn

from facesr_bench.base.errors import WeightsError
from facesr_bench.weights import add_batch_counts, load_tensors, read_state_dict

_Network = TypeVar("_Network", bound=nn.Module)


def open_network(
    network: _Network, path: Path, what: str, *, expected: str, under: str = "", device: str = "cpu"
) -> _Network:
    """The network with the weights of a checkpoint, for evaluation, on a device.

    Args:
        what: what errors call the network.
        expected: what the file is usually called.
        under: a prefix under which a training's checkpoint has the network beside other things; where nothing stands
            under it, the file is of the network alone.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).

    Raises:
        WeightsError: no such file, not a checkpoint, or one of another network.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; it should be {expected}")
    tensors = read_state_dict(path)
    if under:
        inner = {name.removeprefix(under): tensor for name, tensor in tensors.items() if name.startswith(under)}
        tensors = inner or tensors
    add_batch_counts(network, tensors)
    load_tensors(network, tensors, path, what)
    return network.eval().requires_grad_(False).to(device)
