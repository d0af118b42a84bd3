"""Score images from Python: two arrays in, numbers out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench import plugins
from facesr_bench.cards import MetricCard
from facesr_bench.errors import STRANGERS, MetricError, PluginError, WeightsError
from facesr_bench.images import Image8, read_only
from facesr_bench.metric import MetricBase, SetMetric
from facesr_bench.metrics.convert import quantise
from facesr_bench.metrics.profiles import Profile, get_profile
from facesr_bench.plugins import Plugin, is_path, unknown
from facesr_bench.protocol import Sample
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
    _check_scale(scale)
    spec = parse_metric(name)
    card = spec.plugin.require_card()
    profile = get_profile(profile) if isinstance(profile, str) else profile
    cls = spec.plugin.load_class()
    try:
        metric: MetricBase = cls(card, profile, scale)
    except STRANGERS as error:
        raise MetricError(f"{name} can't be made: {type(error).__name__}: {error}") from error
    if not isinstance(metric, SetMetric if card.of == "set" else MetricBase):
        due = "SetMetric, since its card says of = 'set'" if card.of == "set" else "MetricBase"
        raise MetricError(f"{name}: class Metric must derive from facesr_bench.metric.{due}")
    metric.variant, metric.key, metric.typed = spec.variant, spec.column, spec.typed
    if card.weights or spec.network is not None:
        try:
            metric.weights = for_metrics.resolve(card, spec.network)
            metric.key = spec.base + metric.weights.suffix
        except WeightsError as error:
            metric.unavailable = str(error)
    try:
        metric.unavailable = metric.unavailable or metric.why_unavailable()
        metric.describe()
        if isinstance(metric, SetMetric) and metric.unavailable is None:
            str(metric.extractor)
    except STRANGERS as error:  # better here than in the middle of a run
        raise MetricError(f"{name} can't tell of itself: {type(error).__name__}: {error}") from error
    return metric


def _check_scale(scale: int) -> None:
    if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
        raise MetricError(f"scale must be a whole number from 1 up, not {scale!r}")


class BrokenMetric(MetricBase):
    """Stands in a run for a metric whose plug-in can't be imported: its column stays, with the reason."""

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


@dataclass(frozen=True)
class MetricChoice:
    """One metric as a user asked for it: `name`, `name[variant]`, `name:variant`, `name@network`, `name@network=FILE`.

    Attributes:
        variant: one of the card's variants (its default where none was given), or whatever followed the colon of a
            metric that takes any.
        network: what followed the @, or none.
    """

    plugin: Plugin[MetricCard]
    variant: str | None
    network: str | None

    @property
    def base(self) -> str:
        """The column's name less its network."""
        card = self.plugin.require_card()
        if self.variant is None:
            return card.name
        return f"{card.name}:{self.variant}" if card.open_variants else f"{card.name}[{self.variant}]"

    @property
    def column(self) -> str:
        """What the column is called where the network's file is missing."""
        return self.base + for_metrics.suffix(self.plugin.require_card(), self.network)

    @property
    def typed(self) -> str:
        """The shortest way to ask for it, with the bare name of a file of the user's."""
        name, equals, file = (self.network or "").partition("=")
        if equals:
            return f"{self.base}@{name}={Path(file).name}"
        return self.column


def parse_metric(text: str) -> MetricChoice:
    """The metric that a user's text means; a plug-in's folder is added to the registry.

    Raises:
        PluginError: unknown or ambiguous name, or a folder that holds no metric.
        MetricError: the metric has no variant of that name, or needs one.
        WeightsError: the metric has no network of that name.
    """
    named, at, network = text.partition("@")
    if is_path(named):
        plugin, variant = plugins.metrics().find(named), None
    else:
        found = re.fullmatch(r"([^\[\]:]+)(?:\[([^\[\]]*)\]|:(.*))?", named)
        if found is None:
            raise MetricError(f"{text!r}: write a metric as name, name[variant], name:variant or name@network")
        plugin, variant = plugins.metrics().find(found[1]), found[2] if found[2] is not None else found[3]
    card = plugin.require_card()
    if card.variants:
        variant = card.default_variant if variant is None else variant
        if variant not in card.variants:
            raise MetricError(unknown(f"variant of {plugin.name}", str(variant), card.variants))
    elif card.open_variants and not variant:
        raise MetricError(f"{plugin.name} stands for many metrics: write {plugin.name}:NAME, as in {card.title}")
    elif variant is not None and not card.open_variants:
        raise MetricError(f"{plugin.name} has no variants, so {text!r} means nothing; write {plugin.name}")
    if at and network.partition("=")[0] not in card.weights:
        raise WeightsError(unknown(f"network of {plugin.name}", network.partition("=")[0], card.weights))
    return MetricChoice(plugin, variant, network if at else None)


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
    image = read_only(sr if sr.dtype == np.uint8 else quantise(sr, chosen.quantise))
    values = {}
    for name in metrics:
        metric = load_metric(name, chosen, scale)
        if metric.unavailable is not None:
            raise MetricError(f"{metric.key}: {metric.unavailable}")
        if isinstance(metric, SetMetric):
            raise MetricError(f"{metric.key} has a value for a set of images only; use `facesr-bench score` on folders")
        if missing := {"landmarks", "input"} & set(metric.card.needs):
            raise MetricError(f"{metric.key} needs {missing.pop()} too; run it on a protocol that has it")
        metric.load()
        values[metric.key] = metric.per_image(image, metric.prepare_sample(Sample("image", lr=hr, hr=hr)))
    return values
