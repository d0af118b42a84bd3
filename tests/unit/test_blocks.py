"""A job in blocks for workers elsewhere: told in its own order, done again where a worker is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facesr_bench.evaluation.executors.blocks import LEAST, TRIES, Block, Blocks
from facesr_bench.evaluation.job import Job
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.results.image_record import ImageRecord


class Told:
    """A sink that keeps what it is told, as one line each."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def tell(job: Job, *arguments: Any) -> None:
            words = [each.id if isinstance(each, ImageRecord) else each for each in arguments]
            if name == "image" and arguments[0].error:
                words.append(arguments[0].error)
            self.lines.append(" ".join(str(word) for word in (name, job.method, *words) if word is not None))

        return tell


def job(method: str, count: int, attended: int = 0) -> Job:
    todo = tuple((f"{i}", "run") for i in range(count))
    request = RunRequest((method,), ("demo-x8",), workers=3)
    return Job(request, "demo-x8", method, None, Path(method), todo, frozenset(f"{i}" for i in range(attended)))


def images(blocks: Blocks, block: Block, count: int | None = None) -> None:
    """A worker does some images of a block, or all."""
    for image_id, _ in block.job.todo[:count]:
        blocks.hear(block, "image", (ImageRecord(image_id), None))


def take(blocks: Blocks, worker: object) -> Block:
    block = blocks.take(worker)
    assert block is not None
    return block


def test_a_job_is_told_in_its_own_order_whoever_is_done_first() -> None:
    told: Any = Told()
    blocks = Blocks([job("a", 10)], told, 2)
    first, second = take(blocks, 1), take(blocks, 2)
    for block in (second, first):
        for name, arguments in (("started", ()), ("facts", ("same",))):
            blocks.hear(block, name, arguments)
    images(blocks, second)
    blocks.finish(second)
    assert told.lines == ["started a", "facts a same"]
    images(blocks, first)
    blocks.finish(first)
    third = take(blocks, 1)
    images(blocks, third)
    assert not blocks.done
    blocks.finish(third)
    assert blocks.done and blocks.take(1) is None
    assert told.lines[2:] == [f"image a {i}" for i in range(10)]


def test_a_worker_gets_the_images_that_it_knows() -> None:
    told: Any = Told()
    blocks = Blocks([job("a", 12), job("b", 12)], told, 1)
    mine, yours = take(blocks, 1), take(blocks, 2)
    assert take(blocks, 3).first not in {mine.first, yours.first}
    assert [take(blocks, worker).first for worker in (2, 1)] == [yours.first, mine.first]
    assert take(blocks, 1).job.method == "b", "the last of them, though another knows it: nobody waits"
    assert blocks.take(1) is None


def test_images_whose_attention_is_kept_are_one_workers() -> None:
    told: Any = Told()
    assert len(take(Blocks([job("a", 100, attended=30)], told, 8), 1).job.todo) == 30


def test_a_lost_block_is_done_again_without_what_was_heard_and_then_has_failed() -> None:
    told: Any = Told()
    blocks = Blocks([job("a", LEAST)], told, 1)
    for loss in range(TRIES):
        block = take(blocks, loss)
        assert len(block.job.todo) == LEAST - loss
        images(blocks, block, 1)
        blocks.lose(block, loss, "it died")
    assert blocks.done
    assert told.lines == ["started a", "image a 0", "image a 1", "image a 2", "image a 3 it died, 3 times"]


def test_a_method_that_can_not_be_loaded_is_told_once_and_its_other_blocks_are_left() -> None:
    told: Any = Told()
    blocks = Blocks([job("a", 12), job("b", 4)], told, 1)
    first, second = take(blocks, 1), take(blocks, 2)
    blocks.hear(second, "failed", ("no weights", None))
    blocks.hear(first, "failed", ("no weights", None))
    blocks.finish(first)
    blocks.lose(second, 2, "it died")
    assert told.lines == ["started a", "failed a no weights"]
    assert take(blocks, 1).job.method == "b"


def test_a_method_that_can_not_be_loaded_again_has_failed_images() -> None:
    told: Any = Told()
    blocks = Blocks([job("a", 5)], told, 1)
    first, second = take(blocks, 1), take(blocks, 2)
    images(blocks, first)
    blocks.finish(first)
    blocks.hear(second, "failed", ("no memory", None))
    blocks.finish(second)
    assert blocks.done and told.lines[-1] == "image a 4 no memory"
