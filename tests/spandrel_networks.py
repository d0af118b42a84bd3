"""Networks of others' architectures, in random numbers, for what reads their checkpoints."""

from __future__ import annotations

from typing import Any

import torch


def filled(network: torch.nn.Module, seed: int = 0, biases: float = 0.3) -> dict[str, torch.Tensor]:
    """A state dict of random numbers under which noise, style and biases all count.

    Args:
        biases: how far biases, and the weights of norms from 1, lie from 0.
    """
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            tensors[name] = tensor
        elif tensor.ndim > 1:
            tensors[name] = torch.randn(tensor.shape, generator=random) * tensor[0].numel() ** -0.5
        else:
            tensors[name] = biases * torch.randn(tensor.shape, generator=random) + (name.endswith("weight") * 1.0)
    return tensors


def gfpgan_like(side: int) -> Any:
    """The clean GFPGAN; smaller than 512 px with 1/32 of the channels, which spandrel can't build from a file."""
    from spandrel.architectures.GFPGAN import GFPGAN

    return GFPGAN(
        out_size=side,
        num_style_feat=512,
        channel_multiplier=2,
        decoder_load_path=None,
        fix_decoder=False,
        num_mlp=8,
        input_is_latent=True,
        different_w=True,
        narrow=1 if side == 512 else 1 / 32,
        sft_half=True,
    )
