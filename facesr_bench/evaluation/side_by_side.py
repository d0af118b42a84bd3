"""Several small pictures through a network on a CPU at once, each by one thread.

The layers of a picture of 128 px are too small to share: two threads that wait for each other at each of them take a
sixth more time than two that have a picture each, and the more threads, the worse. The bits are then those of one
thread, whatever the number of cores and however many pictures a batch has.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from facesr_bench.plugins.method import MethodBase

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 2**16
"""Pixels of a picture that is made by one thread; larger ones have enough to share, and take much memory at once."""


def upscale(method: MethodBase, batch: Tensor) -> Tensor:
    """`method.upscale` of a batch; of small pictures, one by one, where the method is such that it can't matter.

    Args:
        batch: what `method.batch` made.

    Raises:
        Exception: whatever the method raises.
    """
    import torch

    card, (height, width) = method.card, batch.shape[2:]
    small = height * width * (1 if card.input == "bicubic" else method.scale**2) <= LARGEST
    # An exported network has the card of its method, but a runtime that may serve one thread alone.
    in_torch = any(isinstance(part, torch.nn.Module) for part in vars(method).values())
    if not (small and batch.device.type == "cpu" and card.exportable and card.deterministic and in_torch):
        return method.upscale(batch)
    threads, gradients = torch.get_num_threads(), torch.is_grad_enabled()

    def alone(picture: Tensor) -> Tensor:
        torch.set_num_threads(1)  # of this thread; of MKL's it is everybody's, so each sets it
        with torch.set_grad_enabled(gradients):
            return method.upscale(picture)

    try:
        return torch.cat(list(_pool(threads).map(alone, torch.split(batch, 1))))
    finally:
        torch.set_num_threads(threads)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept: a new thread has to get its memory from the system anew."""
    return ThreadPoolExecutor(threads, thread_name_prefix="upscale")
