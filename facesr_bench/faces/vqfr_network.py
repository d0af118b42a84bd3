"""The identity network of VQFR's script: ResNet-18 on a gray whole face, trained with ArcFace's loss.

Also GFPGAN's identity loss. Imports torch: import it where it is used.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facesr_bench.base.errors import MetricError
from facesr_bench.faces.checkpoint import open_network
from facesr_bench.faces.embedder import VQFR_SIDE, vqfr_face

DIMENSIONS = 512
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""(channels, stride of the first block) of the four stages, two blocks each."""


class Block(nn.Module):
    """Residual block: norm, 3x3, norm, PReLU, 3x3 (strided), norm; one slope in both PReLUs."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, before, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        inner = self.prelu(self.bn1(self.conv1(self.bn0(x))))
        result: Tensor = self.prelu(self.bn2(self.conv2(inner)) + shortcut)
        return result


class VqfrNetwork(nn.Module):
    """Bx1x128x128 to Bx512, with the names that the published checkpoints have.

    ronghuaiyang/arcface-pytorch@f1b7b3f:models/resnet.py:resnet_face18, with `use_se` False as VQFR's and GFPGAN's
    weights want it (TencentARC/GFPGAN@658df4d:options/train_gfpgan_v1.yml: IRBlock, layers 2 2 2 2).
    """

    def __init__(self) -> None:
        super().__init__()
        before = STAGES[0][0]
        self.conv1 = nn.Conv2d(1, before, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        self.prelu = nn.PReLU()
        self.maxpool = nn.MaxPool2d(2)
        for number, (after, stride) in enumerate(STAGES, start=1):
            self.add_module(f"layer{number}", nn.Sequential(Block(before, after, stride), Block(after, after, 1)))
            before = after
        self.bn4 = nn.BatchNorm2d(before)
        # One halving by the pool, three by the stages.
        self.fc5 = nn.Linear(before * (VQFR_SIDE // 16) ** 2, DIMENSIONS)
        self.bn5 = nn.BatchNorm1d(DIMENSIONS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.prelu(self.bn1(self.conv1(x))))
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        # The published network has a dropout here, which does nothing in evaluation.
        embedding: Tensor = self.bn5(self.fc5(self.bn4(x).flatten(1)))
        return embedding


class VqfrEmbedder:
    """VQFR's identity witness from a local checkpoint; safe to call from several threads.

    Args:
        path: `resnet18_110.pth` (VQFR's) or `arcface_resnet18.pth` (GFPGAN's).

    Raises:
        WeightsError: no such file, not a checkpoint, or one of another network.
    """

    def __init__(self, path: Path) -> None:
        what, files = "VQFR's identity network (resnet_face18 without SE)", "resnet18_110.pth or arcface_resnet18.pth"
        self._network = open_network(VqfrNetwork(), path, what, expected=files)

    @property
    def name(self) -> str:
        """What manifests and columns call it."""
        return "vqfr"

    def embed(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """512 numbers, as long as the network makes them; compare them by `cosine`.

        The whole picture, not aligned, as `vqfr_face` makes it, then (x - 127.5) / 127.5:
        TencentARC/VQFR@1245d42:metric_paper/calculate_cos_dist.py:load_image.

        Args:
            image: HxWx3 uint8 RGB, of any size; made for FFHQ-aligned faces.

        Raises:
            MetricError: not a uint8 picture, or an embedding without a direction (zero, NaN).
        """
        face = vqfr_face(image).astype(np.float32)
        inputs = torch.from_numpy((face - 127.5) / 127.5)[None, None]
        with torch.inference_mode():
            embedding: NDArray[np.float64] = self._network(inputs)[0].numpy().astype(np.float64)
        if not np.isfinite(embedding).all() or not embedding.any():
            raise MetricError("VQFR's identity network gave an embedding of length 0, NaN or infinity")
        return embedding
