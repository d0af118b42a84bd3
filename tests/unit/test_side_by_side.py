"""Small pictures go through a network side by side, each by one thread: the same bits whatever their number."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facesr_bench import load_method
from facesr_bench.evaluation import side_by_side
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.method import MethodBase, MethodContext

CARD: dict[str, Any] = {
    "schema_version": 1,
    "kind": "method",
    "name": "toy",
    "title": "Toy",
    "summary": "A convolution.",
}
CARD |= {"input": "bicubic", "licence": "MIT", "exportable": True}


class Toy(MethodBase):
    """Remembers what it was asked: pictures and threads of torch in each call, and by which thread."""

    def __init__(self, network: nn.Module | None = None, **card: Any) -> None:
        super().__init__(MethodContext(MethodCard.model_validate(CARD | card), 8))
        self.network = network
        self.calls: list[tuple[int, int]] = []
        self.by: set[int] = set()

    def upscale(self, lr: Tensor) -> Tensor:
        self.calls.append((len(lr), torch.get_num_threads()))
        self.by.add(threading.get_ident())
        if float(lr[0, 0, 0, 0]) == 9:
            raise ValueError("nine")
        return lr * 2


@pytest.fixture(autouse=True)
def _two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2, "the caller's threads are as they were"
    torch.set_num_threads(before)


def test_small_pictures_are_computed_alone_by_one_thread_each() -> None:
    toy, batch = Toy(nn.Identity()), torch.arange(5.0)[:, None, None, None].expand(5, 3, 128, 128)
    assert torch.equal(side_by_side.upscale(toy, batch), batch * 2)
    assert toy.calls == [(1, 1)] * 5
    assert threading.get_ident() not in toy.by


@pytest.mark.parametrize(
    ("toy", "side"),
    [
        (Toy(nn.Identity()), 512),
        (Toy(nn.Identity(), input="lr"), 64),  # 512 px at x8
        (Toy(nn.Identity(), exportable=False), 128),
        (Toy(nn.Identity(), deterministic=False, seed=0), 128),
        (Toy(), 128),  # an exported network, in a runtime that is not torch
    ],
    ids=["large", "large output", "not said to be pure", "random", "another runtime"],
)
def test_any_other_batch_is_left_whole(toy: Toy, side: int) -> None:
    side_by_side.upscale(toy, torch.zeros(2, 3, side, side))
    assert toy.calls == [(2, 2)]
    assert toy.by == {threading.get_ident()}


def test_what_a_method_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="nine"):
        side_by_side.upscale(Toy(nn.Identity()), torch.full((3, 3, 8, 8), 9.0))


def test_sparnet_gives_the_same_bits_in_any_batch_and_with_any_number_of_threads() -> None:
    method = load_method("sparnet")
    batch = torch.rand(4, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    torch.set_num_threads(1)
    expected = method.upscale(batch)
    for threads in (3, 1, 2):
        torch.set_num_threads(threads)
        assert torch.equal(side_by_side.upscale(method, batch), expected)
        assert torch.equal(side_by_side.upscale(method, batch[2:3]), expected[2:3])
