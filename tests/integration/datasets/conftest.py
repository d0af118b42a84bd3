"""An empty machine, and three faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.data import protocols, sources
from facesr_bench.images.files import Image8
from facesr_bench.plugins import registry


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data is configured, whoever runs the tests."""
    for name in (*protocols.protocol_names(), *registry.datasets().names()):
        monkeypatch.delenv(sources.variable_of(name), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))


@pytest.fixture
def faces(astronaut: NDArray[np.uint8]) -> list[Image8]:
    """Three different 128x128 views of a real face."""
    return [np.ascontiguousarray(astronaut[20 + i : 148 + i, 30:158][:, :: (-1) ** i]) for i in range(3)]
