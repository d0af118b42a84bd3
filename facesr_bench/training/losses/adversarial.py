"""The hinge loss of a GAN (Lim and Ye, 2017; Miyato et al., 2018), averaged over the discriminators' scales.

Logits are given as one tensor per discriminator, of any shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def generator_hinge(fake: Sequence[Tensor]) -> Tensor:
    """-D(fake), averaged over positions, then over discriminators."""
    return torch.stack([-logits.mean() for logits in fake]).mean()


def discriminator_hinge(real: Sequence[Tensor], fake: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """max(0, 1 - D(real)) and max(0, 1 + D(fake)), averaged likewise; the discriminators minimise their sum."""
    on_real = torch.stack([functional.relu(1 - logits).mean() for logits in real]).mean()
    on_fake = torch.stack([functional.relu(1 + logits).mean() for logits in fake]).mean()
    return on_real, on_fake
