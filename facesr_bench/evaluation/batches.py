"""Samples in batches: how many pictures a method gets at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice

from facesr_bench.evaluation.inputs import Loaded

BATCH_PIXELS = 2**24
"""What the outputs of one batch may have in all: 16 of 1024 x 1024; a larger picture is a batch of its own."""
ON_CPU, ON_GPU = 8, 16
"""Images of a batch, unless the user says how many."""


def batches(
    read: Callable[[str], Future[Loaded]],
    ids: Sequence[str],
    size: int,
    scale: int,
    ahead: int,
    first_alone: bool = True,
) -> Iterator[list[Loaded]]:
    """Prepared samples in batches of at most `size` and `BATCH_PIXELS`, read `ahead` batches early and never more.

    How large a picture is, nobody knows before it is read: those to come are taken to be as large as the largest so
    far. So the first one is read alone.

    Args:
        first_alone: it is a batch of its own too: whoever waits sees soon that the method works. Not for a method
            that starts anew for every batch.
    """
    coming, waiting, batch = iter(ids), deque[Future[Loaded]](), list[Loaded]()
    fits, largest, first = 1, 0, first_alone
    while True:
        waiting.extend(
            read(image_id) for image_id in islice(coming, max(0, fits * (ahead + 1) - len(batch) - len(waiting)))
        )
        if not waiting:
            break
        loaded = waiting.popleft().result()
        largest = max(largest, 1 if loaded.error is not None else loaded.sample.lr[..., 0].size * scale**2)
        fits = max(1, min(size, BATCH_PIXELS // largest))
        if len(batch) >= fits:  # this one is larger than those before it
            yield batch
            batch = []
        batch.append(loaded)
        if first or len(batch) == fits:
            yield batch
            batch, first = [], False
    if batch:
        yield batch


def with_next(found: Iterable[list[Loaded]]) -> Iterator[tuple[list[Loaded], list[Loaded]]]:
    """Each batch, and the one behind it, which is empty behind the last."""
    before: list[Loaded] | None = None
    for batch in found:
        if before is not None:
            yield before, batch
        before = batch
    if before is not None:
        yield before, []
