"""Scores the weights on the held-out faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from facesr_bench.images.luma import STUDIO, STUDIO_DENOMINATOR
from facesr_bench.training.data import Batch

PIXELS_AT_ONCE = 16 * 128**2


def validation_psnr(network: nn.Module, validation: Batch, autocast: Callable[[], Any]) -> float:
    """Mean PSNR (dB, see `luma_psnr`) of a network's outputs."""
    at_once = max(1, PIXELS_AT_ONCE // validation[0][0, 0].numel())
    network.eval()
    with torch.inference_mode():
        scores = []
        for x, y in zip(torch.split(validation[0], at_once), torch.split(validation[1], at_once), strict=True):
            with autocast():
                sr = network(x)
            scores.append(luma_psnr(sr.float(), y))
    return float(torch.cat(scores).mean())


def luma_psnr(sr: Tensor, hr: Tensor) -> Tensor:
    """PSNR in dB of each image on BT.601 luma, for images in [-1, 1]; used to watch training, not to report.

    At most 100: a picture that is one flat colour can be met exactly, and should not make every mean infinite.
    """
    weights = torch.tensor([weight * 255 / STUDIO_DENOMINATOR for weight in STUDIO]).view(1, 3, 1, 1).to(sr) / 2
    error = ((sr.clamp(-1, 1) - hr) * weights).sum(1)
    return (10 * torch.log10(255.0**2 / error.square().mean((1, 2)))).clamp(max=100)
