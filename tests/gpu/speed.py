"""How fast sparnet is on a device: beside a plain eager network, and beside what the device can compute at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import facesr_bench
from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.evaluation import in_torch

STATED = {  # TFLOP/s without sparsity, of the makers' data sheets: (fp32 without TF32, bf16)
    "H200": (67.0, 989.0),
    "H100": (67.0, 989.0),
    "A100": (19.5, 312.0),
    "L40S": (91.6, 362.0),
    "L4": (30.3, 121.0),
}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Rate:
    """Images per second of one precision and batch.

    Attributes:
        ours: of the method as a run calls it; eager: of the plain module, nothing folded.
        faster: of the method by each backend within torch that works there.
        measured, stated: share of the arithmetic that a large matrix product reaches here, and that the maker states.
    """

    precision: str
    batch: int
    ours: float
    eager: float
    ratio: float
    measured: float
    stated: float | None
    faster: dict[str, float]


def rates(device: str, batches: Sequence[int], seconds: float) -> list[Rate]:
    """sparnet at 128 px, ours and the plain network in turns."""
    return [_rate(device, precision, batch, seconds) for precision in DTYPES for batch in batches]


def _rate(device: str, precision: str, batch: int, seconds: float) -> Rate:
    method: Any = facesr_bench.load_method("sparnet", device=device, precision=precision)
    dtype = DTYPES[precision]
    plain: nn.Module = facesr_bench.load_method("sparnet", device=device).network.to(dtype)  # type: ignore[attr-defined]
    x = torch.rand(batch, 3, 128, 128, generator=torch.Generator().manual_seed(0)).to(device)

    def eager() -> Tensor:
        with torch.inference_mode():
            out: Tensor = plain((x * 2 - 1).to(dtype))
            return out

    others = {backend: in_torch.in_torch(method, backend) for backend in in_torch.IN_TORCH if works(backend, device)}
    calls: list[Callable[[], Any]] = [lambda: method.upscale(x), eager]
    calls += [partial(other.upscale, x) for other in others.values()]
    ours, theirs, *rest = in_turns(calls, device, seconds)
    flops = flops_of(eager) * (1 / ours)
    stated = next((both for name, both in STATED.items() if name in card(device)), None)
    return Rate(
        precision,
        batch,
        batch / ours,
        batch / theirs,
        theirs / ours,
        flops / peak(device, dtype, seconds),
        None if stated is None else flops / (stated[list(DTYPES).index(precision)] * 1e12),
        {backend: batch / each for backend, each in zip(others, rest, strict=True)},
    )


def works(backend: str, device: str) -> bool:
    """Whether that backend can be used here."""
    try:
        in_torch.check(backend, device)
    except FaceSRBenchError:
        return False
    return True


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
