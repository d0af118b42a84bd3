"""One process, or several that share each batch (through Lightning Fabric)."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn


class Processes(Protocol):
    """What the trainer asks of the processes it is one of.

    Attributes:
        rank: this one's number, from 0.
        world: how many there are.
        device: where this one computes.
    """

    rank: int
    world: int
    device: torch.device

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module whose gradients are averaged over all processes."""

    def backward(self, loss: Tensor) -> None:
        """The gradients of a loss, of all processes together."""

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""

    def any(self, flag: bool) -> bool:
        """Whether it is so in one of them."""


class OneProcess:
    """No other process."""

    rank, world = 0, 1

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)

    def wrap(self, module: nn.Module) -> nn.Module:
        return module

    def backward(self, loss: Tensor) -> None:
        torch.autograd.backward(loss)

    def mean(self, values: Tensor) -> Tensor:
        return values

    def any(self, flag: bool) -> bool:
        return flag


class FabricProcesses:
    """One of the processes that Lightning Fabric started."""

    def __init__(self, fabric: Any) -> None:
        self._fabric = fabric
        self.rank, self.world = int(fabric.global_rank), int(fabric.world_size)
        self.device = cast(torch.device, fabric.device)

    def wrap(self, module: nn.Module) -> nn.Module:
        return cast(nn.Module, self._fabric.setup_module(module, move_to_device=False))

    def backward(self, loss: Tensor) -> None:
        self._fabric.backward(loss)

    def mean(self, values: Tensor) -> Tensor:
        return cast(Tensor, self._fabric.all_reduce(values, reduce_op="mean"))

    def end(self) -> None:
        """Part from the others, all at once: one that goes first breaks connections that another still listens to."""
        self._fabric.barrier()
        torch.distributed.destroy_process_group()

    def any(self, flag: bool) -> bool:
        return bool(self.mean(torch.tensor(float(flag), device=self.device)) > 0)
