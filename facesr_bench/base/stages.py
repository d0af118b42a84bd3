"""Where the time of a run goes: seconds by stage, from timers in the code that does the work.

    with measured() as stages:
        with stage("decode"): ...     # anywhere below, in any thread
    stages.seconds

Outside of `measured` a stage costs one look at a variable. A stage inside another counts for itself alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType


@dataclass
class Stages:
    """What was measured, by the stage's name; of threads that work side by side, the sum.

    Attributes:
        seconds: in the order in which the stages were first left.
        calls: how often each was entered.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, name: str, seconds: float, calls: int = 1) -> None:
        """Add what was measured, here or in another process."""
        with self._lock:
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self.calls[name] = self.calls.get(name, 0) + calls

    def add_all(self, found: Mapping[str, tuple[float, int]]) -> None:
        """Add what `take` gave of another process."""
        for name, (seconds, calls) in found.items():
            self.add(name, seconds, calls)

    def take(self) -> dict[str, tuple[float, int]]:
        """Seconds and calls of each stage since this was last asked, as plain data."""
        with self._lock:
            found = {name: (seconds, self.calls[name]) for name, seconds in self.seconds.items()}
            self.seconds.clear()
            self.calls.clear()
        return found


class _Active:
    stages: Stages | None = None


class _Inner(threading.local):
    """The stage that this thread is in."""

    timer: _Timer | None = None


_OFF = nullcontext()
_inner = _Inner()


class _Timer:
    def __init__(self, stages: Stages, name: str) -> None:
        self._stages, self._name = stages, name
        self._within = 0.0

    def __enter__(self) -> None:
        self._outer, _inner.timer = _inner.timer, self
        self._begun = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        passed = time.perf_counter() - self._begun
        _inner.timer = self._outer
        if self._outer is not None:
            self._outer._within += passed
        self._stages.add(self._name, passed - self._within)


def stage(name: str) -> AbstractContextManager[None]:
    """A block whose time is of the stage `name`, where somebody measures."""
    return _OFF if _Active.stages is None else _Timer(_Active.stages, name)


def active() -> Stages | None:
    """What is being measured now; None where nobody asked for it."""
    return _Active.stages


@contextmanager
def measured(wanted: bool = True) -> Iterator[Stages]:
    """Inside, the stages of this process are measured, if they are wanted."""
    before, stages = _Active.stages, Stages()
    _Active.stages = stages if wanted else before
    try:
        yield stages
    finally:
        _Active.stages = before
