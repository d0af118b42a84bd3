"""Small random networks, and points that are no one's face."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Points = NDArray[np.float64]
MakeNetwork = Callable[..., Path]


@pytest.fixture
def face68() -> Points:
    """68 points in px; the eyes are where eyes are, so that every normaliser is well above 0."""
    rng = np.random.default_rng(5)
    points: Points = rng.uniform((60, 90), (190, 220), (68, 2))
    points[36:42] = rng.uniform((78, 108), (102, 132), (6, 2))
    points[42:48] = rng.uniform((148, 106), (172, 130), (6, 2))
    return points


@pytest.fixture
def make_network(tmp_path: Path) -> MakeNetwork:
    """A random ONNX network: convolution, ReLU, one linear layer. Every pixel and channel has a say in every output."""

    def make(
        name: str = "network.onnx",
        *,
        channels: int = 3,
        size: tuple[int, int] = (112, 112),
        outputs: int = 16,
        batch: int | str = "N",
        constant: NDArray[Any] | None = None,
        extra_output: bool = False,
    ) -> Path:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        rng = np.random.default_rng(len(name))
        height, width = size
        flat = 4 * (height // 8) * (width // 8)
        linear = rng.standard_normal((flat, outputs)) / np.sqrt(flat)
        bias = rng.standard_normal(outputs) / 10
        if constant is not None:
            linear, bias = linear * 0, np.asarray(constant, np.float64)
        weights = {
            "kernel": rng.standard_normal((4, channels, 8, 8)) / 8,
            "linear": linear,
            "bias": bias,
        }
        nodes = [
            helper.make_node("Conv", ["data", "kernel"], ["c"], strides=[8, 8]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("Flatten", ["r"], ["f"]),
            helper.make_node("Gemm", ["f", "linear", "bias"], ["result"]),
        ]
        infos = [helper.make_tensor_value_info("result", TensorProto.FLOAT, [batch, outputs])]
        if extra_output:
            infos.append(helper.make_tensor_value_info("f", TensorProto.FLOAT, [batch, flat]))
        graph = helper.make_graph(
            nodes,
            "random",
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, [batch, channels, height, width])],
            infos,
            [numpy_helper.from_array(np.asarray(w, np.float32), n) for n, w in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path = tmp_path / name
        onnx.save(model, str(path))
        return path

    return make
