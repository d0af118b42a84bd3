"""Methods as files for other runtimes: `facesr-bench export`.

onnx_file   one ONNX file of what a method's `upscale` computes, that says of itself how it is called
int8        a copy of it in 8-bit integers, calibrated on faces
compare     what such a file costs in numbers, and gains in time
"""

from __future__ import annotations

from facesr_bench.evaluation.export.compare import Comparison, compare
from facesr_bench.evaluation.export.int8 import beside, to_int8
from facesr_bench.evaluation.export.onnx_file import Exported, opened, to_onnx

__all__ = ["Comparison", "Exported", "beside", "compare", "opened", "to_int8", "to_onnx"]
