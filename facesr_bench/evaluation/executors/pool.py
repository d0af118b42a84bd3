"""Workers elsewhere that do blocks of jobs: who is free, who is lost, and what they say, whatever they are."""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.stages import active
from facesr_bench.evaluation.executors.blocks import TRIES, Block, Blocks
from facesr_bench.evaluation.job import Job

GRACE = 10.0
"""Seconds for a worker to end whose work is done, or whose answers have ended."""

Heard = queue.Queue[tuple["Member", "tuple[str, tuple[Any, ...]] | None"]]
"""Who says what; None: its answers have ended."""


class Member(ABC):
    """One worker. What it says comes into the queue that it was made with: `ready` first, then what `serving` says of
    each block, and None at its end.
    """

    @abstractmethod
    def send(self, job: Job) -> None:
        """Give it something to do."""

    @abstractmethod
    def close(self) -> None:
        """Say that there is nothing more to do."""

    @abstractmethod
    def end(self, grace: float) -> str:
        """End it with all that it has started; says how it ended, in words behind `the worker`.

        Args:
            grace: seconds for it to end by itself.
        """


class Pool:
    """The workers of one run.

    Args:
        start: makes one more worker.
        what: they are, in words.
    """

    def __init__(self, blocks: Blocks, start: Callable[[Heard], Member], what: str) -> None:
        self._blocks, self._start, self._what = blocks, start, what
        self._heard: Heard = queue.Queue()
        self._running: dict[Member, Block | None] = {}
        self._ready: set[Member] = set()
        self._stillborn = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """None of them is left, whatever happened."""
        for member in self._running:
            member.close()
        for member in self._running:
            member.end(GRACE if kind is None and member in self._ready else 0)

    def work(self, workers: int) -> None:
        """Have all blocks done.

        Raises:
            FaceSRBenchError: no worker can be started, or a job can't be begun.
            ResultsError: a result can't be written.
        """
        for _ in range(min(workers, self._blocks.count)):
            self._start_one()
        while not self._blocks.done:
            self._hear(*self._heard.get())

    def _start_one(self) -> None:
        self._running[self._start(self._heard)] = None

    def _hear(self, member: Member, said: tuple[str, tuple[Any, ...]] | None) -> None:
        if said is None:
            self._lost(member)
            return
        (name, arguments), block = said, self._running.get(member)
        if name == "ready":
            self._stillborn = 0
            self._ready.add(member)
            self._give_all()
        elif name == "raised":
            of_results, message = arguments
            raise ResultsError(message) if of_results else FaceSRBenchError(message)
        elif name == "broken":
            raise RuntimeError(f"in {self._what}:\n{arguments[0]}")
        elif name == "done":
            if (stages := active()) is not None:
                stages.add_all(arguments[0])
            if block is not None:
                self._blocks.finish(block)
            self._running[member] = None
            self._give_all()
        elif block is not None:
            self._blocks.hear(block, name, arguments)

    def _give_all(self) -> None:
        """Everybody who has nothing to do gets something: a block that was lost may have come back."""
        for member in [member for member, block in self._running.items() if block is None and member in self._ready]:
            if (block := self._blocks.take(member)) is None:
                return
            self._running[member] = block
            member.send(block.job)

    def _lost(self, member: Member) -> None:
        """A worker has ended though it was not to: another takes its place, and its block is done again."""
        block, how = self._running.pop(member, None), member.end(GRACE)
        self._ready.discard(member)
        self._stillborn += 1
        if self._stillborn > TRIES * max(1, len(self._running)):
            raise FaceSRBenchError(f"{self._what} can't be started: one {how}")
        if block is not None:
            self._blocks.lose(block, member, f"the worker that had it {how}")
        self._give_all()  # whoever has nothing to do is there sooner than the next
        if self._blocks.count:
            self._start_one()
