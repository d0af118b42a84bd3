"""A moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move `average` towards `network`, in place.

    Parameters and the statistics of batch norm are averaged; counters are copied, and so are the singular vectors of
    spectral norm, whose mean is no singular vector.

    Args:
        decay: what stays of the average; 0 makes it a copy.
        step: steps done, the present one included; the first ones count for more, (1 + step) / (10 + step).
    """
    decay = min(decay, (1 + step) / (10 + step))
    for (name, mean), value in zip(average.state_dict().items(), network.state_dict().values(), strict=True):
        if mean.is_floating_point() and not name.endswith(("weight_u", "weight_v")):
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
