"""Jobs cut into blocks of images for workers elsewhere: who does which, what is told in which order, what is lost.

A block that its worker could not end is done again, twice; then its images have failed. What was heard of a block
before counts: its files are written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from facesr_bench.evaluation.job import Job, Sink
from facesr_bench.evaluation.worker import Event
from facesr_bench.results.image_record import ImageRecord

LEAST, MOST = 4, 64
"""Images of a block: small ones share the work evenly, and little is lost with one; each costs some messages."""
TRIES = 3


@dataclass
class Block:
    """Some images of a job, in their order.

    Attributes:
        job: with the images of which nothing was heard yet.
        work: what it is a part of.
        tries: how many workers were lost on it.
        heard: events that wait for those of earlier blocks.
    """

    job: Job
    work: _Work
    first: str
    tries: int = 0
    heard: deque[Event] = field(default_factory=deque)
    finished: bool = False


@dataclass
class _Work:
    """One job, cut."""

    job: Job
    waiting: list[Block] = field(default_factory=list)
    untold: deque[Block] = field(default_factory=deque)
    facts: Any = None
    started: bool = False
    images: int = 0
    cancelled: bool = False


class Blocks:
    """All jobs of an executor in blocks.

    Args:
        sink: hears of each job in its own order, as if it had been done in one piece.
        workers: how many are to share the work.
    """

    def __init__(self, jobs: Sequence[Job], sink: Sink, workers: int) -> None:
        self._sink = sink
        self._works = [_cut(job, workers) for job in jobs]
        self._owners: dict[str, object] = {}

    @property
    def count(self) -> int:
        """Blocks that nobody has begun."""
        return sum(len(work.waiting) for work in self._works)

    @property
    def done(self) -> bool:
        """Whether everything was told."""
        return not any(work.untold for work in self._works)

    def take(self, worker: object) -> Block | None:
        """What a worker is to do next, of the earliest job that has something left: if it can be, images whose ground
        truth it knows already, or nobody does.
        """
        work = next((work for work in self._works if work.waiting), None)
        if work is None:
            return None
        owners = [self._owners.get(block.first) for block in work.waiting]
        place = next((i for i, owner in enumerate(owners) if owner is worker), None)
        if place is None:
            place = next((i for i, owner in enumerate(owners) if owner is None), 0)
        block = work.waiting.pop(place)
        self._owners.setdefault(block.first, worker)
        return block

    def hear(self, block: Block, name: str, arguments: tuple[Any, ...]) -> None:
        """Something happened with a block.

        Raises:
            ResultsError: it can't be written.
        """
        if block.work.cancelled:
            return
        if name == "image":
            heard: ImageRecord = arguments[0]
            block.job = replace(block.job, todo=tuple(one for one in block.job.todo if one[0] != heard.id))
        block.heard.append((name, arguments))
        self._tell(block.work)

    def finish(self, block: Block) -> None:
        """A worker is done with a block."""
        block.finished = True
        self._tell(block.work)

    def lose(self, block: Block, worker: object, why: str) -> None:
        """A worker was lost with a block."""
        for first in [first for first, owner in self._owners.items() if owner is worker]:
            del self._owners[first]
        if block.work.cancelled:
            return
        block.tries += 1
        if block.tries < TRIES and block.job.todo:
            block.work.waiting.insert(0, block)
            return
        for image_id, _ in block.job.todo:
            self.hear(block, "image", (ImageRecord(image_id, error=f"{why}, {TRIES} times"), None))
        self.finish(block)

    def _tell(self, work: _Work) -> None:
        """What comes next of a job, as far as it was heard."""
        while work.untold:
            block = work.untold[0]
            while block.heard:
                self._tell_one(work, block, *block.heard.popleft())
            if not block.finished or not work.untold:
                return
            work.untold.popleft()

    def _tell_one(self, work: _Work, block: Block, name: str, arguments: tuple[Any, ...]) -> None:
        if not work.started:
            work.started = True
            self._sink.started(work.job)
        if name == "started" or (name == "facts" and work.facts == arguments):
            return  # every block says so
        if name == "failed":
            self._tell_of_failure(work, block, *arguments)
            return
        if name == "facts":
            work.facts = arguments
        work.images += name == "image"
        getattr(self._sink, name)(work.job, *arguments)

    def _tell_of_failure(self, work: _Work, block: Block, message: str, details: str | None) -> None:
        """A method that can't be loaded has no result; one that could be before has some failed images."""
        if not work.images:
            work.cancelled = True
            work.waiting.clear()
            work.untold.clear()
            self._sink.failed(work.job, message, details)
            return
        for image_id, _ in block.job.todo:
            work.images += 1
            self._sink.image(work.job, ImageRecord(image_id, error=message), None)
        block.job = replace(block.job, todo=())


def _cut(job: Job, workers: int) -> _Work:
    """A job in blocks. The images whose attention maps are kept stay together: their mean has one writer."""
    size = min(MOST, max(LEAST, -(-len(job.todo) // (4 * workers))))
    together = sum(image_id in job.attended for image_id, _ in job.todo)
    work, start = _Work(job), 0
    while start < len(job.todo):
        end = start + (max(size, together) if start == 0 else size)
        todo = job.todo[start:end]
        # Every worker has one core: what a job does side by side there is done in turns.
        part = replace(job, todo=todo, request=replace(job.request, workers=1))
        work.waiting.append(Block(part, work, todo[0][0]))
        start = end
    work.untold.extend(work.waiting)
    return work
