"""Every method and every metric on a device against the CPU."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

import facesr_bench
from facesr_bench.base.errors import PLUGIN_ERRORS, FaceSRBenchError, MetricError, describe
from facesr_bench.evaluation import in_torch
from facesr_bench.evaluation.conformance.metrics import MADE_BY, SCALE, SIDE, _sample, _with_weights
from facesr_bench.evaluation.metrics import Setup, context_of, instantiate, opened, profile_for
from facesr_bench.evaluation.ready import is_ready
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.degradation import find_degradation
from facesr_bench.plugins.method import MethodBase
from facesr_bench.plugins.metric import SetMetric
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.spec import parse_metric

from .journal import Line

LEVELS = {"fp32": 1, "bf16": 24}
"""By how many levels of 8 bits a picture may differ: in fp32 (without TF32) only rounding may fall the other way."""
SHARE = {"fp32": 0.002, "bf16": 1.0}
"""Of a picture's values, how many may differ at all."""
RELATIVE = 1e-3
"""How far a metric's value of the same picture may be off, of the value or of 1."""


class NotTriedError(Exception):
    """Something is missing that has nothing to do with the device: weights, a compiler, a face in the picture."""


Lines = dict[str, Callable[[], Line]]
"""What computes each line, by its name."""


def tried(compute: Callable[[], Line]) -> Line:
    """A line, whatever happens: what fails costs that line alone."""
    try:
        return compute()
    except NotTriedError as error:
        return Line(None, str(error))
    except PLUGIN_ERRORS as error:
        said = " ".join(f"failed: {describe(error)}".split())
        return Line(False, said[:300], {"traceback": traceback.format_exc(), "raised": type(error).__name__})


def methods(faces: Sequence[Image8], device: str) -> Lines:
    """Every built-in method that takes no argument, on LR of `faces`; those with networks in bf16, too."""
    found: Lines = {}
    for plugin in registry.methods().plugins:
        card = plugin.require_card()
        if plugin.source != "built in" or card.takes_argument:
            continue
        found[plugin.name] = partial(_method, plugin, faces, device, "fp32")
        if card.weights:
            found[f"{plugin.name} (bf16)"] = partial(_method, plugin, faces, device, "bf16")
    return found


def _method(plugin: Plugin[MethodCard], faces: Sequence[Image8], device: str, precision: str) -> Line:
    here, there = _loaded(plugin), _loaded(plugin, device, precision)
    return _line(gaps_of(here, there, _small(faces, here.scale)), LEVELS[precision], SHARE[precision])


def _loaded(plugin: Plugin[MethodCard], device: str = "cpu", precision: str = "fp32") -> MethodBase:
    if not is_ready(plugin):
        raise NotTriedError("its weights are not on this machine")
    scales = plugin.require_card().scales
    scale = SCALE if not scales or SCALE in scales else scales[0]
    return facesr_bench.load_method(plugin.name, device=device, precision=precision, scale=scale)


def _small(faces: Sequence[Image8], scale: int) -> list[Image8]:
    return [resize(face, (face.shape[0] // scale, face.shape[1] // scale)) for face in faces]


def batches(faces: Sequence[Image8], device: str) -> Lines:
    """Every built-in method with a network: a batch of `faces` on the device, against each picture alone there."""
    plugins = [each for each in registry.methods().plugins if each.source == "built in" and each.require_card().weights]
    return {plugin.name: partial(_batch, plugin, faces, device) for plugin in plugins}


def _batch(plugin: Plugin[MethodCard], faces: Sequence[Image8], device: str) -> Line:
    method = _loaded(plugin, device)
    batch = method.batch([method.given(lr) for lr in _small(faces, method.scale)])
    together, alone = (
        torch.cat([method.upscale(part) for part in torch.split(batch, count)]).cpu().numpy()
        for count in (len(batch), 1)
    )
    gaps = np.abs(np.rint(255 * together) - np.rint(255 * alone)).astype(np.int16)
    line = _line([gaps], LEVELS["fp32"], SHARE["fp32"])
    said = f"{line.said}; the last bits of {100 * float((together != alone).mean()):.1f} % differ"
    return Line(line.well, said)


def faster(faces: Sequence[Image8], device: str) -> Lines:
    """Every exportable method, by torch's own backends on a device, against torch as it is there."""
    plugins = [
        each for each in registry.methods().plugins if each.source == "built in" and each.require_card().exportable
    ]
    return {
        f"{plugin.name} ({backend})": partial(_faster, plugin, backend, faces, device)
        for backend in reversed(in_torch.IN_TORCH)  # compiling takes longest
        for plugin in plugins
    }


def _faster(plugin: Plugin[MethodCard], backend: str, faces: Sequence[Image8], device: str) -> Line:
    check_backend(backend, device)
    plain = _loaded(plugin, device)
    gaps = gaps_of(plain, in_torch.in_torch(plain, backend), _small(faces, plain.scale))
    return _line(gaps, LEVELS["fp32"], SHARE["fp32"])


def check_backend(backend: str, device: str) -> None:
    """Leave a line out for a backend that can't be used here.

    Raises:
        NotTriedError: says why.
    """
    try:
        in_torch.check(backend, device)
    except FaceSRBenchError as error:
        raise NotTriedError(str(error)) from error


def gaps_of(one: MethodBase, other: MethodBase, lrs: Sequence[Image8]) -> list[NDArray[np.int16]]:
    """How far the pictures of two methods are apart, in levels."""
    return [np.abs(one.enhance(lr).astype(np.int16) - other.enhance(lr)) for lr in lrs]


def _line(gaps: Sequence[NDArray[np.int16]], levels: int, share_allowed: float) -> Line:
    largest, share = max(int(gap.max()) for gap in gaps), float(np.mean([(gap > 0).mean() for gap in gaps]))
    well = largest <= levels and share <= share_allowed
    return Line(well, f"{100 * share:.3f} % of values differ, by {largest} at most")


def metrics(faces: Sequence[Image8], device: str, names: Sequence[str]) -> Lines:
    """Metrics, on the same pictures: bicubic's of `faces`. Where a network is not on this machine, a random one."""
    return {name: partial(_metric, name, faces, device) for name in names}


def metric_names() -> list[str]:
    """Every metric that takes no argument, in each of its variants."""
    found = []
    for plugin in registry.metrics().plugins:
        card = plugin.require_card()
        if plugin.source == "built in" and not card.takes_argument:
            found += [f"{card.name}[{variant}]" for variant in card.variants] or [card.name]
    return found


def _metric(name: str, faces: Sequence[Image8], device: str) -> Line:
    with TemporaryDirectory(prefix="facesr-gpu-") as folder:
        try:
            here, note = _values(name, faces, "cpu", Path(folder))
        except FaceSRBenchError as error:  # no network, no face in the picture
            raise NotTriedError(str(error).splitlines()[0]) from error
        there, _ = _values(name, faces, device, Path(folder))
    gap = float(np.max([abs(a - b) / max(1.0, abs(a)) for a, b in zip(here, there, strict=True)]))  # or nan
    return Line(gap <= RELATIVE, f"off by {gap:.1e} at most{note}")


def _values(name: str, faces: Sequence[Image8], device: str, folder: Path) -> tuple[list[float], str]:
    """A metric's values of each face, or that of all of them; and what to say of its network.

    Raises:
        FaceSRBenchError: it can't be computed here, or not of these pictures.
    """
    how = find_degradation(MADE_BY)
    choice = parse_metric(name)
    context = context_of(choice, Setup(profile_for("sparnet", [name]), SCALE, device, degradation=how))
    context, note = _with_weights(context, choice.plugin.load_class(), choice, folder)
    metric = instantiate(choice, context)
    lacking = metric.why_unavailable() or (note if context.card.weights and context.weights is None else None)
    if lacking:
        raise MetricError(lacking)
    note = f" ({note})" if note else ""
    samples = [_sample(resize(face, (SIDE, SIDE))) for face in faces]
    pictures = [resize(sample.lr, (SIDE, SIDE)) for sample in samples]
    scorer = Scorer(opened([metric]))
    if isinstance(metric, SetMetric):
        truth = [sample.hr for sample in samples if sample.hr is not None]
        sr, hr = (np.stack([metric.features(each) for each in them]) for them in (pictures, truth))
        return [float(metric.of_set(sr, hr).value)], note
    values: list[float] = []
    for picture, sample in zip(pictures, samples, strict=True):
        record = scorer.score(picture, scorer.prepare(sample))
        for reason in record.reasons.values():
            raise FaceSRBenchError(reason)
        values += list(record.metrics.values())
    return values, note


def crops(count: int, folder: Path | None = None) -> list[Image8]:
    """HR faces of 128 px: from a folder, or cut out of the face that scikit-image ships."""
    from facesr_bench.images.files import read_image
    from facesr_bench.images.folders import list_images

    if folder is not None:
        pictures = [read_image(path) for path in list_images(folder)[:count]]
        return [resize(picture, (128, 128)) for picture in pictures]
    from skimage import data

    face = data.astronaut()[0:192, 128:320]  # type: ignore[no-untyped-call]
    places = [((7 * i) % 64, (11 * i) % 64) for i in range(count)]
    return [np.ascontiguousarray(face[top : top + 128, left : left + 128]) for left, top in places]
