"""The quicker convolutions against `torch.nn.Conv2d`: outputs, and gradients of input, weight and bias."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from facesr_bench.training.cpu_convolution import HalfPaddingConv2d, SplitLayoutConv2d, quicken


def results(conv: nn.Conv2d, x: Tensor, precision: str) -> list[Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        y = conv(x).float()
    weights = torch.linspace(-1, 1, y.numel()).view_as(y)
    torch.autograd.backward((y * weights).sum())
    assert x.grad is not None and conv.weight.grad is not None
    grads = [x.grad, conv.weight.grad]
    return [y.detach(), *grads, *([conv.bias.grad] if conv.bias is not None and conv.bias.grad is not None else [])]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_function(precision: str, stride: int, bias: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(5, 7, 3, stride, 1, padding_mode="reflect", bias=bias)
    quick = deepcopy(plain)
    quicken(quick, precision)
    assert type(quick) is (HalfPaddingConv2d if precision == "bf16" else SplitLayoutConv2d)
    x = torch.randn(2, 5, 12, 16).contiguous(memory_format=torch.channels_last)
    expected, found = results(plain, x, precision), results(quick, x, precision)
    assert len(found) == (4 if bias else 3) == len(expected)
    for a, b in zip(expected, found, strict=True):
        assert float((a - b).abs().max()) <= (2e-6 if precision == "fp32" else 2**-7) * float(a.abs().max())
    if precision == "bf16":
        assert torch.equal(expected[0], found[0]), "padding before or after rounding is the same"


def test_other_convolutions_are_left_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 5, padding=2))
    quicken(network, "bf16")
    assert all(type(module) is nn.Conv2d for module in network)
