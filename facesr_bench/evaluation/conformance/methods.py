"""Checks of methods: what `upscale` returns for pictures of random colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from facesr_bench.base.errors import FaceSRBenchError, WeightsError
from facesr_bench.evaluation.conformance.checks import Check, Expected, all_of, faces, made
from facesr_bench.evaluation.conformance.pictures import check_pictures
from facesr_bench.evaluation.seeding import seeded
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method
from facesr_bench.plugins.pictures import PictureMethod
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.spec import MethodSpec
from facesr_bench.weights import resolve_method

if TYPE_CHECKING:
    from torch import Tensor

BATCH_TOLERANCE = 1e-5
_TRY_SCALES = (8, 4, 2, 1)
_SEEDS = (11, 1_000_003)
"""Where random numbers begin: of another seed nothing may depend that its card doesn't say."""


@dataclass(frozen=True)
class _Ready:
    """A method that has upscaled once.

    Attributes:
        inputs: three pictures; size: height and width expected of what is made of them.
        sr: what was made of them; carries_gradient: whether it could be trained through.
        changed: it wrote into its input.
    """

    method: MethodBase
    inputs: Tensor
    size: tuple[int, int]
    sr: Tensor
    carries_gradient: bool
    changed: bool


def check_method(
    plugin: Plugin[MethodCard],
    cls: type[Any],
    weights: str | None,
    argument: str | None,
    expected: Expected | None = None,
) -> Iterator[Check]:
    """Load it, let it upscale three pictures, and look at what comes out.

    Args:
        expected: the images that a method of finished pictures is to have; None: those that it has.
    """
    with TemporaryDirectory(prefix="facesr-bench-") as folder:
        note, path = "", None
        try:
            path, note = _weights(plugin, cls, weights, Path(folder))
            opened = MethodSpec(plugin, weights, argument).opened()
        except FaceSRBenchError as error:
            yield Check("load", str(error))
            return
        card = opened.card if opened else plugin.require_card()
        context = MethodContext(card, _scale(card), path, argument)
        check, method = made("load", lambda: _loaded(cls, context))
    yield Check(check.name, check.problem, check.details, note if check.problem is None else "")
    if method is None:
        return
    if isinstance(method, PictureMethod):
        yield from check_pictures(method, opened, expected)
        return
    check, ready = made("upscale", lambda: _upscaled(method))
    yield check
    if isinstance(ready, _Ready):
        yield from all_of(_CHECKS, ready)


def _weights(
    plugin: Plugin[MethodCard], cls: type[MethodBase], weights: str | None, folder: Path
) -> tuple[Path | None, str]:
    """The checkpoint's file, and what to say of it: where the published one is missing, one with random numbers."""
    try:
        found = resolve_method(plugin, weights)
    except WeightsError:
        random = cls.random_weights(plugin.require_card(), folder) if weights is None else None
        if random is None:
            raise
        return random, "with random weights, since its own are not on this machine"
    return (found.path if found else None), ""


def _scale(card: MethodCard) -> int:
    """A scale that the method can do; with one output size, one that divides it."""
    scales = card.scales or _TRY_SCALES
    return next((s for s in scales if card.output_size is None or card.output_size % s == 0), scales[0])


def _side(method: MethodBase) -> int:
    size = method.card.output_size
    return size // method.scale if size else 16


def _loaded(cls: type[Any], context: MethodContext) -> MethodBase:
    method = make_method(cls, context)
    method.load()
    method.output_size(_side(method), _side(method))
    return method


def _upscaled(method: MethodBase) -> _Ready | str:
    import torch

    side = _side(method)
    inputs = method.batch([method.given(picture) for picture in faces(side, 3)])
    kept = inputs.clone()
    with method.world, seeded(_SEEDS[0], method.device):
        sr: Any = method.upscale(inputs)
    if not torch.is_tensor(sr):
        return f"upscale returned a {type(sr).__name__}; expected a torch.Tensor"
    changed = not torch.equal(kept, inputs)
    return _Ready(method, kept, method.output_size(side, side), sr.detach(), sr.requires_grad, changed)


def _again(ready: _Ready, seed: int) -> Tensor:
    """What it makes of the same pictures where random numbers begin at a seed; one by one where its card says it draws.

    Each picture's seed is its own, as in a run.
    """
    import torch

    if ready.method.card.deterministic:
        return _once(ready, ready.inputs, seed)
    return torch.cat([_once(ready, ready.inputs[i : i + 1], seed + i) for i in range(len(ready.inputs))])


def _once(ready: _Ready, inputs: Tensor, seed: int) -> Tensor:
    with ready.method.world, seeded(seed, ready.method.device):
        return ready.method.upscale(inputs.clone()).detach()


def _input_kept(ready: _Ready) -> str | None:
    return "upscale changed its input in place; clone it first" if ready.changed else None


def _shape(ready: _Ready) -> str | None:
    expected = (3, 3, *ready.size)
    found = tuple(ready.sr.shape)
    return None if found == expected else f"returned {found} for 3 images; expected {expected}"


def _dtype(ready: _Ready) -> str | None:
    import torch

    return None if ready.sr.dtype == torch.float32 else f"returned {ready.sr.dtype}; expected torch.float32"


def _range(ready: _Ready) -> str | None:
    import torch

    if not torch.isfinite(ready.sr).all():
        return "returned NaN or infinite values"
    low, high = float(ready.sr.min()), float(ready.sr.max())
    return None if low >= 0 and high <= 1 else f"values in [{low:.4g}, {high:.4g}]; expected [0, 1] (clamp them)"


def _determinism(ready: _Ready) -> str | None:
    first, second = _again(ready, _SEEDS[0]), _again(ready, _SEEDS[0])
    if difference := float((first - second).abs().max()):
        return f"the same input and seed gave another output (difference {difference:.2g}); what does it depend on?"
    if not ready.method.card.deterministic:
        return None
    if difference := float((_again(ready, _SEEDS[1]) - first).abs().max()):
        what = f"the same input gave another output with another seed (difference {difference:.2g})"
        return f"{what}: call .eval() on the network, or say deterministic = false and seed = 0 in the card"
    return None


def _batch_invariance(ready: _Ready) -> str | None:
    import torch

    last = len(ready.inputs) - 1  # in another order, which must not matter
    singles = [_once(ready, ready.inputs[i : i + 1], _SEEDS[0] + i) for i in range(last, -1, -1)]
    difference = float((torch.cat(singles[::-1]) - _again(ready, _SEEDS[0])).abs().max())
    if difference <= BATCH_TOLERANCE:
        return None
    what = f"one by one, images differ by {difference:.2g} from the same in a batch (at most {BATCH_TOLERANCE:g})"
    return f"{what}; is a norm layer in training mode?"


def _no_gradient(ready: _Ready) -> str | None:
    return None if not ready.carries_gradient else "the output carries a gradient; use torch.inference_mode()"


def _odd_sizes(ready: _Ready) -> str | None:
    height, width = 13, 17
    method = ready.method
    try:
        expected = method.output_size(height, width)
        with method.world, seeded(_SEEDS[0], method.device):
            output = method.upscale(method.batch([method.given(faces(32, 1)[0][:height, :width])]))
    except (FaceSRBenchError, ValueError):
        return None  # refused clearly
    except Exception as error:
        what = f"a {width}x{height} LR ends in {type(error).__name__}"
        return f"{what}; if sizes are limited, say so in the card (output_size) or raise MethodError in output_size"
    found = tuple(output.shape[-2:])
    return None if found == expected else f"a {width}x{height} LR gave {found}, not {expected}"


_CHECKS = {
    "shape": _shape,
    "dtype": _dtype,
    "range": _range,
    "input kept": _input_kept,
    "determinism": _determinism,
    "batch invariance": _batch_invariance,
    "no gradient": _no_gradient,
    "odd sizes": _odd_sizes,
}
