"""AdaFace's recognition network: an improved residual network of 50 layers.

Kim, Jain and Liu, "AdaFace: Quality Adaptive Margin for Face Recognition" (2022), with the names that the authors'
checkpoints have (mk-minchul/AdaFace: net.py, ir_50). Imports torch: import it where it is used.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facesr_bench.base.errors import MetricError
from facesr_bench.faces.checkpoint import open_network
from facesr_bench.faces.embedder import EMBEDDERS, Embeddings

PRESET = "adaface-ir50"
DIMENSIONS = 512
STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))
"""(channels, blocks) of the four stages; the first block of each halves the picture."""


class Block(nn.Module):
    """Norm, 3x3, norm, PReLU, 3x3 (strided), norm; beside it the picture itself, thinned out or by 1x1 and norm."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if before != after:
            convolution = nn.Conv2d(before, after, 1, stride, bias=False)
            self.shortcut_layer = nn.Sequential(convolution, nn.BatchNorm2d(after))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.PReLU(after),
            nn.Conv2d(after, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return result


class AdaFaceNetwork(nn.Module):
    """Bx3x112x112 (BGR, -1..1) to Bx512."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        blocks, before = [], 64
        for after, count in STAGES:
            blocks += [Block(before, after, 2), *(Block(after, after, 1) for _ in range(count - 1))]
            before = after
        self.body = nn.Sequential(*blocks)
        # The dropout does nothing in evaluation; it stands here for the numbers of the layers behind it.
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(before * 7 * 7, DIMENSIONS),
            nn.BatchNorm1d(DIMENSIONS, affine=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        embedding: Tensor = self.output_layer(self.body(self.input_layer(x)))
        return embedding


class AdaFaceEmbedder:
    """AdaFace from a local checkpoint; safe to call from several threads.

    Args:
        path: `adaface_ir50_ms1mv2.ckpt`, or a state dict of it.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).

    Attributes:
        spec: how its faces are aligned and normalised.

    Raises:
        WeightsError: no such file, not a checkpoint, or one of another network.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self.spec = EMBEDDERS.get(PRESET)
        # The authors' checkpoint is of a training: the network stands under `model.`, beside the loss's classes.
        self._network = open_network(
            AdaFaceNetwork(), path, "AdaFace's IR-50", expected=self.spec.file, under="model.", device=device
        )
        self.device = device

    def embed(self, faces: NDArray[np.uint8]) -> Embeddings:
        """As `Embedder.embed`: NxD float32, each row of length 1, of aligned faces, Nx112x112x3 uint8 RGB.

        Raises:
            MetricError: another shape or dtype, or an embedding that has no direction (zero, NaN).
        """
        inputs = torch.from_numpy(self.spec.prepare(faces)).to(self.device)
        with torch.inference_mode():
            raw = self._network(inputs).cpu().numpy().astype(np.float64)
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        if not np.isfinite(raw).all() or not lengths.all():
            raise MetricError("AdaFace gave an embedding of length 0, NaN or infinity")
        return np.asarray(raw / lengths, np.float32)
