"""Batches go by pixels: the first picture is alone, ordinary ones fill them by count, larger ones are alone too."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from facesr_bench.evaluation.batches import BATCH_PIXELS, batches
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.scorer import Prepared
from facesr_bench.plugins.sample import Sample

LARGE = int(BATCH_PIXELS**0.5) // 8
"""The side of an LR picture whose output, x8, is a batch of its own."""


class _Reader:
    """Reads LR pictures of given sides (None: unreadable), and knows how many are read and not yet handed out."""

    def __init__(self, sides: list[int | None]) -> None:
        self.sides, self.begun = sides, 0

    def __call__(self, image_id: str) -> Future[Loaded]:
        self.begun += 1
        side, future = self.sides[int(image_id)], Future[Loaded]()
        if side is None:
            future.set_result(Loaded(image_id, error="unreadable"))
        else:  # one byte, seen as many
            lr = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (side, side, 3))
            future.set_result(Loaded(image_id, Prepared(Sample(image_id, lr))))
        return future


@pytest.mark.parametrize(
    ("sides", "sizes"),
    [
        ([16] * 19, [1, 8, 8, 2]),
        ([None] * 9, [1, 8]),
        ([LARGE] * 3, [1, 1, 1]),
        ([16] * 3 + [LARGE] + [16] * 2, [1, 2, 1, 1, 1]),
        ([LARGE // 2] * 5, [1, 4]),
        ([], []),
    ],
)
@pytest.mark.parametrize("ahead", [0, 2])
def test_every_picture_is_in_one_batch_in_order(sides: list[int | None], sizes: list[int], ahead: int) -> None:
    reader = _Reader(sides)
    seen: list[str] = []
    found = []
    for batch in batches(reader, [str(i) for i in range(len(sides))], 8, 8, ahead):
        found.append(len(batch))
        seen += [loaded.id for loaded in batch]
        assert reader.begun - len(seen) <= 8 * max(1, ahead)
    assert (found, seen) == (sizes, [str(i) for i in range(len(sides))])


def test_a_method_that_starts_for_every_batch_does_not_start_for_the_first_picture_alone() -> None:
    found = batches(_Reader([16] * 11), [str(i) for i in range(11)], 8, 8, 0, first_alone=False)
    assert [len(batch) for batch in found] == [8, 3]


def test_large_pictures_are_never_read_before_the_one_in_work_is_done() -> None:
    reader = _Reader([LARGE] * 4)
    for number, _ in enumerate(batches(reader, list("0123"), 8, 8, 0), 1):
        assert reader.begun == number
