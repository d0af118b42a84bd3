"""The distance between what discriminators see in output and target (Wang et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of each layer's features, summed over layers, averaged over discriminators.

    Args:
        fake: per discriminator, its layers' features of the output.
        real: of the target; no gradient goes there.
    """
    per_scale = [
        torch.stack([functional.l1_loss(a, b.detach()) for a, b in zip(layers, targets, strict=True)]).sum()
        for layers, targets in zip(fake, real, strict=True)
    ]
    return torch.stack(per_scale).mean()
