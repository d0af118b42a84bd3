"""Checks a plug-in against its contract, one named check at a time: an author sees all that is wrong at once."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, PluginError, describe
from facesr_bench.data import degradation
from facesr_bench.evaluation.metrics import Setup, make_metric
from facesr_bench.images.files import read_only
from facesr_bench.images.resize import resize
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import DegradationCard, MethodCard
from facesr_bench.plugins.degradation import DegradationBase, make_degradation
from facesr_bench.plugins.loading import CARD_FILE
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method
from facesr_bench.plugins.metric import Unavailable
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.registry import Kind, Plugin
from facesr_bench.plugins.spec import MetricChoice
from facesr_bench.weights import resolve_method

BATCH_TOLERANCE = 1e-5
_TRY_SCALES = (8, 4, 2, 1)


@dataclass(frozen=True)
class Check:
    """The outcome of one check; `problem` is None where it passed."""

    name: str
    problem: str | None
    details: str = ""


def kind_of(folder: Path) -> Kind:
    """The kind of plug-in that a folder holds, by its module's name.

    Raises:
        PluginError: no card, or none of method.py, dataset.py, metric.py and degradation.py.
    """
    if not (folder / CARD_FILE).is_file():
        raise PluginError(f"{folder}: no {CARD_FILE} in it, so it is not a plug-in")
    for kind, module in registry.MODULES.items():
        if (folder / f"{module}.py").is_file():
            return kind
    from facesr_bench.base.toml import read_toml

    stated = read_toml(folder / CARD_FILE).get("kind")
    if stated in registry.MODULES:
        return stated  # type: ignore[no-any-return]
    raise PluginError(f"{folder}: none of method.py, dataset.py, metric.py and degradation.py is in it")


def validate(plugin: Plugin[Any], weights: str | None = None) -> Iterator[Check]:
    """Run every check of a plug-in, in an order where a failure explains the ones after it."""
    if plugin.card is None:
        yield Check("card", str(plugin.error))
        return
    yield Check("card", None)
    try:
        cls = plugin.load_class()
    except PluginError as error:
        yield Check("import", str(error), error.details)
        return
    yield Check("import", None)
    if plugin.kind == "method":
        yield from _validate_method(plugin, cls, weights)
    else:
        from facesr_bench.plugins.dataset import DatasetBase
        from facesr_bench.plugins.metric import MetricBase

        base: type[Any] = {"dataset": DatasetBase, "metric": MetricBase, "degradation": DegradationBase}[plugin.kind]
        problem = None if issubclass(cls, base) else f"class {cls.__name__} must derive from {base.__name__}"
        yield Check("class", problem)
        if problem is None and plugin.kind == "metric":
            yield from _validate_metric(plugin, cls)
        if problem is None and plugin.kind == "degradation":
            yield from _validate_degradation(plugin)


def _attempt(name: str, check: Callable[[], str | None]) -> Check:
    """Run one check; what it returns is the problem, and so is what it raises."""
    try:
        return Check(name, check())
    except FaceSRBenchError as error:
        return Check(name, str(error))
    except PLUGIN_ERRORS as error:
        return Check(name, describe(error), traceback.format_exc())


def _native_side(card: MethodCard, scale: int) -> int:
    return card.output_size // scale if card.output_size else 16


def _scale(card: MethodCard) -> int:
    """A scale that the method can do; with one output size, one that divides it."""
    scales = card.scales or _TRY_SCALES
    return next((s for s in scales if card.output_size is None or card.output_size % s == 0), scales[0])


def _faces(side: int, count: int) -> list[Any]:
    """Smooth random pictures with some detail, side x side x 3 uint8; the same ones each time."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return [resize(picture, (side, side)) for picture in coarse]


def _validate_method(  # noqa: PLR0915  (one closure per check, in the order they are shown)
    plugin: Plugin[MethodCard], cls: type[Any], weights: str | None
) -> Iterator[Check]:
    import torch

    card = plugin.require_card()
    scale = _scale(card)
    side = _native_side(card, scale)
    method: MethodBase | None = None
    out = (0, 0)

    def load() -> str | None:
        nonlocal method, out
        found = resolve_method(plugin, weights)
        loaded = make_method(cls, MethodContext(card, scale=scale, weights=found.path if found else None))
        loaded.load()
        out = loaded.output_size(side, side)
        method = loaded
        return None

    check = _attempt("load", load)
    yield check
    if method is None:
        return
    ready: MethodBase = method

    def batch(count: int) -> torch.Tensor:
        return ready.batch([ready.given(picture) for picture in _faces(side, count)])

    inputs = batch(3)
    sr: torch.Tensor | None = None

    def run() -> str | None:
        nonlocal sr
        kept = inputs.clone()
        output: Any = ready.upscale(inputs)
        if not torch.is_tensor(output):
            return f"upscale returned a {type(output).__name__}; expected a torch.Tensor"
        if not torch.equal(kept, inputs):
            return "upscale changed its input in place; clone it first"
        sr = output
        return None

    yield _attempt("upscale", run)
    if sr is None:
        return
    first, carries_gradient = sr.detach(), sr.requires_grad

    def shape() -> str | None:
        expected = (3, 3, *out)
        return (
            None
            if tuple(first.shape) == expected
            else f"returned {tuple(first.shape)} for 3 images; expected {expected}"
        )

    def dtype() -> str | None:
        return None if first.dtype == torch.float32 else f"returned {first.dtype}; expected torch.float32"

    def value_range() -> str | None:
        if not torch.isfinite(first).all():
            return "returned NaN or infinite values"
        low, high = float(first.min()), float(first.max())
        return None if low >= 0 and high <= 1 else f"values in [{low:.4g}, {high:.4g}]; expected [0, 1] (clamp them)"

    def determinism() -> str | None:
        difference = float((ready.upscale(inputs).detach() - first).abs().max())
        return (
            None
            if difference == 0
            else (
                f"the same input gave another output (difference {difference:.2g}); "
                "seed it, and call .eval() on the network"
            )
        )

    def batch_invariance() -> str | None:
        alone = torch.cat([ready.upscale(inputs[i : i + 1]).detach() for i in range(len(inputs))])
        difference = float((alone - first).abs().max())
        return (
            None
            if difference <= BATCH_TOLERANCE
            else (
                f"one by one, images differ by {difference:.2g} from the same in a batch "
                f"(at most {BATCH_TOLERANCE:g}); is a norm layer in training mode?"
            )
        )

    def no_gradient() -> str | None:
        return None if not carries_gradient else "the output carries a gradient; use torch.inference_mode()"

    def odd_size() -> str | None:
        height, width = 13, 17
        try:
            expected = ready.output_size(height, width)
            odd = _faces(32, 1)[0][:height, :width]
            output = ready.upscale(ready.batch([ready.given(odd)]))
        except (FaceSRBenchError, ValueError):
            return None  # refused clearly
        except Exception as error:
            return (
                f"a {width}x{height} LR ends in {type(error).__name__}; if sizes are limited, say so in the card "
                "(output_size) or raise MethodError in output_size"
            )
        return (
            None
            if tuple(output.shape[-2:]) == expected
            else f"a {width}x{height} LR gave {tuple(output.shape[-2:])}, not {expected}"
        )

    for name, function in {
        "shape": shape,
        "dtype": dtype,
        "range": value_range,
        "determinism": determinism,
        "batch invariance": batch_invariance,
        "no gradient": no_gradient,
        "odd sizes": odd_size,
    }.items():
        yield _attempt(name, function)


def _validate_metric(plugin: Plugin[Any], cls: type[Any]) -> Iterator[Check]:
    hr, sr = _faces(64, 2)

    if plugin.require_card().of == "set":
        yield from _validate_set_metric(plugin, cls)
        return

    def value(a: Any, b: Any) -> float:
        metric = _metric(plugin)
        metric.load()
        return float(metric.per_image(read_only(a), metric.prepare(read_only(b))))

    def runs() -> str | None:
        low, high = plugin.require_card().range
        got = value(sr, hr)
        return None if low <= got <= high else f"gave {got}; the card's range is {low} to {high}"

    def repeats() -> str | None:
        return None if value(sr, hr) == value(sr, hr) else "the same images gave two values"

    def direction() -> str | None:
        better, worse = value(hr, hr), value(sr, hr)
        right = better > worse if plugin.require_card().higher_is_better else better < worse
        return None if right else f"identical images score {better}, different ones {worse}: higher_is_better is wrong"

    for name, function in {"per_image": runs, "determinism": repeats, "direction": direction}.items():
        yield _attempt(name, function)


def _metric(plugin: Plugin[Any]) -> Any:
    choice = MetricChoice(plugin, plugin.require_card().default_variant)
    metric = make_metric(choice, Setup(get_profile("sparnet"), 8))
    if isinstance(metric, Unavailable):
        raise metric.error
    return metric


def _validate_set_metric(plugin: Plugin[Any], cls: type[Any]) -> Iterator[Check]:
    """Features of one picture, twice; then a set against itself and against another."""
    from facesr_bench.evaluation.scorer import checked_features
    from facesr_bench.plugins.metric import SetMetric

    card = plugin.require_card()
    if not issubclass(cls, SetMetric):
        yield Check(
            "class", "its card says of = 'set', so class Metric must derive from facesr_bench.plugins.metric.SetMetric"
        )
        return
    metric = _metric(plugin)
    pictures = _faces(64, 6)

    def features() -> str | None:
        first, again = (checked_features(metric, pictures[0]) for _ in range(2))
        return None if np.array_equal(first, again) else "the same picture gave two feature vectors"

    def direction() -> str | None:
        rows = np.stack([checked_features(metric, picture) for picture in pictures])
        same, other = metric.of_set(rows[:3], rows[:3]).value, metric.of_set(rows[:3], rows[3:]).value
        right = same > other if card.higher_is_better else same < other
        return None if right else f"a set scores {same} with itself and {other} with another: the direction is wrong"

    def load() -> str | None:
        metric.load()
        return None

    check = _attempt("load", load)
    yield check
    if check.problem is None:
        yield _attempt("features", features)
        yield _attempt("direction", direction)


def _validate_degradation(plugin: Plugin[DegradationCard]) -> Iterator[Check]:
    """Two pictures through it, again, and with another seed."""
    card = plugin.require_card()
    scale = (card.scales or _TRY_SCALES)[0]
    first, second = _faces(16 * scale if scale > 1 else 64, 2)
    made: DegradationBase | None = None

    def load() -> str | None:
        nonlocal made
        made = make_degradation(plugin, scale)
        return None

    yield _attempt("load", load)
    if made is None:
        return
    ready: DegradationBase = made

    def lr(hr: Any, seed: int = 1) -> Any:
        return degradation.apply(ready, hr, seed)[0]

    def size() -> str | None:
        lr(first)
        return None

    def input_kept() -> str | None:
        kept = first.copy()
        lr(first)
        return None if np.array_equal(kept, first) else "degrade changed its input in place; copy it first"

    def parameters() -> str | None:
        drawn = degradation.apply(ready, first, 1)[1]
        if not isinstance(drawn, dict):
            return f"degrade returned {type(drawn).__name__} for what was drawn; expected a dict"
        try:
            same = json.loads(json.dumps(drawn, allow_nan=False)) == drawn
        except (TypeError, ValueError) as error:
            return f"what was drawn can't be written as JSON: {error}"
        return None if same else "what was drawn does not come back from JSON as it was: use lists, and texts as keys"

    def determinism() -> str | None:
        expected = lr(first)
        lr(second, 2)  # what an object remembers must not matter
        return None if np.array_equal(expected, lr(first)) else "the same picture and seed gave another LR"

    def seeds() -> str | None:
        changed = not all(np.array_equal(lr(first, 0), lr(first, seed)) for seed in (1, 2**40, 2**64 - 1))
        if changed == card.random:
            return None
        return f"its card says random = {str(card.random).lower()}, and other seeds gave " + (
            "another LR" if changed else "the same LR"
        )

    for name, function in {
        "size": size,
        "input kept": input_kept,
        "parameters": parameters,
        "determinism": determinism,
        "seeds": seeds,
    }.items():
        yield _attempt(name, function)
