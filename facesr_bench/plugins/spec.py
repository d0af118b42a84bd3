"""Which plug-in a user's text means, with its variant, argument and weights; `base.grammar` has the form."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from facesr_bench.base.errors import (
    PLUGIN_ERRORS,
    FaceSRBenchError,
    MetricError,
    PluginError,
    WeightsError,
    describe,
)
from facesr_bench.base.grammar import Column, Spec, split_list
from facesr_bench.base.process_state import World
from facesr_bench.base.suggest import unknown
from facesr_bench.plugins.argument import Argument
from facesr_bench.plugins.cards import MethodCard, MetricCard
from facesr_bench.plugins.doors import as_typed
from facesr_bench.plugins.registry import Plugin, Registry, methods, metrics

__all__ = ["MethodSpec", "MetricChoice", "parse_method", "parse_metric", "split_list", "suffix"]


@dataclass(frozen=True)
class MethodSpec:
    """One method as a user asked for it: `name`, `name@weights`, `./folder@FILE`, `label=name:argument`.

    Attributes:
        weights: a name from the card, or a file; None: the card's default.
        argument: what followed the colon of a method that takes an argument.
        label: what its row is to be called.
        text: all of it, as it was asked for.
    """

    plugin: Plugin[MethodCard]
    weights: str | None
    argument: str | None = None
    label: str | None = None
    text: str = field(default="", compare=False)

    def row(self, weights: str | None) -> str:
        """What its row is called under fp32.

        Args:
            weights: the name of those it runs with, or None.
        """
        if self.label is not None:
            return self.label
        name = self.plugin.name
        if self.argument is not None:
            name += f":{_short(self.argument)}"
        default = self.plugin.card.default_weights if self.plugin.card else None
        return name if weights is None or weights == default else f"{name}@{weights}"

    def opened(self) -> Argument | None:
        """What its argument is; None for a method without. Its code is imported for that.

        Raises:
            FaceSRBenchError: what the argument names is missing, or not what the method takes.
        """
        if self.argument is None:
            return None
        card, cls = self.plugin.require_card(), self.plugin.load_class()
        try:
            with World():
                return cls.open_argument(card, self.argument)  # type: ignore[no-any-return]
        except FaceSRBenchError:
            raise
        except PLUGIN_ERRORS as error:
            message = f"{card.name} can't open {self.argument}: {describe(error)}"
            raise PluginError(message, traceback.format_exc()) from error


def parse_method(text: str, registry: Registry[MethodCard] | None = None) -> MethodSpec:
    """The method that a user's text means.

    Args:
        registry: where names are looked up, and a plug-in's folder is added; by default the built-in methods and those
            of installed packages.

    Raises:
        PluginError: unknown or ambiguous name, a folder that holds no method, or parts that it does not have.
        CardError: the folder's card is wrong.
    """
    spec = Spec.parse(text)
    if spec.name == "hf":
        raise PluginError(_no_method_by_itself(spec))
    plugin = (registry or methods()).find(spec.name)
    if spec.variant is not None:
        raise PluginError(f"{plugin.name} is a method, and methods have no variants: {text!r} means nothing")
    takes_argument = plugin.card is not None and plugin.card.takes_argument
    if takes_argument and (spec.argument or "").startswith("hf:"):
        raise PluginError(_fetch_first(plugin.name, spec))
    if spec.argument is not None and plugin.card is not None and not takes_argument:
        raise PluginError(f"{plugin.name} takes no argument, so {text!r} means nothing; write {plugin.name}")
    if takes_argument and spec.argument is None:
        raise PluginError(f"{plugin.name} needs an argument: write {as_typed(plugin.require_card())}")
    weights = spec.weights if spec.file is None else f"{spec.weights}={spec.file}"
    return MethodSpec(plugin, weights, spec.argument, spec.label, text)


def _fetch_first(name: str, spec: Spec) -> str:
    """What to do with a file of the hub that stands where a file of this machine belongs."""
    file = f"{spec.argument}@{spec.weights}" if spec.weights is not None else f"{spec.argument}@COMMIT"
    return (
        f"{name}: takes a file of this machine; get that of the hub first, then name where it lies:\n"
        f"  facesr-bench weights fetch {file}\n"
        f'  facesr-bench run --methods {name}:"$(facesr-bench weights path {file})"'
    )


def _no_method_by_itself(spec: Spec) -> str:
    """What to do with a file of the hub that stands where a method belongs."""
    file = f"hf:{spec.argument or 'owner/repo/file'}{'@' + spec.weights if spec.weights else ''}"
    return (
        f"{file} is a file of weights, and no method by itself. Of a method here, it is METHOD@{file}; "
        "of an architecture that spandrel knows, or as an ONNX file:\n"
        f"  facesr-bench weights fetch {file}\n"
        f'  facesr-bench run --methods spandrel:"$(facesr-bench weights path {file})"'
    )


def _short(argument: str) -> str:
    """The last part of a path that is the same for every image: `gfpgan` of `out/gfpgan/{id}_00.png`."""
    parts = [part for part in Path(argument).parts if "{" not in part]
    return Path(*parts).name or argument


def check_labels(specs: Sequence[MethodSpec]) -> None:
    """Refuse a label that two rows would have.

    Raises:
        PluginError: names the label.
    """
    distinct = [spec for at, spec in enumerate(specs) if spec not in specs[:at]]
    rows = Counter(spec.row(spec.weights) for spec in distinct)
    for spec in specs:
        row = spec.row(spec.weights)
        if rows[row] > 1 and (spec.label is not None or spec.argument is not None):
            raise PluginError(
                f"two rows would be called {row!r}: give each a label of its own, as in LABEL={spec.text}"
            )


@dataclass(frozen=True)
class MetricChoice:
    """One metric as a user asked for it: `name`, `name[variant]`, `name:argument`, `name@network`, `name@network=FILE`.

    Attributes:
        variant: one of the card's variants: its default where none was given.
        argument: what followed the colon of a metric that takes an argument.
        network: one of the card's, as it was given, or None.
        file: the user's own file for that network.
        label: what tables are to call its column.
        aggregate: `auc-10`, where not the metric's own column was asked for but one made of its values.
        against: what a metric of sets compares with: `hr`, or the name of a reference set; None: as the run has it.
    """

    plugin: Plugin[MetricCard]
    variant: str | None = None
    argument: str | None = None
    network: str | None = None
    file: str | None = None
    label: str | None = None
    aggregate: str | None = None
    against: str | None = None

    def column(self, weights: str | None = None, reference: str | None = None) -> str:
        """What its column is called.

        Args:
            weights: what `MetricWeights.suffix` adds; by default what follows from the network's name, where its file
                is missing.
            reference: name of what a metric of sets compares with in place of the ground truth.
        """
        card = self.plugin.require_card()
        inner = ":".join(part for part in (self.variant, reference) if part) or None
        behind = suffix(card, self.network) if weights is None else weights
        return str(Column(card.name, inner, self.argument)) + behind

    @property
    def typed(self) -> str:
        """The shortest way to ask for it, with the bare name of a file of the user's."""
        if self.file is None:
            return self.column(reference=self.against)
        name = self.plugin.require_card().name
        inner = ":".join(part for part in (self.variant, self.against) if part) or None
        return str(Spec(name, inner, self.argument, self.network, Path(self.file).name))


def parse_metric(text: str, registry: Registry[MetricCard] | None = None) -> MetricChoice:
    """The metric that a user's text means; a column made of its values (`nme-dlib:auc-10`) means the metric.

    Args:
        registry: as in `parse_method`.

    Raises:
        PluginError: unknown or ambiguous name, or a folder that holds no metric.
        MetricError: the metric has no variant of that name, takes no argument, needs one, or is not of a set and can't
            be against a reference.
        WeightsError: the metric has no network of that name.
    """
    spec = Spec.parse(text)
    plugin = (registry or metrics()).find(spec.name)
    card = plugin.require_card()
    spec, aggregate = _without_aggregate(spec, card)
    named, _, against = (spec.variant or "").partition(":")
    variant = named or card.default_variant
    if against and card.of != "set":
        raise MetricError(f"{plugin.name} is computed image by image, so {text!r} can't be against {against}")
    if spec.variant is not None and not card.variants:
        raise MetricError(f"{plugin.name} has no variants, so {text!r} means nothing; write {plugin.name}")
    if card.variants and variant not in card.variants:
        raise MetricError(unknown(f"variant of {plugin.name}", str(variant), card.variants))
    if card.takes_argument and spec.argument is None:
        raise MetricError(f"{plugin.name} stands for many metrics: write {plugin.name}:NAME, as in {card.title}")
    if spec.argument is not None and not card.takes_argument:
        _refuse_column(card, spec.argument)
        raise MetricError(f"{plugin.name} takes no argument, so {text!r} means nothing; write {plugin.name}")
    if (column := (spec.weights or "").rpartition(":"))[0] in card.weights:
        _refuse_column(card, column[2])
    if spec.weights is not None and spec.weights not in card.weights:
        raise WeightsError(unknown(f"network of {plugin.name}", spec.weights, card.weights))
    return MetricChoice(plugin, variant, spec.argument, spec.weights, spec.file, spec.label, aggregate, against or None)


def _without_aggregate(spec: Spec, card: MetricCard) -> tuple[Spec, str | None]:
    """`nme@pfld-68` and `auc-10` of `nme@pfld-68:auc-10`, if the card has such a column."""
    if spec.argument is not None and card.makes_column(spec.argument):
        return replace(spec, argument=None), spec.argument
    for part in ("file", "weights"):
        text = getattr(spec, part)
        if text is not None:
            before, _, last = text.rpartition(":")
            made = bool(before) and card.makes_column(last) and not (part == "file" and Path(text).exists())
            return (replace(spec, **{part: before}), last) if made else (spec, None)
    return spec, None


def _refuse_column(card: MetricCard, name: str) -> None:
    """Of a metric with columns made of its values: what stands behind the colon is none of them."""
    if card.aggregates:
        raise MetricError(unknown(f"column made of the values of {card.name}", name, card.aggregates))


def suffix(card: MetricCard, network: str | None) -> str:
    """What a network adds to the column's name where its file is the published one, or is missing."""
    name = network or card.default_weights
    return "" if name == card.default_weights else f"@{name}"
