"""A method that draws random numbers: each image's begin at a seed of its own, whatever else is computed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from facesr_bench.base.errors import CardError
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.predict import upscale
from facesr_bench.evaluation.scorer import Prepared
from facesr_bench.evaluation.seeding import image_seed, seeded
from facesr_bench.plugins.cards import MethodCard, validate
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method
from facesr_bench.plugins.sample import Sample


def card(**fields: Any) -> MethodCard:
    said = {"schema_version": 1, "kind": "method", "name": "noisy", "title": "", "summary": "", "input": "lr"}
    return MethodCard.model_validate({**said, "licence": "", "deterministic": False, "seed": 0, **fields})


class Noisy(MethodBase):
    """Draws from all three generators."""

    def upscale(self, lr: torch.Tensor) -> torch.Tensor:
        drawn = torch.rand_like(lr) / 3 + np.random.rand() / 3 + random.random() / 3
        return torch.as_tensor(drawn, dtype=torch.float32)


def loaded(image_id: str) -> Loaded:
    return Loaded(image_id, Prepared(Sample(image_id, np.zeros((4, 4, 3), np.uint8))))


def pictures(ids: Sequence[str], protocol: str = "p", **fields: Any) -> list[NDArray[np.float32]]:
    noisy = make_method(Noisy, MethodContext(card(**fields), scale=1))
    outputs = upscale(noisy, [loaded(i) for i in ids], protocol)
    assert all(output.sr is not None for output in outputs)
    return [output.sr for output in outputs if output.sr is not None]


def test_an_image_gets_the_same_bits_in_any_batch_order_and_company() -> None:
    together = pictures(["a", "b", "c"])
    torch.rand(7)
    alone = [pictures([image_id])[0] for image_id in ("c", "a", "b")]
    assert all(np.array_equal(x, y) for x, y in zip(together, [alone[1], alone[2], alone[0]], strict=True))


def test_no_two_images_protocols_or_seeds_share_their_noise() -> None:
    drawn = [*pictures(["a", "b"]), *pictures(["a"], "q"), *pictures(["a"], seed=1)]
    assert len({array.tobytes() for array in drawn}) == 4


def test_others_draw_as_if_nothing_had_been_drawn() -> None:
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    expected = float(torch.rand(1)), float(np.random.rand()), random.random()
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    with seeded(image_seed(card(), "p", "a"), "cpu"):
        torch.rand(5)
        np.random.rand(5)
        random.random()
    assert (float(torch.rand(1)), float(np.random.rand()), random.random()) == expected


def test_a_card_that_draws_must_name_its_seed(tmp_path: Any) -> None:
    with pytest.raises(CardError, match="needs a seed, such as seed = 0"):
        validate(MethodCard, {**card().model_dump(), "seed": None}, tmp_path / "card.toml")
