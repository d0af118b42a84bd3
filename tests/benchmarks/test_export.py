"""What an exported file gains: onnxruntime against the torch path of the same network, one thread each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.evaluation.export import opened, to_onnx

pytest.importorskip("onnxscript")


def test_exported_sparnet_is_no_slower_than_torch(benchmark: Any, tmp_path: Path) -> None:
    """Processor time of one 128 px face, the least of some rounds in turns: 1.2 to 1.4 times as fast where measured."""
    path = to_onnx(opened("sparnet", 8), tmp_path / "sparnet.onnx").path
    timing: Any = import_module("facesr_bench.evaluation.export.compare")
    ratios: list[float] = []

    def measure() -> float:
        torch_seconds, onnx_seconds = timing._seconds(["sparnet", f"onnx:{path}"], 8)
        ratios.append(torch_seconds / onnx_seconds)
        return ratios[-1]

    benchmark.pedantic(measure, rounds=2)
    benchmark.extra_info["torch / onnxruntime"] = ratios
    assert max(ratios) > 1.0, ratios
