"""What the user typed after --methods: `name`, `name@weights`, `./folder`, `./folder@weights`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.base.errors import MetricError, WeightsError
from facesr_bench.base.suggest import is_path, unknown
from facesr_bench.plugins.cards import MethodCard, MetricCard
from facesr_bench.plugins.loading import CARD_FILE
from facesr_bench.plugins.registry import Plugin, Registry, methods, metrics


@dataclass(frozen=True)
class MethodSpec:
    """One method with the weights the user asked for (None: the card's default).

    Attributes:
        text: as it was asked for.
    """

    plugin: Plugin[MethodCard]
    weights: str | None
    text: str = ""


def split_list(values: Iterable[str]) -> list[str]:
    """`["a,b", "c"]` -> `["a", "b", "c"]`, without repeats."""
    parts = (part.strip() for value in values for part in value.split(","))
    return list(dict.fromkeys(part for part in parts if part))


def parse_method(spec: str, registry: Registry[MethodCard] | None = None) -> MethodSpec:
    """Find the method that `spec` means; a folder is added to the registry.

    Raises:
        PluginError: unknown or ambiguous name, or a folder that holds no method.
        CardError: the folder's card is wrong.
    """
    registry = registry or methods()
    if is_path(spec) and (Path(spec).expanduser() / CARD_FILE).is_file():  # its name may hold an @
        return MethodSpec(registry.find(spec), None, spec)
    name, at, weights = spec.partition("@")
    return MethodSpec(registry.find(name), weights if at else None, spec)


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
        return self.base + suffix(self.plugin.require_card(), self.network)

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
        plugin, variant = metrics().find(named), None
    else:
        found = re.fullmatch(r"([^\[\]:]+)(?:\[([^\[\]]*)\]|:(.*))?", named)
        if found is None:
            raise MetricError(f"{text!r}: write a metric as name, name[variant], name:variant or name@network")
        plugin, variant = metrics().find(found[1]), found[2] if found[2] is not None else found[3]
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


def suffix(card: MetricCard, given: str | None) -> str:
    """What `@given` adds to the column's name where the file itself is missing."""
    name = (given or "").partition("=")[0] or card.default_weights
    return "" if name == card.default_weights else f"@{name}"
