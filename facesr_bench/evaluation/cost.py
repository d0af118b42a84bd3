"""Measures what a method costs per image: operations, and on a GPU its memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from facesr_bench.base.errors import PLUGIN_ERRORS
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.method import MethodBase


def load_measured(method: MethodBase, protocol: ProtocolCard, *, later: bool = False) -> dict[str, Any]:
    """Load a method, then let it upscale one grey image of the protocol's size.

    - `flops`: floating-point operations of convolutions, matrix products and attention, a multiply-add counted as two,
      as `torch.utils.flop_counter` sees them; None for a method that has none of them in torch (interpolation, ONNX).
    - `peak_memory`: bytes that torch held on the GPU at most, weights included, beyond what it held before; None on a
      CPU, where torch can't say.
    - `parameters`: of the networks in torch that the method holds; None for one that holds none.
    - `image`: the output's side in px, or None where the protocol's images have no common size; then neither operations
      nor memory are measured.

    Errors on that image are ignored here; they surface on the first real image.

    Args:
        later: leave the image to `with_operations`, where torch can tell of no memory anyway.

    Returns:
        For the `method.cost` of a manifest: `image`, `flops`, `peak_memory`, `parameters`; each may be None.

    Raises:
        Exception: whatever `method.load` raises.
    """
    import torch

    device = method.device
    on_gpu = device.startswith("cuda")
    before = 0
    if on_gpu:
        torch.cuda.init()  # type: ignore[no-untyped-call]  # or there is nothing to reset, which torch takes for an error
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    with method.world:
        method.load()
    side, count = _output_side(method, protocol), parameters_of(method)
    cost: dict[str, Any] = {"image": side, "flops": None, "peak_memory": None, "parameters": count}
    if later and not on_gpu:
        return cost
    measured = with_operations(method, cost)
    if on_gpu and measured is not cost:
        torch.cuda.synchronize(device)
        measured["peak_memory"] = torch.cuda.max_memory_allocated(device) - before
    return measured


def with_operations(method: MethodBase, cost: dict[str, Any]) -> dict[str, Any]:
    """What `load_measured` found, with `flops`, of a method that is loaded; itself where they can't be counted."""
    if cost["image"] is None:
        return cost
    try:
        with method.world:
            return {**cost, "flops": _flops(method, cost["image"])}
    except PLUGIN_ERRORS:  # its first image says so
        return cost


def parameters_of(method: MethodBase) -> int | None:
    """The parameters of the networks that are attributes of a method, each tensor counted once; None without any."""
    import torch

    networks = [value for value in vars(method).values() if isinstance(value, torch.nn.Module)]
    tensors = {id(tensor): tensor.numel() for network in networks for tensor in network.parameters()}
    return sum(tensors.values()) or None


def _output_side(method: MethodBase, protocol: ProtocolCard) -> int | None:
    if protocol.hr_size is not None:
        return protocol.hr_size
    if protocol.lr_size is not None:
        return protocol.lr_size * protocol.scale
    return method.card.output_size


def _flops(method: MethodBase, side: int) -> int | None:
    import torch

    lr = side // method.scale
    image = method.batch([method.given(np.full((lr, lr, 3), 128, np.uint8))])
    # A method that draws random numbers must not draw others because it was measured.
    with torch.random.fork_rng(devices=[image.device] if image.device.type == "cuda" else []):
        return operations(lambda: method.upscale(image)) or None


def operations(compute: Callable[[], object]) -> int:
    """What `torch.utils.flop_counter.FlopCounterMode` counts, a product and its sum as two.

    That class has torch load its compiler when it is first used, which takes as long as all else until the first image.
    """
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
        total = 0

        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return False  # nothing here is ever compiled

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            formula = flop_registry.get(func._overloadpacket)
            if formula is None:
                if "upsample" in func.name():  # nothing of it is counted, and its parts would load sympy
                    return func(*args, **kwargs)
                with self:
                    parts = func.decompose(*args, **kwargs)
                return func(*args, **kwargs) if parts is NotImplemented else parts
            found = func(*args, **kwargs)
            self.total += formula(*args, **kwargs, out_val=found)
            return found

    with Counter() as counter:  # type: ignore[no-untyped-call]
        compute()
    return int(counter.total)
