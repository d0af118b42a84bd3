"""Which device torch computes on, and how it is set up so that numbers do not depend on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.text import counted

PRECISIONS = ("fp32", "bf16")
"""What networks may compute in; the first unless said otherwise."""


def check_device(wanted: str) -> None:
    """Refuse what names no device, without asking torch.

    Raises:
        FaceSRBenchError: says what it must be.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", wanted):
        raise FaceSRBenchError(f"device {wanted!r}: it must be auto, cpu, cuda, or cuda:N")


def torch_device(wanted: str) -> str:
    """The device that `wanted` means.

    Raises:
        FaceSRBenchError: it names no device, or one that torch can't use here.
    """
    check_device(wanted)
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda"):
        number = int(wanted.partition(":")[2] or 0)
        if number >= torch.cuda.device_count():
            there = torch.cuda.device_count()
            raise FaceSRBenchError(
                f"device {wanted}: torch sees {counted(there, 'CUDA device')} here; use --device cpu"
            )
    return wanted


PINNED = True
"""Whether pictures come to and from a GPU through pinned memory; off only where somebody measures what it is worth."""

EXACT = {"tf32 in cuDNN": False, "tf32 in matmul": False, "deterministic": True, "benchmark": False}
"""TF32 keeps only 10 bits of each factor; cuDNN's benchmark may choose another algorithm in every run."""


@contextmanager
def exact_numbers() -> Iterator[None]:
    """Inside, torch computes so that a number does not depend on the device; afterwards as it did before."""
    before = set_torch(EXACT)
    try:
        yield
    finally:
        set_torch(before)


def set_torch(flags: Mapping[str, bool]) -> dict[str, bool]:
    """Set torch's flags of this process (see `EXACT`), and return what they were."""
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = (cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark)
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark = (flags[name] for name in EXACT)
    return dict(zip(EXACT, before, strict=True))
