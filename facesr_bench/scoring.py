"""Score images from Python: two arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench import plugins
from facesr_bench.cards import MetricCard
from facesr_bench.errors import MetricError, PluginError, WeightsError
from facesr_bench.images import Image8
from facesr_bench.metric import MetricBase
from facesr_bench.metrics.convert import quantise
from facesr_bench.metrics.profiles import Profile, get_profile
from facesr_bench.plugins import Plugin, unknown
from facesr_bench.weights import for_metrics


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
    plugin, given = parse_metric(name)
    card = plugin.require_card()
    metric = plugin.load_class()(card, get_profile(profile) if isinstance(profile, str) else profile, scale)
    if not isinstance(metric, MetricBase):
        raise MetricError(f"{name}: class Metric must derive from facesr_bench.metric.MetricBase")
    if card.weights or given is not None:
        try:
            metric.weights = for_metrics.resolve(card, given)
            metric.key = metric.weights.key
        except WeightsError as error:
            metric.key, metric.unavailable = for_metrics.column(card, given), str(error)
    return metric


class BrokenMetric(MetricBase):
    """Stands in a run for a metric whose plug-in can't be imported: its column stays, with the reason."""

    def per_image(self, sr: Image8, reference: Any) -> float:
        raise MetricError(str(self.unavailable))


def load_metric_or_reason(name: str, profile: Profile, scale: int) -> MetricBase:
    """As `load_metric`, but a plug-in that fails to import costs its own column and not the run.

    Raises:
        PluginError, WeightsError: no metric, or none of its networks, has that name.
    """
    plugin, given = parse_metric(name)
    try:
        return load_metric(name, profile, scale)
    except (PluginError, MetricError) as error:
        card = plugin.require_card()
        broken = BrokenMetric(card, profile, scale)
        broken.key, broken.unavailable = for_metrics.column(card, given), str(error)
        return broken


def parse_metric(spec: str) -> tuple[Plugin[MetricCard], str | None]:
    """The metric that `name`, `name@weights`, `name@weights=FILE` or a plug-in's folder means, and its weights.

    Raises:
        PluginError: unknown or ambiguous name, or a folder that holds no metric.
        WeightsError: the metric has no network of that name.
    """
    name, at, given = spec.partition("@")
    plugin = plugins.metrics().find(name)
    known = plugin.require_card().weights
    if at and given.partition("=")[0] not in known:
        raise WeightsError(unknown(f"network of {plugin.name}", given.partition("=")[0], known))
    return plugin, given if at else None


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
        if metric.unavailable is not None:
            raise MetricError(f"{metric.key}: {metric.unavailable}")
        if "landmarks" in metric.card.needs:
            raise MetricError(f"{metric.key} needs landmarks; run it on a protocol that has them")
        metric.load()
        values[metric.key] = metric.per_image(image, metric.prepare(hr))
    return values
