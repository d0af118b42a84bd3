"""Every method and every metric on a device against the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

import facesr_bench
from facesr_bench.base.errors import FaceSRBenchError, MetricError
from facesr_bench.evaluation import in_torch
from facesr_bench.evaluation.conformance.metrics import MADE_BY, SCALE, SIDE, _sample, _with_weights
from facesr_bench.evaluation.metrics import Setup, context_of, instantiate, opened, profile_for
from facesr_bench.evaluation.ready import is_ready
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins import registry
from facesr_bench.plugins.degradation import find_degradation
from facesr_bench.plugins.method import MethodBase
from facesr_bench.plugins.metric import SetMetric
from facesr_bench.plugins.spec import parse_metric

LEVELS = {"fp32": 1, "bf16": 24}
"""By how many levels of 8 bits a picture may differ: in fp32 (without TF32) only rounding may fall the other way."""
SHARE = {"fp32": 0.002, "bf16": 1.0}
"""Of a picture's values, how many may differ at all."""
RELATIVE = 1e-3
"""How far a metric's value of the same picture may be off, of the value or of 1."""


@dataclass(frozen=True)
class Line:
    """One method or metric.

    Attributes:
        well: within the tolerance; None: it could not be tried.
        said: how far it is off, or why it was not tried.
    """

    name: str
    well: bool | None
    said: str

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def methods(faces: Sequence[Image8], device: str, precisions: Sequence[str] = ("fp32", "bf16")) -> list[Line]:
    """Every method that is ready here, on native LR of `faces`."""
    lrs = [resize(face, (face.shape[0] // 8, face.shape[1] // 8)) for face in faces]
    found = []
    for plugin in registry.methods().plugins:
        if plugin.source != "built in" or plugin.require_card().takes_argument:
            continue
        if not is_ready(plugin):
            found.append(Line(plugin.name, None, "its weights are not on this machine"))
            continue
        found += [_method(plugin.name, lrs, device, precision) for precision in precisions]
    return found


def _method(name: str, lrs: Sequence[Image8], device: str, precision: str) -> Line:
    label = name if precision == "fp32" else f"{name} ({precision})"
    try:
        here = facesr_bench.load_method(name)
        there = facesr_bench.load_method(name, device=device, precision=precision)
        gaps = gaps_of(here, there, lrs)
    except FaceSRBenchError as error:
        return Line(label, None, str(error))
    return _line(label, gaps, LEVELS[precision], SHARE[precision])


def faster(faces: Sequence[Image8], device: str) -> list[Line]:
    """Every exportable method that is ready here, by torch's own backends on a device, against torch as it is there."""
    lrs = [resize(face, (face.shape[0] // 8, face.shape[1] // 8)) for face in faces]
    names = [
        plugin.name
        for plugin in registry.methods().plugins
        if plugin.source == "built in" and plugin.require_card().exportable and is_ready(plugin)
    ]
    return [_faster(name, backend, lrs, device) for name in names for backend in in_torch.IN_TORCH]


def _faster(name: str, backend: str, lrs: Sequence[Image8], device: str) -> Line:
    label = f"{name} ({backend})"
    try:
        in_torch.check(backend, device)
        plain = facesr_bench.load_method(name, device=device)
        gaps = gaps_of(plain, in_torch.in_torch(plain, backend), lrs)
    except FaceSRBenchError as error:
        return Line(label, None, str(error))
    return _line(label, gaps, LEVELS["fp32"], SHARE["fp32"])


def gaps_of(one: MethodBase, other: MethodBase, lrs: Sequence[Image8]) -> list[NDArray[np.int16]]:
    """How far the pictures of two methods are apart, in levels."""
    return [np.abs(one.enhance(lr).astype(np.int16) - other.enhance(lr)) for lr in lrs]


def _line(label: str, gaps: Sequence[NDArray[np.int16]], levels: int, share_allowed: float) -> Line:
    largest, share = max(int(gap.max()) for gap in gaps), float(np.mean([(gap > 0).mean() for gap in gaps]))
    well = largest <= levels and share <= share_allowed
    return Line(label, well, f"{100 * share:.3f} % of values differ, by {largest} at most")


def metrics(faces: Sequence[Image8], device: str, names: Sequence[str]) -> list[Line]:
    """Metrics, on the same pictures: bicubic's of `faces`. Where a network is not on this machine, a random one."""
    with TemporaryDirectory(prefix="facesr-gpu-") as folder:
        return [_metric(name, faces, device, Path(folder) / str(i)) for i, name in enumerate(names)]


def metric_names() -> list[str]:
    """Every metric that takes no argument, in each of its variants."""
    found = []
    for plugin in registry.metrics().plugins:
        card = plugin.require_card()
        if plugin.source == "built in" and not card.takes_argument:
            found += [f"{card.name}[{variant}]" for variant in card.variants] or [card.name]
    return found


def _metric(name: str, faces: Sequence[Image8], device: str, folder: Path) -> Line:
    folder.mkdir()
    try:
        (here, note), (there, _) = (_values(name, faces, each, folder) for each in ("cpu", device))
    except FaceSRBenchError as error:
        return Line(name, None, str(error).splitlines()[0])
    gap = max(abs(a - b) / max(1.0, abs(a)) for a, b in zip(here, there, strict=True))
    return Line(name, gap <= RELATIVE, f"off by {gap:.1e} at most{note}")


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
