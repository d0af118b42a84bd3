"""The second stage: a method, loaded, and what it makes of samples, checked."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import (
    PLUGIN_ERRORS,
    FaceSRBenchError,
    MethodError,
    PluginError,
    describe,
)
from facesr_bench.evaluation import cost
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method
from facesr_bench.plugins.spec import MethodSpec

if TYPE_CHECKING:
    from torch import Tensor

# Float noise of a network that clips itself; anything beyond is a broken contract.
RANGE_TOLERANCE = 1e-4


def load_method(
    spec: MethodSpec, weights: Path | None, protocol: ProtocolCard, device: str, precision: str
) -> tuple[MethodBase, dict[str, Any]]:
    """A method with its networks open, and what it costs: see `cost.load_measured`.

    Args:
        weights: its checkpoint, already verified.

    Raises:
        FaceSRBenchError: it can't be loaded.
    """
    argument = spec.opened()
    card = argument.card if argument else spec.plugin.require_card()
    context = MethodContext(card, protocol.scale, weights, spec.argument, device, precision)
    try:
        method = make_method(spec.plugin.load_class(), context)
        return method, cost.load_measured(method, protocol)
    except FaceSRBenchError:
        raise
    except PLUGIN_ERRORS as error:
        message = f"{card.name} can't be loaded: {describe(error)}"
        raise PluginError(message, traceback.format_exc()) from error


@dataclass(frozen=True)
class Output:
    """What a method made of one image: float32 HxWx3 in [0, 1], or why there is none."""

    sr: NDArray[np.float32] | None
    ms: float | None = None
    error: str | None = None


def upscale(method: MethodBase, batch: Sequence[Loaded]) -> list[Output]:
    """Run a method on samples, batching those of one size; a failure costs only the images that cause it."""
    outputs: dict[int, Output] = {}
    groups: dict[tuple[int, ...], list[tuple[int, Image8, tuple[int, int]]]] = {}
    for i, loaded in enumerate(batch):
        try:
            size = method.output_size(*loaded.sample.lr.shape[:2])
            image = method.given(loaded.sample.lr)
        except FaceSRBenchError as error:
            outputs[i] = Output(None, error=str(error))
            continue
        except PLUGIN_ERRORS as error:  # `output_size` may be a stranger's, too
            outputs[i] = Output(None, error=f"output_size: {describe(error)}")
            continue
        groups.setdefault(image.shape, []).append((i, image, size))
    for group in groups.values():
        indexes, images, sizes = zip(*group, strict=True)
        outputs.update(zip(indexes, _upscale_images(method, images, sizes), strict=True))
    return [outputs[i] for i in range(len(batch))]


def _upscale_images(method: MethodBase, images: Sequence[Image8], sizes: Sequence[tuple[int, int]]) -> list[Output]:
    import torch

    batch = method.batch(images)
    started = time.perf_counter()
    try:
        sr = method.upscale(batch)
        if batch.device.type == "cuda":
            torch.cuda.synchronize(batch.device)
    except PLUGIN_ERRORS as error:
        if len(images) > 1:
            alone = zip(images, sizes, strict=True)
            return [_upscale_images(method, [image], [size])[0] for image, size in alone]
        return [Output(None, error=describe(error))]
    ms = (time.perf_counter() - started) * 1000 / len(images)
    try:
        _check_batch(method, sr, len(images))
    except MethodError as error:
        return [Output(None, error=str(error)) for _ in images]
    arrays = sr.detach().permute(0, 2, 3, 1).cpu().numpy()
    return [_checked(method, array, size, ms) for array, size in zip(arrays, sizes, strict=True)]


def _check_batch(method: MethodBase, sr: Tensor, count: int) -> None:
    import torch

    name = method.card.name
    if not torch.is_tensor(sr):
        raise MethodError(f"{name} returned a {type(sr).__name__}, not a tensor")
    if sr.ndim != 4 or sr.shape[0] != count or sr.shape[1] != 3:
        raise MethodError(f"{name} returned shape {tuple(sr.shape)} for {count} image(s); expected BxCxHxW with C = 3")
    if sr.dtype != torch.float32:
        raise MethodError(f"{name} returned {sr.dtype}; expected float32")


def _checked(method: MethodBase, sr: NDArray[np.float32], size: tuple[int, int], ms: float) -> Output:
    name = method.card.name
    if sr.shape[:2] != size:
        return Output(None, error=f"{name} returned {sr.shape[1]}x{sr.shape[0]} px; expected {size[1]}x{size[0]}")
    if (bad := int(np.count_nonzero(~np.isfinite(sr)))) > 0:
        return Output(None, error=f"{name} returned {bad} NaN or infinite values of {sr.size}")
    low, high = float(sr.min()), float(sr.max())
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        return Output(None, error=f"{name} returned values in [{low:.4g}, {high:.4g}]; expected [0, 1]")
    return Output(np.clip(sr, 0, 1), ms)
