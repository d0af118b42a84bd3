"""The losses between two lines of the log, and whether training still goes where it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from facesr_bench.base.errors import TrainingError
from facesr_bench.training.parallel import Processes


class DivergedError(TrainingError):
    """A loss that is not finite, or far above where it was."""


class Watch:
    """Takes the losses of each step.

    Args:
        pixel: the name of the pixel loss among the terms.
        divergence: how many times its lowest it may be; 0: anything.
    """

    def __init__(self, pixel: str, divergence: float, processes: Processes) -> None:
        self._pixel, self._divergence, self._processes = pixel, divergence, processes
        # Of the pixel loss: the mean of the first log interval, and the lowest of any.
        self._first: float | None = None
        self._lowest: float | None = None
        self._losses: dict[str, list[float]] = {}  # since the last line of the log
        self._pending: list[dict[str, Tensor]] = []  # not yet fetched from the device

    def add(self, terms: dict[str, Tensor]) -> None:
        """Take the losses of one step, without looking at them."""
        self._pending.append(terms)

    def fetch(self, step: int) -> None:
        """Bring the losses since the last time from the device, averaged over the processes.

        Args:
            step: steps done.

        Raises:
            DivergedError: one is not finite.
        """
        if not self._pending:
            return
        names = list(self._pending[0])
        table = torch.stack([torch.stack([terms[name].float() for name in names]) for terms in self._pending])
        rows = self._processes.mean(table).tolist()
        first_step = step - len(rows) + 1
        self._pending.clear()
        for i, row in enumerate(rows):
            for name, value in zip(names, row, strict=True):
                if not np.isfinite(value):
                    raise DivergedError(f"step {first_step + i}: the loss {name!r} is {value}")
                self._losses.setdefault(name, []).append(value)

    def close_interval(self, step: int) -> dict[str, float]:
        """The mean of each loss since the last line of the log.

        Raises:
            DivergedError: the pixel loss is far above where it was.
        """
        means = {name: float(np.mean(values)) for name, values in self._losses.items()}
        self._losses.clear()
        if (now := means.get(self._pixel)) is not None:
            self._first = now if self._first is None else self._first
            self._lowest = now if self._lowest is None else min(now, self._lowest)
            if self._divergence and now > self._first and now > self._divergence * self._lowest:
                raise DivergedError(
                    f"step {step}: the loss {self._pixel!r} has diverged: {now:.4g}, after "
                    f"{self._lowest:.4g} at its lowest (--set divergence=0 lets it go on)"
                )
        return means

    def state(self) -> dict[str, Any]:
        """What a resumed training must know of it."""
        return {"first": self._first, "lowest": self._lowest, "losses": self._losses}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave, as part of a whole training's."""
        self._first, self._lowest = state.get("first"), state.get("lowest")
        self._losses = {name: list(values) for name, values in state.get("losses", {}).items()}
