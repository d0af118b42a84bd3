"""The landmark network of VQFR's script: four stacked hourglasses of AWing, 98 points of WFLW.

Wang, Bo and Fuxin, "Adaptive Wing Loss for Robust Face Alignment via Heatmap Regression" (2019), with the names that
the checkpoints have (facexlib's alignment_WFLW_4HG.pth). Imports torch: import it where it is used.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facesr_bench.base.errors import MetricError
from facesr_bench.faces.checkpoint import open_network
from facesr_bench.faces.points import Points

POINTS = 98
STACKS = 4
DEPTH = 4
WIDTH = 256
"""Channels of the hourglasses."""
INPUT_SIDE = 256
HEATMAP_SIDE = 64
ON_BOUNDARY = 0.05
"""Where the map of the face's outlines is above it, a pixel counts as on one."""


class Coordinates(nn.Module):
    """A convolution that also sees where it is: down, across, distance from the middle; each -1..1 or 0..1.

    Args:
        side: of the input, px.
        outlined: it sees the place once more, 0 except on the outlines that the stack before found.
    """

    places: Tensor

    def __init__(self, side: int, outlined: bool, before: int, after: int, size: int, stride: int = 1) -> None:
        super().__init__()
        line = torch.arange(side, dtype=torch.float32) / (side - 1) * 2 - 1
        down, across = torch.meshgrid(line, line, indexing="ij")
        away = torch.sqrt(down**2 + across**2)
        places = torch.stack([down, across, away / away.max()])[None]
        self.register_buffer("places", places, persistent=False)
        self.conv = nn.Conv2d(before + (5 if outlined else 3), after, size, stride, padding=size // 2)

    def forward(self, x: Tensor, heatmaps: Tensor | None = None) -> Tensor:
        places = self.places.expand(len(x), -1, -1, -1)
        parts = [x, places]
        if heatmaps is not None:
            parts.append(places[:, :2] * (heatmaps[:, -1:] > ON_BOUNDARY))
        result: Tensor = self.conv(torch.cat(parts, dim=1))
        return result


class Block(nn.Module):
    """Three 3x3 convolutions one after another, whose outputs (a half, a quarter, a quarter) stand side by side."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        widths = (before, after // 2, after // 4, after // 4)
        for number, (inside, outside) in enumerate(pairwise(widths), start=1):
            self.add_module(f"bn{number}", nn.BatchNorm2d(inside))
            self.add_module(f"conv{number}", nn.Conv2d(inside, outside, 3, padding=1, bias=False))
        self.downsample: nn.Module | None = None
        if before != after:
            self.downsample = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU(), nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        parts = []
        for number in (1, 2, 3):
            x = self.get_submodule(f"conv{number}")(functional.relu(self.get_submodule(f"bn{number}")(x)))
            parts.append(x)
        return torch.cat(parts, dim=1) + shortcut


class Hourglass(nn.Module):
    """Four halvings and back, with a branch beside each."""

    def __init__(self, outlined: bool) -> None:
        super().__init__()
        self.coordconv = Coordinates(HEATMAP_SIDE, outlined, WIDTH, WIDTH, 1)
        for level in range(DEPTH, 0, -1):
            for branch in ("b1", "b2", "b3"):
                self.add_module(f"{branch}_{level}", Block(WIDTH, WIDTH))
        self.b2_plus_1 = Block(WIDTH, WIDTH)

    def forward(self, x: Tensor, heatmaps: Tensor | None) -> Tensor:
        return self._from(DEPTH, self.coordconv(x, heatmaps))

    def _from(self, level: int, x: Tensor) -> Tensor:
        beside: Tensor = self.get_submodule(f"b1_{level}")(x)
        low = self.get_submodule(f"b2_{level}")(functional.avg_pool2d(x, 2))
        low = self._from(level - 1, low) if level > 1 else self.b2_plus_1(low)
        low = self.get_submodule(f"b3_{level}")(low)
        return beside + functional.interpolate(low, scale_factor=2, mode="nearest")


class AwingNetwork(nn.Module):
    """Bx3x256x256 RGB in [0, 1] to the last stack's heatmaps, Bx99x64x64: 98 points, then the face's outlines."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Coordinates(INPUT_SIDE, False, 3, 64, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2, self.conv3, self.conv4 = Block(64, 128), Block(128, 128), Block(128, WIDTH)
        for stack in range(STACKS):
            self.add_module(f"m{stack}", Hourglass(outlined=stack > 0))
            self.add_module(f"top_m_{stack}", Block(WIDTH, WIDTH))
            self.add_module(f"conv_last{stack}", nn.Conv2d(WIDTH, WIDTH, 1))
            self.add_module(f"bn_end{stack}", nn.BatchNorm2d(WIDTH))
            self.add_module(f"l{stack}", nn.Conv2d(WIDTH, POINTS + 1, 1))
            if stack < STACKS - 1:
                self.add_module(f"bl{stack}", nn.Conv2d(WIDTH, WIDTH, 1))
                self.add_module(f"al{stack}", nn.Conv2d(POINTS + 1, WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.conv4(self.conv3(functional.avg_pool2d(self.conv2(x), 2)))
        heatmaps: Tensor | None = None
        for stack in range(STACKS):
            inner = self.get_submodule(f"top_m_{stack}")(self.get_submodule(f"m{stack}")(x, heatmaps))
            inner = functional.relu(
                self.get_submodule(f"bn_end{stack}")(self.get_submodule(f"conv_last{stack}")(inner))
            )
            heatmaps = self.get_submodule(f"l{stack}")(inner)
            if stack < STACKS - 1:
                x = x + self.get_submodule(f"bl{stack}")(inner) + self.get_submodule(f"al{stack}")(heatmaps)
        assert heatmaps is not None
        return heatmaps


def points_of(heatmaps: NDArray[np.float32]) -> Points:
    """Each heatmap's highest pixel, a quarter pixel towards its higher neighbours, plus a half; 0..64.

    TencentARC/VQFR@1245d42:vqfr/archs/awing_arch.py:calculate_points, with what it does at the border: where one of the
    points lies on the last (first) line, all of them take the last (first) pixel for their neighbour below (above).

    Args:
        heatmaps: Nx64x64.

    Returns:
        Nx2.
    """
    count, height, width = heatmaps.shape
    flat = heatmaps.reshape(count, -1)
    each, highest = np.arange(count), flat.argmax(axis=1)
    last = height * width - 1
    below = np.full(count, last) if (highest + width > last).any() else highest + width
    above = np.zeros(count, np.intp) if (highest - width <= 0).any() else highest - width
    right, left = np.minimum(highest + 1, last), highest - 1
    slopes = np.stack([flat[each, right] - flat[each, left], flat[each, below] - flat[each, above]], axis=1)
    return np.asarray(np.stack([highest % width, highest // width], axis=1) + 0.25 * np.sign(slopes) + 0.5, np.float64)


class AwingLandmarks:
    """VQFR's landmarks from a local checkpoint; safe to call from several threads.

    Args:
        path: `alignment_WFLW_4HG.pth`.
        device: a torch device (`cpu`, `cuda`, `cuda:1`).

    Raises:
        WeightsError: no such file, not a checkpoint, or one of another network.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        what = "AWing's network of 98 landmarks (four hourglasses)"
        self._network = open_network(AwingNetwork(), path, what, expected="alignment_WFLW_4HG.pth", device=device)
        self.device = device

    def detect(self, image: NDArray[np.uint8]) -> Points:
        """98x2, px of the picture, which is looked at whole: not cut out, brought to 256x256 bilinearly.

        Args:
            image: HxWx3 uint8 RGB; made for FFHQ-aligned faces.

        Raises:
            MetricError: the network gave NaN or infinity.
        """
        import cv2

        height, width = image.shape[:2]
        face = cv2.resize(image, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_LINEAR)
        inputs = torch.from_numpy(np.ascontiguousarray(face.transpose(2, 0, 1), np.float32))[None] / 255
        with torch.inference_mode():
            heatmaps: NDArray[np.float32] = self._network(inputs.to(self.device))[0, :POINTS].cpu().numpy()
        if not np.isfinite(heatmaps).all():
            raise MetricError("AWing's landmark network gave NaN or infinity")
        return np.asarray(points_of(heatmaps) * (width / HEATMAP_SIDE, height / HEATMAP_SIDE))
