"""LPIPS with the learned weights of the authors' `lpips` package and a backbone read from a file.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (2018), eq. 1, version 0.1: the
layers of an ImageNet network, each place's channels scaled to length 1, squared differences weighted by learned
channel weights, the mean over places, summed over layers. HR's layers are computed once, and a score and its map share
one pass. The package itself is not imported: with torchvision it would have torch load its compiler.

What codebases disagree about is the network (`alex` in the paper and WFEN, `vgg` in VQFR, BasicSR and PMRF) and the
range of the input: the network expects [-1, 1], and RestoreFormer++ reports a second number from images in [0, 1].
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.base.suggest import unknown
from facesr_bench.functional.channels import check_image
from facesr_bench.images.files import Image8
from facesr_bench.weights import load_strictly, load_tensors, read_state_dict, write_random

if TYPE_CHECKING:
    from torch import Tensor, nn

    from facesr_bench.functional.backbones import Net  # which loads torch

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation for pictures in [-1, 1], as the authors round them."""
SMALL = 1e-10
"""Added to the length of a place's channels, which may be none."""
SMALLEST: dict[Net, int] = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Shorter side, px, that the network's pooling leaves something of."""


@dataclass(frozen=True, eq=False)
class Layers:
    """What LPIPS compares of an image, or of a batch.

    Attributes:
        size: height and width of the image, px.
        layers: of the network, finest first, NxCxhxw each, every place's channels of length 1.
    """

    size: tuple[int, int]
    layers: tuple[Tensor, ...]


class Lpips:
    """One LPIPS network in eval mode; safe to call from several threads.

    Args:
        net: the backbone's architecture.
        backbone: torchvision's ImageNet state dict for it (`alexnet-owt-7be5be79.pth`, `vgg16-397923af.pth`,
            `squeezenet1_1-b8a52dc0.pth`), or only its `features.*`. The learned channel weights come with `lpips`.
        input_range: what levels 0 and 255 become before the network's own scaling. (-1, 1) is the definition;
            (0, 1) a known deviation.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).

    Raises:
        MetricError: unknown `net`, or an empty `input_range`.
        WeightsError: `backbone` is unreadable, or of another network.
    """

    def __init__(
        self, net: Net, backbone: Path, *, input_range: tuple[float, float] = (-1.0, 1.0), device: str = "cpu"
    ) -> None:
        import torch

        if net not in SMALLEST:
            raise MetricError(unknown("LPIPS network", net, SMALLEST))
        if not input_range[0] < input_range[1]:
            raise MetricError(f"LPIPS's input range must be low, high, not {input_range}")
        self.net = net
        self.input_range = input_range
        self.device = device
        # On a CPU, convolutions are faster with the channels last.
        self._network = _read_backbone(net, backbone).to(device, memory_format=torch.channels_last)
        self._heads = _read_heads(net).to(device)
        self._shift, self._scale = (torch.tensor(v, device=device)[None, :, None, None] for v in (SHIFT, SCALE))

    def prepare(self, image: Image8) -> Layers:
        """The layers of one HxWx3 uint8 RGB image, N = 1.

        Raises:
            MetricError: not a uint8 HxWx3 picture, or smaller than the network can take.
        """
        import torch

        check_image(image, "an image for LPIPS")
        low, high = self.input_range
        values = image.transpose(2, 0, 1)[None] * ((high - low) / 255) + low
        return self.prepare_batch(torch.from_numpy(np.ascontiguousarray(values, np.float32)))

    def prepare_batch(self, batch: Tensor) -> Layers:
        """The layers of Nx3xHxW float32 RGB, already in the range that the network is to see.

        Raises:
            MetricError: smaller than the network can take.
        """
        import torch

        from facesr_bench.functional.backbones import TAPS, outputs

        height, width = batch.shape[2:]
        if min(height, width) < SMALLEST[self.net]:
            least = SMALLEST[self.net]
            raise MetricError(f"LPIPS-{self.net} needs images of {least}x{least} px or more, not {width}x{height}")
        with torch.inference_mode():
            scaled = (batch.to(self.device) - self._shift) / self._scale
            found = outputs(self._network, scaled.contiguous(memory_format=torch.channels_last), TAPS[self.net])
            # As they are read back from disk: sums over channels take another order where these come last.
            layers = tuple((x / ((x**2).sum(1, keepdim=True).sqrt() + SMALL)).contiguous() for x in found)
            return Layers((height, width), layers)

    def distance(self, sr: Layers, hr: Layers) -> float:
        """LPIPS between two images, 0 (identical) upwards; symmetric. For batches, the mean over the batch.

        Raises:
            MetricError: the two differ in size.
        """
        import torch

        with torch.inference_mode():
            return _mean(self._differences(sr, hr))

    def distance_with_map(self, sr: Layers, hr: Layers) -> tuple[float, NDArray[np.float32]]:
        """`distance`, and HxW: where two images differ, what `lpips.LPIPS(spatial=True)` returns. For batches, the map
        is the first pair's.

        Each layer's places are interpolated bilinearly to the image's size, so the mean over the map is the distance
        but for what that interpolation adds at sizes that the layers' don't divide.

        Raises:
            MetricError: the two differ in size.
        """
        import torch
        from torch.nn.functional import interpolate

        with torch.inference_mode():
            differences = self._differences(sr, hr)
            enlarged: Any = sum(interpolate(part, sr.size, mode="bilinear") for part in differences)
            values: NDArray[np.float32] = enlarged[0, 0].cpu().numpy()
            return _mean(differences), values

    def _differences(self, sr: Layers, hr: Layers) -> list[Any]:
        """Nx1xhxw for each layer: the weighted sum over channels of squared differences."""
        if sr.size != hr.size:
            sizes = f"SR is {sr.size[1]}x{sr.size[0]} and HR {hr.size[1]}x{hr.size[0]}"
            raise MetricError(f"{sizes}: only images of one size can be compared")
        return [weigh((a - b) ** 2) for weigh, a, b in zip(self._heads, sr.layers, hr.layers, strict=True)]


def _mean(differences: Sequence[Tensor]) -> float:
    total: Any = sum(part.mean((2, 3), keepdim=True) for part in differences)
    return float(total.mean())


def write_random_backbone(net: Net, path: Path) -> Path:
    """A backbone's file for `Lpips` with random weights.

    Returns:
        `path`.
    """
    return write_random(_named(net), path)


def _named(net: Net) -> nn.ModuleDict:
    """The network, its layers under the names of torchvision's state dict."""
    from torch import nn

    from facesr_bench.functional.backbones import features

    return nn.ModuleDict({"features": features(net)})


def _read_backbone(net: Net, path: Path) -> Any:
    named, tensors = _named(net), read_state_dict(path)
    needed = {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.")}
    load_tensors(named, needed, path, f"LPIPS-{net}'s backbone")
    return named["features"]


def _read_heads(net: Net) -> Any:
    """A 1x1 convolution to one channel for each layer: the learned weights, which come with the `lpips` package."""
    from torch import nn

    from facesr_bench.functional.backbones import CHANNELS, Convolution

    package = importlib.util.find_spec("lpips")
    if package is None or package.origin is None:
        raise WeightsError(
            "the package lpips, which holds LPIPS's learned weights, is not installed: pip install lpips"
        )
    path = Path(package.origin).parent / "weights" / "v0.1" / f"{net}.pth"
    heads = nn.ModuleDict(
        {
            f"lin{k}": nn.ModuleDict({"model": nn.ModuleDict({"1": Convolution(channels, 1, 1, bias=False)})})
            for k, channels in enumerate(CHANNELS[net])
        }
    )
    load_strictly(heads, path, f"LPIPS-{net}'s heads")
    convolutions = [layer for layer in heads.modules() if isinstance(layer, nn.Conv2d)]
    return nn.ModuleList(convolutions).eval().requires_grad_(False)
