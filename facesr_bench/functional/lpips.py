"""LPIPS through the authors' `lpips` package, with its backbone read from a file.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (2018), eq. 1, version 0.1: the
layers of an ImageNet network, each place's channels scaled to length 1, squared differences weighted by learned
channel weights, the mean over places, summed over layers. The network, its input scaling and the weights of the
channels are the package's; only the order of the calls is ours, so that HR's layers are computed once and a score and
its map share one pass.

What codebases disagree about is the network (`alex` in the paper and WFEN, `vgg` in VQFR, BasicSR and PMRF) and the
range of the input: the network expects [-1, 1], and RestoreFormer++ reports a second number from images in [0, 1].
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MetricError
from facesr_bench.base.suggest import unknown
from facesr_bench.functional.channels import check_image
from facesr_bench.images.files import Image8
from facesr_bench.weights import load_strictly, load_tensors, read_state_dict, write_random

if TYPE_CHECKING:
    from torch import Tensor, nn

Net = Literal["alex", "vgg", "squeeze"]

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

        if net not in get_args(Net):
            raise MetricError(unknown("LPIPS network", net, get_args(Net)))
        if not input_range[0] < input_range[1]:
            raise MetricError(f"LPIPS's input range must be low, high, not {input_range}")
        self.net = net
        self.input_range = input_range
        self.device = device
        # On a CPU, convolutions are faster with the channels last.
        self._network = _load(net, backbone).to(device)
        self._network.net.to(memory_format=torch.channels_last)

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
        import lpips
        import torch

        height, width = batch.shape[2:]
        if min(height, width) < SMALLEST[self.net]:
            least = SMALLEST[self.net]
            raise MetricError(f"LPIPS-{self.net} needs images of {least}x{least} px or more, not {width}x{height}")
        with torch.inference_mode():
            scaled = self._network.scaling_layer(batch.to(self.device))
            outputs = self._network.net(scaled.contiguous(memory_format=torch.channels_last))
            # As they are read back from disk: sums over channels take another order where these come last.
            layers = tuple(lpips.normalize_tensor(output).contiguous() for output in outputs)
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
        import lpips
        import torch

        with torch.inference_mode():
            differences = self._differences(sr, hr)
            enlarged = sum(lpips.upsample(part, out_HW=sr.size) for part in differences)
            values: NDArray[np.float32] = enlarged[0, 0].cpu().numpy()
            return _mean(differences), values

    def _differences(self, sr: Layers, hr: Layers) -> list[Any]:
        """Nx1xhxw for each layer: the weighted sum over channels of squared differences."""
        if sr.size != hr.size:
            sizes = f"SR is {sr.size[1]}x{sr.size[0]} and HR {hr.size[1]}x{hr.size[0]}"
            raise MetricError(f"{sizes}: only images of one size can be compared")
        weights = self._network.lins
        return [weigh((a - b) ** 2) for weigh, a, b in zip(weights, sr.layers, hr.layers, strict=True)]


def _mean(differences: Sequence[Any]) -> float:
    import lpips

    return float(sum(lpips.spatial_average(part) for part in differences).mean())


def write_random_backbone(net: Net, path: Path) -> Path:
    """A backbone's file for `Lpips` with random weights.

    Returns:
        `path`.
    """
    return write_random(_features(_architecture(net).net), path)


def _architecture(net: Net) -> Any:
    """`lpips.LPIPS` with arbitrary weights: its own constructor would have torchvision download the backbone."""
    import lpips
    import torch

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")  # on how lpips calls it
        return lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)


def _load(net: Net, backbone: Path) -> Any:
    """The network with every weight read by us."""
    import lpips
    import torch

    network = _architecture(net)
    tensors = read_state_dict(backbone)
    needed = {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier.")}
    load_tensors(_features(network.net), needed, backbone, f"LPIPS-{net}'s backbone")
    heads = torch.nn.ModuleDict({f"lin{k}": head for k, head in enumerate(network.lins)})
    load_strictly(heads, Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth", f"LPIPS-{net}'s heads")
    return network.eval().requires_grad_(False)


def _features(slices: nn.Module) -> nn.Module:
    """The layers that lpips cut into slices, under the names that they have in torchvision's network."""
    from torch import nn

    layers = {name: layer for part in slices.children() for name, layer in part.named_children()}
    return nn.ModuleDict({"features": nn.ModuleDict(layers)})
