"""Distances between pixels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

CHARBONNIER_EPSILON = 1e-3


def charbonnier(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean of sqrt(d^2 + 1e-6): L1 with a smooth minimum (Charbonnier et al., 1994)."""
    return torch.sqrt((sr - hr).square() + CHARBONNIER_EPSILON**2).mean()


PIXEL_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": functional.l1_loss,
    "l2": functional.mse_loss,
    "charbonnier": charbonnier,
}
"""By name: each takes (output, target) and gives their mean distance per value."""
