"""Score images from Python: two arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench import plugins
from facesr_bench.errors import MetricError
from facesr_bench.images import Image8
from facesr_bench.metric import MetricBase
from facesr_bench.metrics.convert import quantise
from facesr_bench.metrics.profiles import Profile, get_profile


def load_metric(name: str, profile: str | Profile, scale: int) -> MetricBase:
    """The metric called `name` (or in the folder `name`), ready to compute under a profile.

    Args:
        scale: HR side over LR side; some profiles cut a border that wide.

    Raises:
        PluginError: no metric has that name (suggests one), or it fails to import.
        MetricError: no profile has that name (suggests one), the scale is not a positive whole number, or the class
            is not a metric.
    """
    if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
        raise MetricError(f"scale must be a whole number from 1 up, not {scale!r}")
    plugin = plugins.metrics().find(name)
    metric = plugin.load_class()(
        plugin.require_card(), get_profile(profile) if isinstance(profile, str) else profile, scale
    )
    if not isinstance(metric, MetricBase):
        raise MetricError(f"{name}: class Metric must derive from facesr_bench.metric.MetricBase")
    return metric


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
    chosen = get_profile(profile)
    image = sr if sr.dtype == np.uint8 else quantise(sr, chosen.quantise)
    values = {}
    for name in metrics:
        metric = load_metric(name, chosen, scale)
        values[metric.card.name] = metric.per_image(image, metric.prepare(hr))
    return values
