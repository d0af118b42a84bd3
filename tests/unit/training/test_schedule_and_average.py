"""The learning rate of a step, and the moving average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import spectral_norm

from facesr_bench.training import ema
from facesr_bench.training.config import ScheduleSettings
from facesr_bench.training.schedule import learning_rate

LINEAR = ScheduleSettings(warmup=4, schedule="linear", decay=0.5)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (10, 1.0), (11, 0.9), (15, 0.5), (19, 0.1)],
)
def test_linear_after_warm_up(step: int, expected: float) -> None:
    assert learning_rate(2.0, step, 20, LINEAR) == pytest.approx(2 * expected)


@pytest.mark.parametrize(("step", "expected"), [(0, 0.25), (10, 1.0), (15, 0.5), (20, 0.0)])
def test_cosine_after_warm_up(step: int, expected: float) -> None:
    settings = LINEAR.model_copy(update={"schedule": "cosine"})
    assert learning_rate(2.0, step, 20, settings) == pytest.approx(2 * expected)


def test_constant_needs_no_end() -> None:
    settings = ScheduleSettings()
    assert learning_rate(2e-4, 10**6, None, settings) == 2e-4


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.conv = spectral_norm(nn.Conv2d(1, 2, 1))


def test_average_of_weights_and_statistics_copy_of_the_rest() -> None:
    torch.manual_seed(0)
    average, network = Network(), Network()
    with torch.no_grad():
        network.norm.weight.fill_(3.0)
        network.norm.running_mean.fill_(10.0)  # type: ignore[union-attr]
        network.norm.num_batches_tracked.fill_(7)  # type: ignore[union-attr]
    ema.update(average, network, 0.75, step=1000)
    state = average.state_dict()
    assert state["norm.weight"].item() == pytest.approx(0.75 * 1 + 0.25 * 3)
    assert state["norm.running_mean"].item() == pytest.approx(2.5)
    assert state["norm.num_batches_tracked"].item() == 7
    assert torch.equal(state["conv.weight_u"], network.state_dict()["conv.weight_u"])


def test_the_first_steps_count_for_more_and_no_decay_is_a_copy() -> None:
    average, network = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.zeros_(average.weight)
    nn.init.ones_(network.weight)
    ema.update(average, network, 0.999, step=1)
    assert average.weight.item() == pytest.approx(1 - 2 / 11)
    ema.update(average, network, 0.0, step=5)
    assert torch.equal(average.weight, network.weight)
