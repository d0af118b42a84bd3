"""What `run --backend` gains: onnxruntime and OpenVINO against torch on the same network, in turns, one thread each.

python -m pytest tests/benchmarks/test_backends.py -s
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facesr_bench.evaluation.backend import through_door
from facesr_bench.evaluation.export import opened, to_onnx
from facesr_bench.plugins.method import MethodBase

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

ROUNDS = 9
WAYS = {
    "onnxruntime": ("onnxruntime", "fp32"),
    "openvino": ("openvino", "fp32"),
    "openvino, bf16": ("openvino", "bf16"),
}
LEAST = {"onnxruntime": 0.9, "openvino": 1.0}
"""What each must reach; 1.1 to 1.4 and 1.3 to 1.8 where measured. bf16 gains only where the processor has it."""


def seconds(methods: dict[str, MethodBase]) -> dict[str, float]:
    """Processor seconds of one 128 px face, the least of some rounds in turns."""
    lr = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    least = dict.fromkeys(methods, float("inf"))
    for _ in range(ROUNDS):
        for name, method in methods.items():
            given = method.batch([method.given(lr)])
            begun = time.process_time()
            method.upscale(given)
            least[name] = min(least[name], time.process_time() - begun)
    return least


def test_the_runtimes_are_no_slower_than_torch(benchmark: Any, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        source = opened("sparnet", 8)
        methods = {"torch": source.method}
        for name, (runtime, precision) in WAYS.items():
            path = tmp_path / f"{runtime}.onnx"
            if not path.is_file():
                to_onnx(source, path, runtime)  # type: ignore[arg-type]
            methods[name] = through_door(path, replace(source.method.context, precision=precision))
            methods[name].load()
        found = benchmark.pedantic(lambda: seconds(methods), rounds=1)
    finally:
        torch.set_num_threads(before)
    ratios = {name: found["torch"] / found[name] for name in WAYS}
    benchmark.extra_info.update(found, ratios=ratios)
    print(f"\ntorch {found['torch'] * 1000:.0f} ms; times as fast:", {k: f"{v:.2f}" for k, v in ratios.items()})
    assert all(ratios[name] > least for name, least in LEAST.items()), ratios
