"""When to stop: the clock of one start, and the signals that ask for an end."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any


class Clock:
    """Times the steps of one start, without what is done between them.

    Args:
        step: where it starts.
        minutes: the time limit; None for no limit.

    Attributes:
        start: the step where it starts.
    """

    def __init__(self, step: int, minutes: float | None) -> None:
        self._deadline = time.monotonic() + 60 * minutes if minutes is not None else None
        self.start, self._mark_step = step, step
        self._mark = time.perf_counter()
        self._spent = 0.0

    @property
    def late(self) -> bool:
        """Whether the time that this start may take is over."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def lap(self, step: int) -> tuple[float, int]:
        """(seconds, steps) since the last `go_on`."""
        seconds, steps = time.perf_counter() - self._mark, step - self._mark_step
        self._spent += seconds
        self._mark_step = step
        return seconds, steps

    def go_on(self) -> None:
        """Begin a lap now: what happened since the last one is not of the training."""
        self._mark = time.perf_counter()

    def seconds_left(self, step: int, steps: int | None) -> float | None:
        """Until the end, by what steps have taken so far; None where no end is known."""
        ends = []
        if steps is not None:
            ends.append((steps - step) * self._spent / max(1, step - self.start))
        if self._deadline is not None:
            ends.append(max(0.0, self._deadline - time.monotonic()))
        return min(ends, default=None)


class Signals:
    """Takes SIGINT and SIGTERM until the step is done, so that what is saved is whole; a second SIGINT ends at once.

    Attributes:
        received: the signal's number, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if in_main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number


def in_main_thread() -> bool:
    """Whether this thread may set handlers of signals."""
    return threading.current_thread() is threading.main_thread()
