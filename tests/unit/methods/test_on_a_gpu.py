"""Networks on a GPU that is only pretended: torch's fake tensors have a device and a shape, and no values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import facesr_bench
from facesr_bench.evaluation.ready import is_ready
from facesr_bench.plugins import registry

READY = [
    plugin.name
    for plugin in registry.methods().plugins
    if plugin.source == "built in" and plugin.require_card().exportable and is_ready(plugin)
]


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What no CUDA graph can hold: operations whose result is not on the GPU, and constants that are brought there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elsewhere: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if "lift_fresh" in func.name() or (isinstance(found, torch.Tensor) and found.device.type != "cuda"):
            self.elsewhere.append(func.name())
        return found


def there(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cuda")


def move(network: nn.Module) -> None:
    """As `network.to("cuda")`, with fake tensors, which a parameter's data can't become."""
    for part in network.modules():
        for name, parameter in part.named_parameters(recurse=False):
            part._parameters[name] = nn.Parameter(there(parameter), requires_grad=False)
        for name, buffer in part.named_buffers(recurse=False):
            part._buffers[name] = there(buffer)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", READY)
def test_all_of_upscale_is_done_on_the_gpu(name: str, precision: str) -> None:
    """Without waiting for a value, or it could not be recorded; a tensor left behind on the CPU is an error."""
    method = facesr_bench.load_method(name, precision=precision)
    method.context = replace(method.context, device="cuda")
    with FakeTensorMode(allow_non_fake_inputs=True):
        for part in vars(method).values():
            if isinstance(part, nn.Module):
                move(part)
        side = 128 if method.card.input == "bicubic" else 16
        lr = torch.rand(3, 3, side, side, device="cuda")
        with Seen() as seen:
            sr = method.upscale(lr)
    assert (sr.shape, sr.device.type, sr.dtype) == ((3, 3, 128, 128), "cuda", torch.float32)
    assert seen.elsewhere == []


def test_what_is_left_on_the_cpu_is_seen() -> None:
    """The test above can fail: a constant of the CPU's, a value that is waited for, a buffer that did not move."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        x = torch.rand(3, device="cuda")
        with Seen() as seen:
            torch.as_tensor([1.0, 2.0, 3.0]).to("cuda") + x
            x.cpu()
        assert len(seen.elsewhere) >= 2
        with pytest.raises(Exception, match="device"):
            x + torch.rand(3)
        with pytest.raises(Exception, match="_local_scalar_dense"):
            x.sum().item()
