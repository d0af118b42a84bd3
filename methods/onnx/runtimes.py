"""What computes an ONNX file: onnxruntime or OpenVINO, a function of named arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import MethodError, WeightsError, first_line

Compute = Callable[[Mapping[str, NDArray[Any]], str], NDArray[Any]]
"""Arrays by the names of inputs, and the name of an output -> that output."""


def onnxruntime(path: Path, device: str, precision: str, threads: int) -> Compute:
    """An onnxruntime session.

    Raises:
        MethodError: it can't do this precision.
        WeightsError: it can't run the file.
    """
    import onnxruntime as ort

    if precision != "fp32":
        raise MethodError(
            f"onnxruntime computes in the file's own precision, not in {precision}; leave --precision out"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    cuda = [("CUDAExecutionProvider", {"device_id": int(device.partition(":")[2] or 0), "use_tf32": 0})]
    providers = [*(cuda if device.startswith("cuda") else []), "CPUExecutionProvider"]
    try:
        session = ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime has a class of its own for each cause, all of them Exception
        raise WeightsError(f"{path}: not an ONNX network that can be run: {first_line(error)}") from error

    def compute(feeds: Mapping[str, NDArray[Any]], output: str) -> NDArray[Any]:
        return np.asarray(session.run([output], dict(feeds))[0])

    return compute


def has_cuda() -> bool:
    """Whether onnxruntime can use a GPU here."""
    import onnxruntime as ort

    return "CUDAExecutionProvider" in ort.get_available_providers()


def openvino(path: Path, device: str, precision: str, threads: int) -> Compute:
    """A network compiled by OpenVINO for the CPU.

    Raises:
        MethodError: OpenVINO is not installed.
        WeightsError: it can't run the file.
    """
    try:
        import openvino as ov
    except ImportError as error:
        raise MethodError("runtime = 'openvino' needs OpenVINO: pip install 'facesr-bench[openvino]'") from error
    # Without the hint it would choose bf16 by itself where the processor has it.
    hint = {"fp32": "f32", "bf16": "bf16"}[precision]
    settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    try:
        compiled = ov.Core().compile_model(str(path), "CPU", settings)
    except RuntimeError as error:
        raise WeightsError(f"{path}: not an ONNX network that OpenVINO can run: {first_line(error)}") from error

    def compute(feeds: Mapping[str, NDArray[Any]], output: str) -> NDArray[Any]:
        return np.array(compiled(dict(feeds))[output])

    return compute


RUNTIMES: dict[str, Callable[[Path, str, str, int], Compute]] = {"onnxruntime": onnxruntime, "openvino": openvino}
