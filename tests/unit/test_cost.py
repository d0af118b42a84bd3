"""What a method costs: counted by hand, and without a trace on its outputs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from facesr_bench.base.errors import WeightsError
from facesr_bench.data.protocols import find_protocol
from facesr_bench.evaluation.cost import load_measured, operations
from facesr_bench.plugins.cards import CropCard, MethodCard, ProtocolCard
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method


def card(**more: Any) -> MethodCard:
    fields = {"name": "toy", "title": "Toy", "summary": "For tests.", "input": "bicubic", "licence": "MIT", **more}
    return MethodCard.model_validate({"schema_version": 1, "kind": "method", **fields})


class OneConvolution(MethodBase):
    sizes: list[tuple[int, ...]]

    def load(self) -> None:
        self.layer = torch.nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.sizes = []

    @torch.inference_mode()
    def upscale(self, lr: Tensor) -> Tensor:
        self.sizes.append(tuple(lr.shape))
        grown: Tensor = self.layer(lr)
        return grown


class Interpolation(OneConvolution):
    def upscale(self, lr: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(lr, scale_factor=self.scale)


class Broken(OneConvolution):
    def upscale(self, lr: Tensor) -> Tensor:
        raise RuntimeError("out of paper")


class Random(OneConvolution):
    def upscale(self, lr: Tensor) -> Tensor:
        return lr + torch.rand(1)


def measure(cls: type[OneConvolution], protocol: str = "demo-x8", **more: Any) -> tuple[dict[str, Any], OneConvolution]:
    method = make_method(cls, MethodContext(card(**more), scale=8))
    assert isinstance(method, OneConvolution)
    return load_measured(method, find_protocol(protocol)[1]), method


NOTHING = {"image": None, "flops": None, "peak_memory": None, "parameters": 81}
"""What is known of the one convolution where nothing was measured."""


def test_parameters_of_ones_own_network_are_counted_once() -> None:
    class Shared(OneConvolution):
        def load(self) -> None:
            super().load()
            self.same, self.wrapped = self.layer, torch.nn.Sequential(self.layer, torch.nn.PReLU(3))

    class Nothing(OneConvolution):
        def load(self) -> None:
            self.sizes = []

    assert measure(Shared)[0]["parameters"] == 81 + 3
    assert measure(Nothing)[0]["parameters"] is None


def test_a_convolution_by_hand() -> None:
    cost, method = measure(OneConvolution)
    # 3x3 window, 3 channels in, 3 out, 128x128 places, two operations each.
    assert cost == {"image": 128, "flops": 2 * 9 * 3 * 3 * 128 * 128, "peak_memory": None, "parameters": 81}
    assert method.sizes == [(1, 3, 128, 128)]


def test_the_input_is_what_the_card_says() -> None:
    cost, method = measure(OneConvolution, input="lr")
    assert method.sizes == [(1, 3, 16, 16)] and cost["flops"] == 2 * 9 * 3 * 3 * 16 * 16
    assert measure(OneConvolution, "helen-dic-x8")[1].sizes == [(1, 3, 128, 128)]


def test_interpolation_has_no_count_rather_than_none_to_do() -> None:
    assert measure(Interpolation, input="lr")[0] == {**NOTHING, "image": 128}


def test_no_common_size_no_measurement() -> None:
    cost, method = measure(OneConvolution, "folder-x8")
    assert cost == NOTHING and not method.sizes
    assert measure(OneConvolution, "folder-x8", output_size=64)[0]["image"] == 64


def test_a_method_that_fails_is_left_to_fail_later() -> None:
    assert measure(Broken)[0]["flops"] is None


def test_loading_errors_pass() -> None:
    class Unreadable(OneConvolution):
        def load(self) -> None:
            raise WeightsError("not a checkpoint")

    protocol = ProtocolCard(
        name="p", summary="", crop=CropCard(rule="none"), scale=8, source="lr", profile="sparnet", metrics=()
    )
    with pytest.raises(WeightsError):
        load_measured(make_method(Unreadable, MethodContext(card(), scale=8)), protocol)


def test_random_numbers_are_not_used_up() -> None:
    _, measured = measure(Random)
    fresh = make_method(Random, MethodContext(card(), scale=8))
    with measured.world:
        drawn = torch.rand(3)
    with fresh.world:
        assert torch.equal(torch.rand(3), drawn)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_memory_on_a_gpu() -> None:
    class OnGpu(OneConvolution):
        def load(self) -> None:
            super().load()
            self.layer.to("cuda")

    held = torch.zeros(1 << 20, device="cuda")
    method = make_method(OnGpu, MethodContext(card(), scale=8, device="cuda"))
    protocol = find_protocol("demo-x8")[1]
    cost = load_measured(method, protocol)
    # Input and output are 3 x 128 x 128 float32 each; what lay there before doesn't count.
    assert 2 * 3 * 128 * 128 * 4 <= cost["peak_memory"] < 64 * 2**20
    del held


class Everything(torch.nn.Module):
    """Each kind of operation that is counted, and some that are not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")
        self.up = torch.nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.linear = torch.nn.Linear(8, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
        x = torch.nn.functional.interpolate(self.up(self.conv(x)), size=(8, 8), mode="bicubic")
        tokens = self.linear(x.flatten(2).transpose(1, 2))
        tokens = torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
        tokens = torch.einsum("bnc,bmc->bnm", tokens, tokens) @ tokens
        return torch.nn.functional.layer_norm(tokens, (16,)).softmax(-1)


@pytest.mark.parametrize("inference", [True, False])
def test_operations_are_those_that_torch_counts(inference: bool) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network, x = Everything(), torch.rand(2, 3, 16, 16)
    with torch.inference_mode(inference):
        found = operations(lambda: network(x))
        with FlopCounterMode(display=False) as counter:
            network(x)
    assert found == counter.get_total_flops() > 0


def test_counting_loads_no_compiler() -> None:
    """Loading torch's compiler takes as long as all else until the first image."""
    code = """
import sys, torch
from facesr_bench.evaluation.cost import operations
operations(lambda: torch.nn.functional.interpolate(torch.nn.Conv2d(3, 3, 3)(torch.rand(1, 3, 8, 8)), scale_factor=2.0))
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
