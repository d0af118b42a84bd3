"""EDSR's network in its baseline form: residual blocks without batch norm at LR's own size, then pixel shuffling.

Written from Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR Workshops 2017
(https://arxiv.org/abs/1707.02921): figure 3 and table 1's left column (16 blocks of 64 channels, residual scaling 1).
The paper's scales are 2 to 4; x8 is one more doubling of the same kind. Its shift by the mean colour of DIV2K is left
out, since the input lies in [-1, 1] here.

This module needs torch alone: it also runs on a bare training machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from torch import Tensor, nn


@dataclass(frozen=True)
class EDSRConfig:
    """The shape of one network.

    Attributes:
        blocks: residual blocks.
        channels: of every feature map.
        scale: side of the output over that of the input, a power of two.
    """

    blocks: int = 16
    channels: int = 64
    scale: int = 8

    def __post_init__(self) -> None:
        if self.blocks < 1 or self.channels < 1:
            raise ValueError("blocks and channels must be 1 or more")
        if self.scale < 2 or log2(self.scale) != int(log2(self.scale)):
            raise ValueError(f"scale is {self.scale}; it must be a power of two, 2 or more")


class Block(nn.Module):
    """x + conv(relu(conv(x))): no batch norm, and no activation after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(self.first(x).relu())
        return out


class EDSR(nn.Module):
    """Bx3xhxw in [-1, 1] to Bx3x(scale h)x(scale w), about [-1, 1]."""

    def __init__(self, config: EDSRConfig) -> None:
        super().__init__()
        channels = config.channels
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(
            *(Block(channels) for _ in range(config.blocks)), nn.Conv2d(channels, channels, 3, padding=1)
        )
        doublings: list[nn.Module] = []
        for _ in range(int(log2(config.scale))):
            doublings += [nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2)]
        self.upsampler = nn.Sequential(*doublings)
        self.tail = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        head = self.head(x)
        out: Tensor = self.tail(self.upsampler(head + self.body(head)))
        return out
