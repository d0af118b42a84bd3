"""Where random numbers of a method begin: at a seed of the image's own, whatever ran before it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from facesr_bench.plugins.cards import MethodCard


def image_seed(card: MethodCard, protocol: str, image_id: str) -> int:
    """0..2**64 - 1, of the names and the card's `seed` alone: never of order, subset, worker or batch.

    Not the seed of the image's degradation: a method must not draw the very noise that its input has.
    """
    parts = ("method", str(card.seed or 0), protocol, image_id)
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big")


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """The generators of torch (of `device` too), numpy and Python begin at a seed; afterwards they are as before."""
    import torch

    before, numpy_before = random.getstate(), np.random.get_state()
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(before)
            np.random.set_state(numpy_before)
