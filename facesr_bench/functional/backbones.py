"""The layers of ImageNet networks that perceptual metrics read, with the places of torchvision's `features`.

AlexNet (Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014), VGG-16 (Simonyan and
Zisserman, 2015), SqueezeNet 1.1 (Iandola et al., 2016, and the authors' release of 1.1). Importing this module loads
torch alone: torchvision, whose state dicts fit, would have torch load its compiler.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

Net = Literal["alex", "vgg", "squeeze"]

TAPS: dict[Net, tuple[int, ...]] = {
    "alex": (1, 4, 7, 9, 11),
    "vgg": (3, 8, 15, 22, 29),
    "squeeze": (1, 4, 7, 9, 10, 11, 12),
}
"""The places whose outputs LPIPS reads: the last of each group of layers of one size, or of each Fire module."""
CHANNELS: dict[Net, tuple[int, ...]] = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
}
"""Of these outputs."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's photographs in [0, 1]."""

_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Channels of each convolution; 0 for a pool."""
_FIRE = ((64, 16, 64), (128, 16, 64), None, (128, 32, 128), (256, 32, 128), None)
_FIRES = (*_FIRE, (256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256))
"""Of each Fire module the channels given, squeezed, and made by each of its two branches; None for a pool."""


class Convolution(nn.Conv2d):
    """One whose weights are read from a file: drawing others first takes longer than reading."""

    def reset_parameters(self) -> None:
        """They stay what lay in memory."""


class Fire(nn.Module):
    """Few channels by a 1x1 convolution, then a 1x1 and a 3x3 of these side by side."""

    def __init__(self, given: int, squeezed: int, made: int) -> None:
        super().__init__()
        self.squeeze = Convolution(given, squeezed, 1)
        self.expand1x1 = Convolution(squeezed, made, 1)
        self.expand3x3 = Convolution(squeezed, made, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu_()
        return torch.cat([self.expand1x1(x).relu_(), self.expand3x3(x).relu_()], 1)


def features(net: Net) -> nn.Sequential:
    """The convolutional layers of a network, in eval mode, frozen; its weights are not set."""
    made = {"alex": _alex, "vgg": _vgg, "squeeze": _squeeze}[net]
    return nn.Sequential(*made()).eval().requires_grad_(False)


def outputs(network: nn.Sequential, x: Tensor, places: Iterable[int]) -> list[Tensor]:
    """What comes out at some places of a network, in their order."""
    wanted, found = set(places), []
    for place, layer in enumerate(network):
        x = layer(x)
        if place in wanted:
            found.append(x)
        if len(found) == len(wanted):
            break
    return found


def _alex() -> Iterator[nn.Module]:
    yield from (Convolution(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
    yield from (Convolution(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
    for given, made in ((192, 384), (384, 256), (256, 256)):
        yield from (Convolution(given, made, 3, padding=1), nn.ReLU(inplace=True))


def _vgg() -> Iterator[nn.Module]:
    given = 3
    for made in _VGG16:
        if made:
            yield from (Convolution(given, made, 3, padding=1), nn.ReLU(inplace=True))
            given = made
        else:
            yield nn.MaxPool2d(2, 2)


def _squeeze() -> Iterator[nn.Module]:
    yield from (Convolution(3, 64, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True))
    for fire in _FIRES:
        yield nn.MaxPool2d(3, 2, ceil_mode=True) if fire is None else Fire(*fire)
