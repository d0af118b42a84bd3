"""The learning rate of a step."""

from __future__ import annotations

from math import cos, pi

from facesr_bench.training.config import ScheduleSettings


def learning_rate(base: float, step: int, steps: int | None, settings: ScheduleSettings) -> float:
    """`base` after warm-up and decay.

    Args:
        step: steps done before this one.
        steps: in all; needed for every schedule but the constant one.
    """
    rate = base * min(1.0, (step + 1) / max(1, settings.warmup))
    if settings.schedule == "constant":
        return rate
    assert steps is not None  # the trainer has seen to it
    left = min(1.0, (steps - step) / max(1, int(steps * settings.decay)))
    return rate * (left if settings.schedule == "linear" else 0.5 * (1 - cos(pi * left)))
