"""Which device torch computes on, set up so that numbers do not depend on it."""

from __future__ import annotations

import re

from facesr_bench.base.errors import FaceSRBenchError

PRECISIONS = ("fp32", "bf16")
"""What networks may compute in; the first unless said otherwise."""


def check_device(wanted: str) -> None:
    """Refuse what names no device, without asking torch.

    Raises:
        FaceSRBenchError: says what it must be.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", wanted):
        raise FaceSRBenchError(f"device {wanted!r}: it must be auto, cpu, cuda, or cuda:N")


def find_device(wanted: str) -> str:
    """The device that `wanted` means, for torch.

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
            raise FaceSRBenchError(f"device {wanted}: torch sees {there} CUDA device(s) here; use --device cpu")
    return wanted


def torch_device(wanted: str) -> str:
    """`find_device`, with torch set up so that a number does not depend on the device.

    Raises:
        FaceSRBenchError: it names no device, or one that torch can't use here.
    """
    device = find_device(wanted)
    import torch

    # tf32 keeps only 10 bits of each factor.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return device
