"""The second stage: a method, loaded, and what it makes of samples, checked."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base import devices
from facesr_bench.base.errors import (
    PLUGIN_ERRORS,
    FaceSRBenchError,
    MethodError,
    PluginError,
    describe,
)
from facesr_bench.base.text import counted
from facesr_bench.evaluation import cost, side_by_side
from facesr_bench.evaluation.backend import through_door
from facesr_bench.evaluation.in_torch import in_torch
from facesr_bench.evaluation.inputs import Loaded
from facesr_bench.evaluation.seeding import image_seed, seeded
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import ProtocolCard
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method
from facesr_bench.plugins.pictures import Asked, Finished, PictureMethod
from facesr_bench.plugins.spec import MethodSpec

if TYPE_CHECKING:
    from torch import Tensor

_Loaded = TypeVar("_Loaded")

# Float noise of a network that clips itself; anything beyond is a broken contract.
RANGE_TOLERANCE = 1e-4


def load_method(
    spec: MethodSpec,
    weights: Path | None,
    protocol: ProtocolCard,
    device: str,
    precision: str,
    timeout: float | None = None,
    log: Path | None = None,
    network: Path | None = None,
    backend: str = "torch",
    *,
    later: bool = False,
) -> tuple[MethodBase, dict[str, Any]]:
    """A method with its networks open, and what it costs: see `cost.load_measured`.

    Args:
        weights: its checkpoint, already verified.
        timeout, log: see `MethodContext`.
        network: see `Job.network`.
        backend: that of `run --backend`; the cost is that of the method without.
        later: see `cost.load_measured`.

    Raises:
        FaceSRBenchError: it can't be loaded.
    """

    def load(method: MethodBase) -> tuple[MethodBase, dict[str, Any]]:
        measured = cost.load_measured(method, protocol, later=later)
        return in_torch(method, backend), measured

    return _opened(spec, weights, protocol, (device, precision, timeout, log), load, network)


def open_method(spec: MethodSpec, weights: Path | None, protocol: ProtocolCard, device: str) -> MethodBase:
    """A method with its networks open, in fp32; its cost is not measured.

    Args:
        weights: its checkpoint, already verified.

    Raises:
        FaceSRBenchError: it can't be loaded.
    """

    def load(method: MethodBase) -> MethodBase:
        with method.world:
            method.load()
        return method

    return _opened(spec, weights, protocol, (device, "fp32", None, None), load)


def _opened(
    spec: MethodSpec,
    weights: Path | None,
    protocol: ProtocolCard,
    how: tuple[str, str, float | None, Path | None],
    load: Callable[[MethodBase], _Loaded],
    network: Path | None = None,
) -> _Loaded:
    argument = spec.opened()
    card = argument.card if argument else spec.plugin.require_card()
    context = MethodContext(card, protocol.scale, weights, spec.argument, *how)
    try:
        if network is not None:
            return load(through_door(network, context))
        return load(make_method(spec.plugin.load_class(), context, spec.plugin.world()))
    except FaceSRBenchError:
        raise
    except PLUGIN_ERRORS as error:
        message = f"{card.name} can't be loaded: {describe(error)}"
        raise PluginError(message, traceback.format_exc()) from error


@dataclass(frozen=True)
class Output:
    """What a method made of one image, HxWx3: float32 in [0, 1], or a picture, finished; or why there is neither."""

    sr: NDArray[np.float32] | None
    ms: float | None = None
    error: str | None = None
    picture: Image8 | None = None


def upscale(method: MethodBase, batch: Sequence[Loaded], protocol: str, found: Sorted | None = None) -> list[Output]:
    """Run a method on samples, batching those of one size; a failure costs only the images that cause it.

    Random numbers begin at a seed per image (`seeding.image_seed`); a method that draws any (`deterministic = false`
    in its card) gets one image at a time. Those of a batch begin at the seed of its first image.

    Args:
        protocol: its name.
        found: what `sort` makes of them, where that was done before.
    """
    found = found or sort(method, batch, protocol, method.world)
    outputs = dict(found.outputs)
    for place, group in enumerate(found.groups):
        if isinstance(method, PictureMethod):
            made = _ask(method, group)
        else:
            made = _upscale_images(method, group, None if found.tensors is None else found.tensors[place])
        outputs.update(zip((given.place for given in group), made, strict=True))
    return [outputs[i] for i in range(len(batch))]


@dataclass(frozen=True)
class _Given:
    """An image as the method gets it, its place in the batch, and the size to come."""

    place: int
    asked: Asked
    size: tuple[int, int]


@dataclass
class Sorted:
    """A batch as a method gets it.

    Attributes:
        outputs: of images that it can't do, by their place.
        groups: the others, those together that go through it together.
        tensors: each group as `MethodBase.batch` makes it, where that was done; uploaded: the CUDA event behind it.
    """

    outputs: dict[int, Output] = field(default_factory=dict)
    groups: list[list[_Given]] = field(default_factory=list)
    tensors: list[Tensor] | None = None
    uploaded: Any = None


def sort(method: MethodBase, batch: Sequence[Loaded], protocol: str, world: AbstractContextManager[Any]) -> Sorted:
    """Samples as the method gets them.

    Args:
        protocol: its name.
        world: the method's, unless none of its own code is called.
    """
    found = Sorted()
    groups: dict[tuple[int, ...], list[_Given]] = {}
    for i, loaded in enumerate(batch):
        try:
            with world:
                size = method.output_size(*loaded.sample.lr.shape[:2])
                image = method.given(loaded.sample.lr)
        except FaceSRBenchError as error:
            found.outputs[i] = Output(None, error=str(error))
            continue
        except PLUGIN_ERRORS as error:  # `output_size` may be a stranger's, too
            found.outputs[i] = Output(None, error=f"output_size: {describe(error)}")
            continue
        seed = image_seed(method.card, protocol, loaded.id)
        groups.setdefault(_group(method, image, i), []).append(_Given(i, Asked(loaded.id, image, size, seed), size))
    found.groups = list(groups.values())
    return found


def _group(method: MethodBase, image: Image8, place: int) -> tuple[int, ...]:
    """What images have in common that go through a method together."""
    if not method.card.deterministic:
        return (place,)
    return () if isinstance(method, PictureMethod) else image.shape


def _ask(method: PictureMethod, group: Sequence[_Given]) -> list[Output]:
    """The finished pictures of some images."""
    name = method.card.name
    try:
        with method.world, seeded(group[0].asked.seed, method.device):
            found = method.finished([given.asked for given in group])
    except FaceSRBenchError as error:
        return [Output(None, error=str(error)) for _ in group]
    except PLUGIN_ERRORS as error:
        return [Output(None, error=describe(error)) for _ in group]
    if not isinstance(found, list) or len(found) != len(group):
        return [Output(None, error=f"{name} returned no list of {len(group)} pictures") for _ in group]
    return [_checked_picture(name, given.size, each) for given, each in zip(group, found, strict=True)]


def _checked_picture(name: str, size: tuple[int, int], found: Finished) -> Output:
    if found.sr is None:
        return Output(None, error=found.error or f"{name} gave no picture, and no reason")
    if found.sr.dtype != np.uint8 or found.sr.shape != (*size, 3):
        shape = "x".join(map(str, found.sr.shape))
        return Output(None, error=f"{name} gave {shape} {found.sr.dtype}; expected {size[0]}x{size[1]}x3 uint8")
    return Output(None, found.ms, picture=found.sr)


def _upscale_images(method: MethodBase, group: Sequence[_Given], made: Tensor | None = None) -> list[Output]:
    import torch

    try:
        with method.world, seeded(group[0].asked.seed, method.device):
            batch = method.batch([given.asked.lr for given in group]) if made is None else made
            started = time.perf_counter()
            sr = side_by_side.upscale(method, batch)
            if batch.device.type == "cuda":
                torch.cuda.synchronize(batch.device)
            ms = (time.perf_counter() - started) * 1000 / len(group)
    except PLUGIN_ERRORS as error:
        if len(group) > 1:
            return [_upscale_images(method, [given])[0] for given in group]
        return [Output(None, error=describe(error))]
    try:
        _check_batch(method, sr, len(group))
    except MethodError as error:
        return [Output(None, error=str(error)) for _ in group]
    arrays = _fetched(sr.detach().permute(0, 2, 3, 1))
    return [_checked(method, array, given.size, ms) for array, given in zip(arrays, group, strict=True)]


def _fetched(pictures: Tensor) -> NDArray[np.float32]:
    """Pictures in the processor's memory; from a GPU through pinned memory, where nothing need be copied twice."""
    import torch

    if pictures.device.type != "cuda" or not devices.PINNED:
        return pictures.cpu().numpy()
    fetched = torch.empty(pictures.shape, dtype=pictures.dtype, pin_memory=True)
    fetched.copy_(pictures.contiguous())
    return fetched.numpy()


def _check_batch(method: MethodBase, sr: Tensor, count: int) -> None:
    import torch

    name = method.card.name
    if not torch.is_tensor(sr):
        raise MethodError(f"{name} returned a {type(sr).__name__}, not a tensor")
    if sr.ndim != 4 or sr.shape[0] != count or sr.shape[1] != 3:
        raise MethodError(
            f"{name} returned shape {tuple(sr.shape)} for {counted(count, 'image')}; expected BxCxHxW with C = 3"
        )
    if sr.dtype != torch.float32:
        raise MethodError(f"{name} returned {sr.dtype}; expected float32")


def _checked(method: MethodBase, sr: NDArray[np.float32], size: tuple[int, int], ms: float) -> Output:
    name = method.card.name
    if sr.shape[:2] != size:
        return Output(None, error=f"{name} returned {sr.shape[1]}x{sr.shape[0]} px; expected {size[1]}x{size[0]}")
    low, high = float(sr.min()), float(sr.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.count_nonzero(~np.isfinite(sr)))
        return Output(None, error=f"{name} returned {bad} NaN or infinite values of {sr.size}")
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        return Output(None, error=f"{name} returned values in [{low:.4g}, {high:.4g}]; expected [0, 1]")
    return Output(np.clip(sr, 0, 1), ms)
