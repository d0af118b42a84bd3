"""Every method and every metric on a device against the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import facesr_bench
from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.evaluation.metrics import Setup, find_metric, opened, profile_for
from facesr_bench.evaluation.ready import is_ready
from facesr_bench.evaluation.scorer import Scorer
from facesr_bench.images.files import Image8
from facesr_bench.images.resize import resize
from facesr_bench.plugins import registry
from facesr_bench.plugins.metric import Unavailable
from facesr_bench.plugins.sample import Sample

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
        gaps = [np.abs(here.enhance(lr).astype(np.int16) - there.enhance(lr)) for lr in lrs]
    except FaceSRBenchError as error:
        return Line(label, None, str(error))
    largest, share = max(int(gap.max()) for gap in gaps), float(np.mean([(gap > 0).mean() for gap in gaps]))
    well = largest <= LEVELS[precision] and share <= SHARE[precision]
    return Line(label, well, f"{100 * share:.3f} % of values differ, by {largest} at most")


def metrics(faces: Sequence[Image8], device: str, names: Sequence[str]) -> list[Line]:
    """Metrics of single images, on the same pictures: bicubic's of `faces`."""
    pairs = [(resize(resize(face, (face.shape[0] // 8, face.shape[1] // 8)), face.shape[:2]), face) for face in faces]
    return [_metric(name, pairs, device) for name in names]


def metric_names() -> list[str]:
    """Every metric of single images that takes no argument, in each of its variants."""
    found = []
    for plugin in registry.metrics().plugins:
        card = plugin.require_card()
        if plugin.source == "built in" and card.of == "image" and not card.takes_argument:
            found += [f"{card.name}[{variant}]" for variant in card.variants] or [card.name]
    return found


def _metric(name: str, pairs: Sequence[tuple[Image8, Image8]], device: str) -> Line:
    try:
        here, there = (_values(name, pairs, each) for each in ("cpu", device))
    except FaceSRBenchError as error:
        return Line(name, None, str(error))
    gap = max(abs(a - b) / max(1.0, abs(a)) for a, b in zip(here, there, strict=True))
    return Line(name, gap <= RELATIVE, f"off by {gap:.1e} at most")


def _values(name: str, pairs: Sequence[tuple[Image8, Image8]], device: str) -> list[float]:
    """Raises: FaceSRBenchError: it can't be computed here, or not of these pictures."""
    setup = Setup(profile_for("sparnet", [name]), 8, device)
    metric = find_metric(name, setup)
    if isinstance(metric, Unavailable):
        raise metric.error
    scorer = Scorer(opened([metric]))
    values = []
    for sr, hr in pairs:
        lr = resize(hr, (hr.shape[0] // 8, hr.shape[1] // 8))
        record = scorer.score(sr, scorer.prepare(Sample("face", lr=lr, hr=hr)))
        for reason in record.reasons.values():
            raise FaceSRBenchError(reason)
        values += list(record.metrics.values())
    return values


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
