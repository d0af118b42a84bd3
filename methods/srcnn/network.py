"""SRCNN's network: three convolutions on the upsampled picture.

Written from Dong et al., "Image Super-Resolution Using Deep Convolutional Networks", IEEE TPAMI 2016
(https://arxiv.org/abs/1501.00092): the 9-5-5 network of section 4.3.1 with 64 and 32 filters, on RGB as in section 4.5.
The paper cuts the borders off while it trains; here zeros are padded, so that the output has the input's size.

This module needs torch alone: it also runs on a bare training machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class SRCNNConfig:
    """The shape of one network.

    Attributes:
        first: filters of the first layer (patch extraction).
        second: filters of the second (non-linear mapping).
        kernel: side of the second layer's filters, px, odd; the first has 9 and the third (reconstruction) 5.
    """

    first: int = 64
    second: int = 32
    kernel: int = 5

    def __post_init__(self) -> None:
        if self.first < 1 or self.second < 1:
            raise ValueError("first and second must be 1 or more")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}; it must be an odd number")


class SRCNN(nn.Module):
    """Bx3xHxW in [-1, 1], upsampled already, to the same shape, about [-1, 1]."""

    def __init__(self, config: SRCNNConfig) -> None:
        super().__init__()
        self.extraction = nn.Conv2d(3, config.first, 9, padding=4)
        self.mapping = nn.Conv2d(config.first, config.second, config.kernel, padding=config.kernel // 2)
        self.reconstruction = nn.Conv2d(config.second, 3, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.reconstruction(self.mapping(self.extraction(x).relu()).relu())
        return out
