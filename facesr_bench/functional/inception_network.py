"""The Inception v3 of FID as a network of torch: its layers under the names of the state dict that everybody has.

After "Rethinking the Inception Architecture for Computer Vision" (Szegedy et al., 2016), with the names of
torchvision's `inception_v3` and what pytorch-fid's blocks do otherwise: average pools leave the padding out, the last
block pools by maximum, there are 1008 classes and no auxiliary head. Importing this module loads torch alone:
torchvision would have torch load its compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facesr_bench.functional.backbones import Convolution as Unset
from facesr_bench.functional.inception import SIDE, WIDTH

Size = int | tuple[int, int]
Convolution = tuple[str, int, Size]
"""Its name, the channels that it makes, its kernel; of stride 1 and as large as its input, unless a `Halving`."""
Step = Convolution | Callable[[Tensor], Tensor] | tuple[Convolution, Convolution]
"""A convolution, a pool, or two convolutions of the same input whose outputs are joined."""

CLASSES = 1008
EPSILON = 0.001
"""Of the batch norms."""


def _mean(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _largest(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, 1, 1)


def _halved(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, 2)


def _of_35(pool: int) -> tuple[list[Step], ...]:
    return (
        [("branch1x1", 64, 1)],
        [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)],
        [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
        [_mean, ("branch_pool", pool, 1)],
    )


_TO_17: tuple[list[Step], ...] = (
    [("branch3x3", 384, 3)],
    [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
    [_halved],
)


def _of_17(inner: int) -> tuple[list[Step], ...]:
    wide, high = (1, 7), (7, 1)
    return (
        [("branch1x1", 192, 1)],
        [("branch7x7_1", inner, 1), ("branch7x7_2", inner, wide), ("branch7x7_3", 192, high)],
        [
            *(("branch7x7dbl_1", inner, 1), ("branch7x7dbl_2", inner, high), ("branch7x7dbl_3", inner, wide)),
            *(("branch7x7dbl_4", inner, high), ("branch7x7dbl_5", 192, wide)),
        ],
        [_mean, ("branch_pool", 192, 1)],
    )


_TO_8: tuple[list[Step], ...] = (
    [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3)],
    [
        ("branch7x7x3_1", 192, 1),
        ("branch7x7x3_2", 192, (1, 7)),
        ("branch7x7x3_3", 192, (7, 1)),
        ("branch7x7x3_4", 192, 3),
    ],
    [_halved],
)


def _of_8(pool: Callable[[Tensor], Tensor]) -> tuple[list[Step], ...]:
    wide, high = (1, 3), (3, 1)
    return (
        [("branch1x1", 320, 1)],
        [("branch3x3_1", 384, 1), (("branch3x3_2a", 384, wide), ("branch3x3_2b", 384, high))],
        [
            *(("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3)),
            (("branch3x3dbl_3a", 384, wide), ("branch3x3dbl_3b", 384, high)),
        ],
        [pool, ("branch_pool", 192, 1)],
    )


_HALVING = frozenset({"branch3x3", "branch3x3dbl_3", "branch3x3_2", "branch7x7x3_4"})
"""The last convolutions of the two blocks that halve the sides: of stride 2, without padding."""


class Unit(nn.Module):
    """A convolution, its batch norm, a rectifier.

    Args:
        side: of its input, px.
    """

    def __init__(self, given: int, made: int, kernel: Size, side: int, stride: int = 1, padding: Size = 0) -> None:
        super().__init__()
        self.conv: nn.Conv2d = Unset(given, made, kernel, stride, padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(made, EPSILON)
        self._side = side
        self._packed: Callable[[Tensor], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self._packed is not None:
            return self._packed(x)
        return functional.relu(self.bn(self.conv(x)), inplace=True)

    def fold(self) -> None:
        """Put the batch norm into the convolution."""
        assert isinstance(self.bn, nn.BatchNorm2d)
        self.conv, self.bn = fuse_conv_bn_eval(self.conv, self.bn), nn.Identity()

    def pack(self) -> None:
        """Have oneDNN lay out the weights once and rectify while it convolves, as torch's compiler has it do."""
        conv, kernels = self.conv, torch.ops.mkldnn
        how: tuple[Any, ...] = (conv.padding, conv.stride, conv.dilation, conv.groups)
        size = (1, conv.in_channels, self._side, self._side)
        weight, bias = kernels._reorder_convolution_weight(conv.weight, *how, size), conv.bias
        self._packed = lambda x: kernels._convolution_pointwise(x, weight, bias, *how, "relu", [], "")


class Block(nn.Module):
    """Branches of the same input, whose outputs are joined by channels.

    Args:
        given: channels of the input.
        side: of the input, px.
    """

    def __init__(self, given: int, side: int, branches: Sequence[Sequence[Step]], *, halves: bool = False) -> None:
        super().__init__()
        self._branches = branches
        for branch in branches:
            width = given
            for step in branch:
                for name, made, kernel in _convolutions(step):
                    half = halves and name in _HALVING
                    how = (2, 0) if half else (1, _same(kernel))
                    self.add_module(name, Unit(width, made, kernel, side, *how))
                width = made if _convolutions(step) else width

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._along(branch, x) for branch in self._branches], 1)

    def _along(self, branch: Sequence[Step], x: Tensor) -> Tensor:
        for step in branch:
            if callable(step):
                x = step(x)
            else:
                made = [self.get_submodule(name)(x) for name, _, _ in _convolutions(step)]
                x = made[0] if len(made) == 1 else torch.cat(made, 1)
        return x


def _convolutions(step: Step) -> tuple[Convolution, ...]:
    """Those of one step: none, one, or two."""
    if callable(step):
        return ()
    return (step,) if isinstance(step[0], str) else step


def _same(kernel: Size) -> Size:
    """The padding that keeps the sides."""
    return kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)


class _Linear(nn.Linear):
    """The last layer, which features are taken before: it is there because files hold it."""

    def reset_parameters(self) -> None:
        """Its weights stay what lay in memory."""


class InceptionV3(nn.Module):
    """Nx3x299x299 float32 in about -1..1 to Nx2048; its weights are not set."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, SIDE, stride=2)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3, 149)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3, 147, padding=1)
        self.Conv2d_3b_1x1 = Unit(64, 80, 1, 73)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3, 73)
        self.Mixed_5b = Block(192, 35, _of_35(32))
        self.Mixed_5c = Block(256, 35, _of_35(64))
        self.Mixed_5d = Block(288, 35, _of_35(64))
        self.Mixed_6a = Block(288, 35, _TO_17, halves=True)
        self.Mixed_6b = Block(768, 17, _of_17(128))
        self.Mixed_6c = Block(768, 17, _of_17(160))
        self.Mixed_6d = Block(768, 17, _of_17(160))
        self.Mixed_6e = Block(768, 17, _of_17(192))
        self.Mixed_7a = Block(768, 17, _TO_8, halves=True)
        self.Mixed_7b = Block(1280, 8, _of_8(_mean))
        self.Mixed_7c = Block(2048, 8, _of_8(_largest))
        self.fc = _Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_halved(x)))
        x = _halved(x)
        for block in (self.Mixed_5b, self.Mixed_5c, self.Mixed_5d, self.Mixed_6a, self.Mixed_6b, self.Mixed_6c):
            x = block(x)
        for block in (self.Mixed_6d, self.Mixed_6e, self.Mixed_7a, self.Mixed_7b, self.Mixed_7c):
            x = block(x)
        return x.mean((2, 3))


def blank() -> InceptionV3:
    """The network in eval mode, frozen; its weights are not set."""
    return InceptionV3().eval().requires_grad_(False)


def quickened(network: InceptionV3, device: str) -> InceptionV3:
    """The same function with fewer steps, on a device: batch norms folded into the convolutions, channels last; on a
    CPU the weights laid out for it once. Features differ by rounding (about 1e-6 of their size).

    Args:
        network: with its weights; it is changed, and returned.
    """
    units = [module for module in network.modules() if isinstance(module, Unit)]
    for unit in units:
        unit.fold()
    network = network.to(device).to(memory_format=torch.channels_last)
    if device == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        threads = torch.get_num_threads()
        # It is that for the threads there are: of several, it would be made anew at every call of one.
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                for unit in units:
                    unit.pack()
        except (AttributeError, RuntimeError, TypeError):  # a torch whose compiler does it otherwise
            for unit in units:
                unit._packed = None
        finally:
            torch.set_num_threads(threads)
    return network
