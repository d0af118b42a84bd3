"""A copy of an exported network whose convolutions multiply 8-bit integers, calibrated on faces."""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError, MethodError, first_line
from facesr_bench.base.files import check_file_writable, replacing
from facesr_bench.evaluation.export.onnx_file import INPUT, Exported, Opened, state
from facesr_bench.images.files import Image8, read_image
from facesr_bench.images.folders import list_images
from facesr_bench.images.resize import resize
from facesr_bench.plugins.method import MethodBase

FACES = 16
"""How many faces it is calibrated on."""
FREE_SIDE = 128
"""The output's side, px, for a network that makes any."""


def to_int8(source: Opened, exported: Exported, path: Path, faces: Path) -> Exported:
    """Write an exported network in 8-bit integers: static, QDQ, weights by channel.

    Args:
        faces: a folder of HR face pictures; the first `FACES` by name show it what ranges its activations have. They
            should be no pictures that it is evaluated on.

    Raises:
        DataError: no pictures there.
        MethodError: it can't be quantised.
        ResultsError: it can't be written.
    """
    try:
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MethodError("--int8 needs onnx: pip install 'facesr-bench[onnx]'") from error
    check_file_writable(path)
    inputs = calibration(source.method, faces)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(inputs)

        def get_next(self) -> dict[str, Any] | None:
            found = next(self._left, None)
            return None if found is None else {INPUT: found}

    stated = exported.stated.model_copy(
        update={
            "title": f"{exported.stated.title} int8",
            "summary": f"{exported.stated.summary}, in 8-bit integers calibrated on {len(inputs)} faces",
        }
    )
    silent = logging.getLogger()
    level = silent.level
    silent.setLevel(logging.ERROR)  # it advises to do what is done here
    try:
        with TemporaryDirectory(prefix="facesr-bench-") as folder, replacing(path) as partial:
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(str(exported.path), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(partial),
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "ConvTranspose", "MatMul", "Gemm"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            model = onnx.load(str(partial))
            state(model, stated)
            onnx.save(model, str(partial))
    except (ValueError, RuntimeError, NotImplementedError) as error:
        raise MethodError(f"{exported.path}: can't be quantised: {first_line(error)}") from error
    finally:
        silent.setLevel(level)
    return Exported(path, path.stat().st_size, float("nan"), stated)


def calibration(method: MethodBase, faces: Path, count: int = FACES) -> list[NDArray[np.float32]]:
    """What a method is given of some faces: the central square of each, made small by Pillow's bicubic.

    Raises:
        DataError: no pictures there.
    """
    side = method.card.output_size or FREE_SIDE
    pictures = list_images(faces)[:count]
    if not pictures:
        raise DataError(f"{faces}: no pictures in it")
    return [method.batch([method.given(_lr(read_image(path), side, method.scale))]).numpy() for path in pictures]


def _lr(picture: Image8, side: int, scale: int) -> Image8:
    height, width = picture.shape[:2]
    square = min(height, width)
    left, top = (width - square) // 2, (height - square) // 2
    hr = resize(picture, (side, side), (left, top, left + square, top + square))
    return resize(hr, (side // scale, side // scale))


def beside(path: Path) -> Path:
    """What the 8-bit copy of a file is called: `net-int8.onnx` of `net.onnx`."""
    return path.with_name(f"{path.stem}-int8{path.suffix}")
