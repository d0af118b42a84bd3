"""What a method costs per image, measured when it is loaded: operations, and on a GPU its memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from facesr_bench.base.errors import STRANGERS
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.method import MethodBase


def load_measured(method: MethodBase, load: Callable[[], None], protocol: ProtocolCard, device: str) -> dict[str, Any]:
    """Load a method, then let it upscale one grey image of the protocol's size.

    - `flops`: floating-point operations of convolutions, matrix products and attention, a multiply-add counted as two,
      as `torch.utils.flop_counter` sees them; none for a method that has none of them in torch (interpolation, ONNX).
    - `peak_memory`: bytes that torch held on the GPU at most, weights included, beyond what it held before; none on a
      CPU, where torch can't say.
    - `image`: the output's side in px, or none where the protocol's images have no common size; then nothing else is
      measured.

    Whatever the method raises on that image is left for its first real image to tell.

    Args:
        load: loads `method` onto `device`.

    Returns:
        For manifest["method"]["cost"]: `image`, `flops`, `peak_memory`; each may be none.

    Raises:
        Exception: whatever `load` raises.
    """
    import torch

    on_gpu = device.startswith("cuda")
    before = 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    load()
    cost: dict[str, Any] = {"image": _output_side(method, protocol), "flops": None, "peak_memory": None}
    if cost["image"] is None:
        return cost
    try:
        cost["flops"] = _flops(method, cost["image"], device)
    except STRANGERS:  # its first image will say so
        return cost
    if on_gpu:
        torch.cuda.synchronize(device)
        cost["peak_memory"] = torch.cuda.max_memory_allocated(device) - before
    return cost


def _output_side(method: MethodBase, protocol: ProtocolCard) -> int | None:
    if protocol.hr_size is not None:
        return protocol.hr_size
    if protocol.lr_size is not None:
        return protocol.lr_size * protocol.scale
    return method.card.output_size


def _flops(method: MethodBase, side: int, device: str) -> int | None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    given = side if method.card.input == "bicubic" else side // method.scale
    image = torch.full((1, 3, given, given), 0.5, device=device)
    # A method that draws random numbers must not draw others because it was measured.
    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        counter = FlopCounterMode(display=False)
        with counter:
            method.upscale(image)
    return int(counter.get_total_flops()) or None
