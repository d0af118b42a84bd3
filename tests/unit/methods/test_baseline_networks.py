"""EDSR-baseline and SRCNN: the sizes their papers print, and their function step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from facesr_bench.plugins.loading import bundled_folder, import_from


def module(method: str) -> Any:
    return import_from(Path(bundled_folder("methods")) / method, "network")


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("scale", "count"), [(2, 1_369_859), (4, 1_517_571), (8, 1_665_283)])
def test_edsr_has_the_published_number_of_parameters(scale: int, count: int) -> None:
    """x2 and x4: what the paper rounds to 1.37 M and 1.52 M."""
    edsr = module("edsr")
    assert parameters(edsr.EDSR(edsr.EDSRConfig(scale=scale))) == count


def test_srcnn_has_the_published_number_of_weights() -> None:
    """9-5-5 on one channel: 57,184 weights (the paper's section 4.3.2); here three channels go in and come out."""
    srcnn = module("srcnn")
    network = srcnn.SRCNN(srcnn.SRCNNConfig())
    weights = {name: p.numel() for name, p in network.named_parameters() if name.endswith("weight")}
    assert weights["extraction.weight"] / 3 + weights["mapping.weight"] + weights["reconstruction.weight"] / 3 == 57_184


def shuffled(x: Tensor) -> Tensor:
    """Pixel shuffle by 2, by its definition: channel 4 c + 2 i + j becomes pixel (i, j) of each 2x2 block of c."""
    batch, channels, height, width = x.shape
    out = torch.zeros(batch, channels // 4, 2 * height, 2 * width)
    for i in range(2):
        for j in range(2):
            out[:, :, i::2, j::2] = x[:, 2 * i + j :: 4]
    return out


def test_edsr_is_head_blocks_sum_shuffles_tail() -> None:
    edsr = module("edsr")
    torch.manual_seed(0)
    network = edsr.EDSR(edsr.EDSRConfig(blocks=2, channels=8, scale=4))
    w = dict(network.named_parameters())

    def conv(x: Tensor, name: str) -> Tensor:
        return conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)

    x = torch.rand(2, 3, 6, 5) * 2 - 1
    head = conv(x, "head")
    body = head
    for block in ("body.0", "body.1"):
        body = body + conv(conv(body, f"{block}.first").clamp(min=0), f"{block}.second")
    up = head + conv(body, "body.2")
    for number in (0, 2):
        up = shuffled(conv(up, f"upsampler.{number}"))
    expected = conv(up, "tail")
    found = network(x)
    assert found.shape == (2, 3, 24, 20)
    torch.testing.assert_close(found, expected)


def test_srcnn_is_three_convolutions() -> None:
    srcnn = module("srcnn")
    torch.manual_seed(0)
    network = srcnn.SRCNN(srcnn.SRCNNConfig(first=4, second=3))
    w = dict(network.named_parameters())
    x = torch.rand(1, 3, 12, 10)
    a = conv2d(x, w["extraction.weight"], w["extraction.bias"], padding=4).clamp(min=0)
    b = conv2d(a, w["mapping.weight"], w["mapping.bias"], padding=2).clamp(min=0)
    expected = conv2d(b, w["reconstruction.weight"], w["reconstruction.bias"], padding=2)
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize(
    ("method", "config", "fields"),
    [
        ("edsr", "EDSRConfig", {"scale": 3}),
        ("edsr", "EDSRConfig", {"blocks": 0}),
        ("srcnn", "SRCNNConfig", {"kernel": 4}),
        ("srcnn", "SRCNNConfig", {"first": 0}),
    ],
)
def test_shapes_that_cannot_be_are_refused(method: str, config: str, fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        getattr(module(method), config)(**fields)
