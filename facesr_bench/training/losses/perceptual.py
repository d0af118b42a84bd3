"""The distance between VGG19's features of output and target (Johnson et al., ECCV 2016)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.weights.checkpoints import load_tensors, read_state_dict

STAGES = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512,))
"""VGG19's convolutions up to conv5_1 (Simonyan and Zisserman, 2015); a 2x2 maximum stands between the stages."""


class VGG19(nn.Module):
    """The part of VGG19 up to relu5_1, with the names of torchvision's state dict (`features.0.weight` ...).

    Maps Bx3xHxW in [-1, 1] to the five tensors after relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self._taken: list[int] = []
        channels = 3
        for stage in STAGES:
            if layers:
                layers.append(nn.MaxPool2d(2))
            self._taken.append(len(layers) + 1)
            for width in stage:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        # Of ImageNet's photographs in [0, 1]: what torchvision's networks were trained on.
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = ((x + 1) / 2 - self.mean) / self.std
        found = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self._taken:
                found.append(x)
        return found


def read_vgg19(path: Path) -> VGG19:
    """VGG19 with the weights of torchvision's file (`vgg19-dcbb9e9d.pth`), frozen.

    Raises:
        WeightsError: missing, not a checkpoint, or of another network.
    """
    network = VGG19()
    given = read_state_dict(path)
    load_tensors(network, {n: given[n] for n in network.state_dict() if n in given}, path, "torchvision's VGG19")
    return network.eval().requires_grad_(False)


class Perceptual(nn.Module):
    """Mean absolute difference of each of the five layers' features, summed."""

    def __init__(self, vgg: VGG19) -> None:
        super().__init__()
        self.vgg = vgg

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        with torch.no_grad():
            targets = self.vgg(hr)
        terms = [functional.l1_loss(a.float(), b.float()) for a, b in zip(self.vgg(sr), targets, strict=True)]
        return torch.stack(terms).sum()
