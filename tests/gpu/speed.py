"""How fast sparnet is on a device: beside a plain eager network, and beside what the device can compute at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import facesr_bench
from facesr_bench.evaluation import in_torch
from tests.plain_networks import plain

from .agreement import Lines, check_backend
from .journal import Line

STATED = {  # TFLOP/s without sparsity, of the makers' data sheets: (fp32 without TF32, bf16)
    "H200": (67.0, 989.0),
    "H100": (67.0, 989.0),
    "A100": (19.5, 312.0),
    "L40S": (91.6, 362.0),
    "L4": (30.3, 121.0),
}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def rates(device: str, batches: Sequence[int], seconds: float) -> Lines:
    """sparnet at 128 px, as a run calls it, beside the plain module, nothing folded, in turns."""
    return {
        f"sparnet, {precision}, batch {batch}": partial(_rate, device, precision, batch, seconds)
        for precision in DTYPES
        for batch in batches
    }


def _rate(device: str, precision: str, batch: int, seconds: float) -> Line:
    method, dtype = _sparnet(device, precision), DTYPES[precision]
    network: nn.Module = plain("sparnet").to(device, dtype)
    x = _pictures(batch, device)

    def eager() -> Tensor:
        with torch.inference_mode():
            out: Tensor = network((x * 2 - 1).to(dtype))
            return out

    ours, theirs = in_turns([lambda: method.upscale(x), eager], device, seconds)
    flops = flops_of(eager) / ours
    measured = flops / peak(device, dtype, seconds)
    said = f"{batch / ours:.1f} images/s, plain eager {batch / theirs:.1f} ({theirs / ours:.2f} times as fast); "
    said += f"{100 * measured:.1f} % of a large matrix product here"
    figures = {"images/s": batch / ours, "eager": batch / theirs, "of a matrix product": measured}
    stated = next((both for name, both in STATED.items() if name in card(device)), None)
    if stated is not None:
        figures["of the stated peak"] = flops / (stated[list(DTYPES).index(precision)] * 1e12)
        said += f", {100 * figures['of the stated peak']:.1f} % of what the maker states"
    return Line(True, said, figures)


def faster_rates(device: str, batches: Sequence[int], seconds: float) -> Lines:
    """sparnet by each backend within torch, beside torch as it is, in turns; the first picture apart."""
    return {
        f"sparnet, {precision}, {backend}": partial(_faster_rate, device, precision, backend, batches, seconds)
        for backend in reversed(in_torch.IN_TORCH)  # compiling takes longest
        for precision in DTYPES
    }


def _faster_rate(device: str, precision: str, backend: str, batches: Sequence[int], seconds: float) -> Line:
    check_backend(backend, device)
    method = _sparnet(device, precision)
    other = in_torch.in_torch(method, backend)
    begun = time.perf_counter()
    other.upscale(_pictures(1, device))
    synchronise(device)
    figures = {"first": time.perf_counter() - begun}
    said = [f"first picture after {figures['first']:.1f} s"]
    for batch in batches:
        x = _pictures(batch, device)
        plain, faster = in_turns([partial(method.upscale, x), partial(other.upscale, x)], device, seconds)
        figures[f"batch {batch}"] = batch / faster
        said.append(f"batch {batch}: {batch / faster:.1f} images/s ({plain / faster:.2f} times as fast as without)")
    return Line(True, "; ".join(said), figures)


def _sparnet(device: str, precision: str) -> Any:
    return facesr_bench.load_method("sparnet", device=device, precision=precision)


def _pictures(count: int, device: str) -> Tensor:
    return torch.rand(count, 3, 128, 128, generator=torch.Generator().manual_seed(0)).to(device)


def in_turns(calls: Sequence[Callable[[], Any]], device: str, seconds: float) -> list[float]:
    """Seconds of one call of each, the least of some rounds in turns."""
    for call in calls:
        call()
    least = [float("inf")] * len(calls)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 2 or time.perf_counter() < end:
        for i, call in enumerate(calls):
            synchronise(device)
            begun = time.perf_counter()
            call()
            synchronise(device)
            least[i] = min(least[i], time.perf_counter() - begun)
        rounds += 1
    return least


def flops_of(call: Callable[[], Any]) -> int:
    """Floating-point operations of a call, a multiply-add counted as two."""
    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return int(counter.get_total_flops())


@cache
def peak(device: str, dtype: torch.dtype, seconds: float) -> float:
    """Operations per second of a large matrix product: what can be reached here, without TF32."""
    side = 8192 if device.startswith("cuda") else 1024
    a = torch.rand(side, side, device=device, dtype=dtype)
    (least,) = in_turns([lambda: a @ a], device, seconds / 2)
    return 2 * side**3 / least


def card(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"


def synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
