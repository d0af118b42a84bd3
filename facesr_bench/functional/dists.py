"""DISTS: structure and texture similarity of the layers of VGG-16, written from the paper's formulas.

Ding et al., "Image Quality Assessment: Unifying Structure and Texture Similarity" (2020), eqs. 6 to 9. The picture and
the outputs of five stages of VGG-16, whose max pooling is replaced by L2 pooling with a Hann window, are compared
channel by channel: their means (texture) and their covariance (structure), weighted by alpha and beta, which were
learned and have sum 1 together.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.functional.channels import check_image
from facesr_bench.images.files import Image8
from facesr_bench.weights import load_tensors, read_state_dict, require

if TYPE_CHECKING:
    from torch import Tensor

BACKBONE = "lpips-vgg"
"""The weights catalogue's name for torchvision's VGG-16."""

STAGES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""The convolutions of each stage by their places in torchvision's `features`; a rectifier follows each."""

CHANNELS = (3, 64, 128, 256, 512, 512)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SMALLEST = 16
"""Shorter side, px, that four poolings leave something of."""

C1 = C2 = 1e-6
"""Keep both quotients finite where a channel is constant."""


class Dists:
    """The network in eval mode; safe to call from several threads.

    Args:
        file: the authors' `alpha` and `beta` (1x1475x1x1 each). It may hold VGG-16's `features.*` too; otherwise those
            are torchvision's, from the weights store.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).

    Raises:
        WeightsError: a file is missing, unreadable, or of another network.
    """

    def __init__(self, file: Path, device: str = "cpu") -> None:
        import torch

        from facesr_bench.functional.backbones import features

        tensors = read_state_dict(file)
        self._alpha, self._beta = (_weights_of(tensors, name, file).to(device) for name in ("alpha", "beta"))
        own = {name: tensor for name, tensor in tensors.items() if name.startswith("features.")}
        path = file if own else require(BACKBONE)
        held = own or {name: t for name, t in read_state_dict(path).items() if name.startswith("features.")}
        network = torch.nn.ModuleDict({"features": features("vgg")})
        load_tensors(network, held, path, "DISTS's VGG-16")
        self._layers: Any = network["features"].to(device)
        self._mean, self._deviation = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
        hann = torch.from_numpy(np.outer(*[np.hanning(5)[1:-1]] * 2)).float()
        self._window = (hann / hann.sum()).to(device)
        self.device = device

    def prepare(self, image: Image8) -> list[Tensor]:
        """The picture in [0, 1] and the five stages' outputs, CxHxW float32, at the picture's own size.

        Raises:
            MetricError: not a uint8 HxWx3 picture, or smaller than 16 px.
        """
        import torch

        height, width = check_image(image, "an image for DISTS").shape[:2]
        if min(height, width) < SMALLEST:
            raise MetricError(f"DISTS needs images of {SMALLEST}x{SMALLEST} px or more, not {width}x{height}")
        picture = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / np.float32(255)
        with torch.inference_mode():
            x = torch.from_numpy(picture)[None].to(self.device)
            found, x = [x[0]], (x - self._mean) / self._deviation
            for number, stage in enumerate(STAGES):
                x = self._pool(x) if number else x
                for place in stage:
                    x = self._layers[place](x).relu()
                found.append(x[0])
        return found

    def distance(self, sr: list[Tensor], hr: list[Tensor]) -> float:
        """DISTS of two pictures that `prepare` has seen: 0 (identical) upwards; symmetric.

        Raises:
            MetricError: the two differ in size.
        """
        import torch

        if sr[0].shape != hr[0].shape:
            sizes = " and ".join(f"{part[0].shape[2]}x{part[0].shape[1]}" for part in (sr, hr))
            raise MetricError(f"SR and HR are {sizes}: only images of one size can be compared")
        with torch.inference_mode():
            parts = [_similarities(x, y) for x, y in zip(sr, hr, strict=True)]
            texture, structure = (torch.cat([part[k] for part in parts]) for k in (0, 1))
            total = self._alpha.sum() + self._beta.sum()
            similarity = float((self._alpha * texture + self._beta * structure).sum() / total)
        return max(0.0, 1.0 - similarity)  # rounding alone can lead below

    def _pool(self, x: Tensor) -> Tensor:
        """L2 pooling: the root of the squares' mean under the window, every other place."""
        import torch

        window = self._window.expand(x.shape[1], 1, 3, 3)
        pooled: Tensor = torch.nn.functional.conv2d(x * x, window, stride=2, padding=1, groups=x.shape[1])
        return (pooled + 1e-12).sqrt()


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Texture and structure similarity of each channel, C float64; x and y are CxHxW."""
    a, b = x.flatten(1).double(), y.flatten(1).double()
    mean_a, mean_b = a.mean(1), b.mean(1)
    a, b = a - mean_a[:, None], b - mean_b[:, None]
    texture = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return texture, (2 * (a * b).mean(1) + C2) / ((a * a).mean(1) + (b * b).mean(1) + C2)


def _weights_of(tensors: dict[str, Tensor], name: str, file: Path) -> Tensor:
    found = tensors.get(name)
    if found is None or found.numel() != sum(CHANNELS):
        shape = "is not in it" if found is None else f"has {found.numel()} values"
        raise WeightsError(f"{file}: {name} {shape}; DISTS needs {sum(CHANNELS)}, one for each channel it compares")
    return found.flatten().double()


def write_random_file(path: Path) -> Path:
    """A file for `Dists` with random weights, the backbone's among them; each time the same.

    Returns:
        `path`.
    """
    import torch

    from facesr_bench.functional.backbones import features
    from facesr_bench.weights import write_random

    write_random(torch.nn.ModuleDict({"features": features("vgg")}), path)
    random = torch.Generator().manual_seed(1)
    drawn = {name: torch.rand(1, sum(CHANNELS), 1, 1, generator=random) for name in ("alpha", "beta")}
    torch.save({**torch.load(path, weights_only=True), **drawn}, path)
    return path
