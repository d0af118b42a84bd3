"""Every training here is one of a tiny network, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.training_runs import CARD, METHOD, NETWORK, RECIPE, MakeTiny


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that tests start: sums are the same, bit for bit, for one number of threads only."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def somewhere_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FACESR_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(pictures: Path) -> Path:
    return pictures


@pytest.fixture
def tiny(tmp_path: Path) -> MakeTiny:
    """Writes a method's folder that can be trained in seconds; gives its path."""

    def make(objective: str = "pixel", degradation: str = "bicubic", norm: str = "BatchNorm2d") -> str:
        folder = tmp_path / "methods" / f"tiny_{objective}_{degradation}_{norm}"
        (folder / "training").mkdir(parents=True)
        more = "perceptual = 0\nd_layers = 2\nd_channels = 4" if objective == "adversarial" else ""
        recipe = RECIPE.format(objective=objective, degradation=degradation, more=more)
        (folder / "training" / "recipe.toml").write_text(recipe)
        (folder / "card.toml").write_text(CARD)
        (folder / "network.py").write_text(NETWORK.format(norm=norm))
        (folder / "method.py").write_text(METHOD)
        return str(folder)

    return make
