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
    """One method with the weights the user asked for (none: the card's default)."""

    plugin: Plugin[MethodCard]
    weights: str | None


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
        return MethodSpec(registry.find(spec), None)
    name, at, weights = spec.partition("@")
    return MethodSpec(registry.find(name), weights if at else None)


@dataclass(frozen=True)
class MetricChoice:
    """One metric as a user asked for it: `name`, `name[variant]`, `name:argument`, `name@network`, `name@network=FILE`.

    Attributes:
        variant: one of the card's variants: its default where none was given.
        argument: what followed the colon of a metric that takes an argument.
        network: what followed the @, or None.
    """

    plugin: Plugin[MetricCard]
    variant: str | None
    argument: str | None
    network: str | None

    def base(self, reference: str | None = None) -> str:
        """The column's name less its network.

        Args:
            reference: name of what a metric of sets compares with in place of the ground truth.
        """
        inner = ":".join(part for part in (self.variant, reference) if part)
        name = self.plugin.require_card().name
        name = f"{name}[{inner}]" if inner else name
        return f"{name}:{self.argument}" if self.argument else name

    def column(self, reference: str | None = None) -> str:
        """What the column is called where the network's file is missing."""
        return self.base(reference) + suffix(self.plugin.require_card(), self.network)

    @property
    def typed(self) -> str:
        """The shortest way to ask for it, with the bare name of a file of the user's."""
        name, equals, file = (self.network or "").partition("=")
        if equals:
            return f"{self.base()}@{name}={Path(file).name}"
        return self.column()


def parse_metric(text: str) -> MetricChoice:
    """The metric that a user's text means; a plug-in's folder is added to the registry.

    Raises:
        PluginError: unknown or ambiguous name, or a folder that holds no metric.
        MetricError: the metric has no variant of that name, or needs one.
        WeightsError: the metric has no network of that name.
    """
    named, at, network = text.partition("@")
    variant: str | None = None
    argument: str | None = None
    if is_path(named):
        plugin = metrics().find(named)
    else:
        found = re.fullmatch(r"([^\[\]:]+)(?:\[([^\[\]]*)\])?(?::(.*))?", named)
        if found is None:
            raise MetricError(f"{text!r}: write a metric as name, name[variant], name:argument or name@network")
        plugin, variant, argument = metrics().find(found[1]), found[2], found[3]
    card = plugin.require_card()
    if card.variants:
        variant = card.default_variant if variant is None else variant
        if variant not in card.variants:
            raise MetricError(unknown(f"variant of {plugin.name}", str(variant), card.variants))
    elif variant is not None:
        raise MetricError(f"{plugin.name} has no variants, so {text!r} means nothing; write {plugin.name}")
    if card.takes_argument and not argument:
        raise MetricError(f"{plugin.name} stands for many metrics: write {plugin.name}:NAME, as in {card.title}")
    if argument is not None and not card.takes_argument:
        raise MetricError(f"{plugin.name} takes no argument, so {text!r} means nothing; write {plugin.name}")
    if at and network.partition("=")[0] not in card.weights:
        raise WeightsError(unknown(f"network of {plugin.name}", network.partition("=")[0], card.weights))
    return MetricChoice(plugin, variant, argument, network if at else None)


def suffix(card: MetricCard, given: str | None) -> str:
    """What `@given` adds to the column's name where the file itself is missing."""
    name = (given or "").partition("=")[0] or card.default_weights
    return "" if name == card.default_weights else f"@{name}"
