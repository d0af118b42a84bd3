"""What a notebook calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.devices import EXACT, PRECISIONS, set_torch, torch_device
from facesr_bench.base.errors import FaceSRBenchError, MetricError, PluginError
from facesr_bench.base.options import takes_options
from facesr_bench.evaluation.metrics import Setup, find_metric
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.evaluation.run import run as _run
from facesr_bench.images.files import Image8, read_only
from facesr_bench.images.quantise import quantise
from facesr_bench.plugins.method import MethodBase, MethodContext, make_method
from facesr_bench.plugins.metric import SetMetric, Unavailable
from facesr_bench.plugins.profile import get_profile
from facesr_bench.plugins.sample import Sample
from facesr_bench.plugins.spec import parse_method, parse_metric
from facesr_bench.results.summary import summarise, to_frame
from facesr_bench.weights import resolve_method

if TYPE_CHECKING:
    import pandas as pd


@takes_options(RunRequest)
def run(request: RunRequest) -> pd.DataFrame:
    """Run methods on protocols: what `facesr-bench run` does, as a table.

    Args:
        {options}

    Returns:
        One row per protocol and method, columns as in `facesr-bench table --format csv`. What failed is in
        `frame.attrs["problems"]`, a list of lines.

    Raises:
        FaceSRBenchError: nothing could be run at all.
    """
    outcome = _run(request)
    if not outcome.results:
        raise FaceSRBenchError("nothing could be run:\n" + "\n".join(outcome.problems))
    frame = to_frame(summarise(outcome.results))
    frame.attrs["problems"] = list(outcome.problems)
    return frame


def load_method(
    name: str, weights: str | Path | None = None, *, device: str = "cpu", precision: str = "fp32", scale: int = 8
) -> MethodBase:
    """A method ready to use: `method.enhance(lr)` on a uint8 image, `method.upscale(batch)` on tensors.

    Args:
        name: a method's name, `name@weights`, or a plug-in's folder.
        weights: a name from the method's card, or a checkpoint file; none for the card's default.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        scale: what to upscale by; ignored by methods whose network has one scale.

    Raises:
        FaceSRBenchError: unknown method, missing or wrong weights, a device that is not here.
    """
    if precision not in PRECISIONS:
        raise FaceSRBenchError(f"precision {precision!r}: it must be one of {', '.join(PRECISIONS)}")
    device = torch_device(device)
    set_torch(EXACT)  # stays so: what the user then calls should give the numbers of a run
    spec = parse_method(name)
    found = resolve_method(spec.plugin, str(weights) if weights is not None else spec.weights)
    context = MethodContext(
        spec.plugin.require_card(),
        scale=scale,
        weights=found.path if found else None,
        device=device,
        precision=precision,
    )
    method = make_method(spec.plugin.load_class(), context)
    method.load()
    return method


def score(
    sr: NDArray[Any],
    hr: Image8,
    metrics: Sequence[str] = ("psnr", "ssim"),
    profile: str = "sparnet",
    scale: int = 8,
) -> dict[str, float]:
    """Score one image against its ground truth.

    Args:
        sr: HxWx3 RGB: uint8, or float32/float64 in [0, 1], which becomes uint8 as the profile says.
        hr: HxWx3 RGB uint8, the ground truth.
        metrics: names of metrics, or plug-in folders.
        profile: name of the convention; numbers of different profiles are not comparable.
        scale: HR side over LR side; some profiles cut a border that wide.

    Returns:
        Value by metric name; PSNR of identical images is infinite.

    Raises:
        MetricError: wrong dtype, shape, size or range, or no such profile.
        PluginError: no such metric.
    """
    if isinstance(metrics, str):
        raise MetricError(f"metrics must be a list of names, such as [{metrics!r}], not one string")
    sr, hr = np.asarray(sr), np.asarray(hr)
    chosen = get_profile(profile, [parse_metric(name).plugin for name in metrics])
    image = read_only(sr if sr.dtype == np.uint8 else quantise(sr, chosen.quantise))
    setup = Setup(chosen, scale)
    values = {}
    for name in metrics:
        metric = find_metric(name, setup)
        if isinstance(metric, Unavailable):
            raise (
                metric.error if isinstance(metric.error, PluginError) else MetricError(f"{metric.key}: {metric.reason}")
            )
        if isinstance(metric, SetMetric):
            raise MetricError(f"{metric.key} has a value for a set of images only; use `facesr-bench score` on folders")
        if missing := {"landmarks", "input"} & set(metric.card.needs):
            raise MetricError(f"{metric.key} needs {missing.pop()} too; run it on a protocol that has it")
        metric.load()
        values[metric.key] = metric.per_image(image, metric.prepare_sample(Sample("image", lr=hr, hr=hr)))
    return values
