"""Two results and a bundle of one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import facesr_bench
from facesr_bench.cli import main
from tests.bundle_tools import (
    METRICS,
)


@pytest.fixture(scope="package")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods on the faces that ship with our dependencies."""
    root = tmp_path_factory.mktemp("sender") / "results"
    facesr_bench.run(["bicubic", "nearest"], ["demo-x8"], metrics=METRICS, out=root)
    return root


@pytest.fixture(scope="package")
def bundle(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bicubic's result, packed."""
    path = tmp_path_factory.mktemp("bundle") / "bicubic.tar"
    assert main(["bundle", str(results / "demo-x8/bicubic"), "--out", str(path)]) == 0
    return path
