"""Score images from Python: two arrays in, numbers out."""

from __future__ import annotations

from typing import Any

from facesr_bench.base.errors import STRANGERS, MetricError, PluginError, WeightsError, describe
from facesr_bench.images.files import Image8
from facesr_bench.plugins.convention import Convention
from facesr_bench.plugins.metric import MetricBase, SetMetric
from facesr_bench.plugins.profile import Profile, get_profile
from facesr_bench.plugins.spec import parse_metric
from facesr_bench.weights import resolve_metric


def load_metric(name: str, profile: str | Profile, scale: int) -> MetricBase:
    """The metric called `name` (or in the folder `name`), ready to compute under a profile.

    Args:
        scale: HR side over LR side; some profiles cut a border that wide.

    Raises:
        PluginError: no metric has that name (suggests one), or it fails to import.
        MetricError: no profile has that name (suggests one), the scale is not a positive whole number, or the class
            is not a metric.
    """
    _check_scale(scale)
    spec = parse_metric(name)
    card = spec.plugin.require_card()
    profile = get_profile(profile) if isinstance(profile, str) else profile
    cls = spec.plugin.load_class()
    try:
        metric: MetricBase = cls(card, profile, scale)
    except STRANGERS as error:
        raise MetricError(f"{name} can't be made: {describe(error)}") from error
    if not isinstance(metric, SetMetric if card.of == "set" else MetricBase):
        due = "SetMetric, since its card says of = 'set'" if card.of == "set" else "MetricBase"
        raise MetricError(f"{name}: class Metric must derive from facesr_bench.plugins.metric.{due}")
    metric.variant, metric.key, metric.typed = spec.variant, spec.column, spec.typed
    if card.weights or spec.network is not None:
        try:
            metric.weights = resolve_metric(card, spec.network)
            metric.key = spec.base + metric.weights.suffix
        except WeightsError as error:
            metric.unavailable = str(error)
    try:
        metric.unavailable = metric.unavailable or metric.why_unavailable()
        metric.describe()
        if isinstance(metric, SetMetric) and metric.unavailable is None:
            str(metric.extractor)
    except STRANGERS as error:  # better here than in the middle of a run
        raise MetricError(f"{name} can't tell of itself: {describe(error)}") from error
    return metric


def _check_scale(scale: int) -> None:
    if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
        raise MetricError(f"scale must be a whole number from 1 up, not {scale!r}")


class BrokenMetric(MetricBase):
    """Stands in a run for a metric whose plug-in can't be imported: its column stays, with the reason."""

    convention = Convention()

    def per_image(self, sr: Image8, reference: Any) -> float:
        raise MetricError(str(self.unavailable))


def load_metric_or_reason(name: str, profile: Profile, scale: int) -> MetricBase:
    """As `load_metric`, but a broken plug-in costs its own column and nothing else.

    Raises:
        PluginError, WeightsError: no metric, or none of its networks, has that name.
        MetricError: the scale is not a positive whole number.
    """
    _check_scale(scale)
    spec = parse_metric(name)
    try:
        return load_metric(name, profile, scale)
    except (PluginError, MetricError) as error:
        broken = BrokenMetric(spec.plugin.require_card(), profile, scale)
        broken.variant, broken.key, broken.typed, broken.unavailable = spec.variant, spec.column, spec.typed, str(error)
        return broken
