"""Checks a plug-in against its contract, one named check at a time: an author sees all that is wrong at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import PluginError
from facesr_bench.base.toml import read_toml
from facesr_bench.evaluation.conformance.checks import Check, Expected
from facesr_bench.plugins import registry
from facesr_bench.plugins.loading import CARD_FILE
from facesr_bench.plugins.registry import Kind, Plugin

__all__ = ["Check", "Expected", "kind_of", "validate"]


def kind_of(folder: Path) -> Kind:
    """What a plug-in folder holds, by its module's name, or else by its card.

    Raises:
        PluginError: no card, or none of method.py, dataset.py, metric.py and degradation.py.
    """
    if not (folder / CARD_FILE).is_file():
        raise PluginError(f"{folder}: no {CARD_FILE} in it, so it is not a plug-in")
    for kind, module in registry.MODULES.items():
        if (folder / f"{module}.py").is_file():
            return kind
    stated = read_toml(folder / CARD_FILE).get("kind")
    if stated in registry.MODULES:
        return stated  # type: ignore[no-any-return]
    raise PluginError(f"{folder}: none of method.py, dataset.py, metric.py and degradation.py is in it")


def validate(
    plugin: Plugin[Any], weights: str | None = None, argument: str | None = None, expected: Expected | None = None
) -> Iterator[Check]:
    """Run every check of a plug-in, in an order where a failure explains the ones after it.

    Args:
        weights: which to use, by name or file (of a metric `NAME=FILE`); None: the default, or random ones where it
            is not on this machine.
        argument: what follows the colon, for plug-ins that take one.
        expected: the images that a method of finished pictures is to have; None: those that it has.
    """
    if plugin.card is None:
        yield Check("card", str(plugin.error))
        return
    yield Check("card")
    try:
        cls = plugin.load_class()
    except PluginError as error:
        yield Check("import", str(error), error.details)
        return
    yield Check("import")
    base = _base(plugin)
    problem = None if issubclass(cls, base) else f"class {cls.__name__} must derive from facesr_bench.{base.__name__}"
    yield Check("class", problem)
    if problem is None:
        yield from _checks_of_kind(plugin, cls, weights, argument, expected)


def _base(plugin: Plugin[Any]) -> type[Any]:
    from facesr_bench.plugins.dataset import DatasetBase
    from facesr_bench.plugins.degradation import DegradationBase
    from facesr_bench.plugins.method import MethodBase
    from facesr_bench.plugins.metric import MetricBase, SetMetric

    if plugin.kind == "metric":
        return SetMetric if plugin.require_card().of == "set" else MetricBase
    bases: dict[Kind, type[Any]] = {"method": MethodBase, "dataset": DatasetBase, "degradation": DegradationBase}
    return bases[plugin.kind]


def _checks_of_kind(
    plugin: Plugin[Any], cls: type[Any], weights: str | None, argument: str | None, expected: Expected | None
) -> Iterator[Check]:
    if plugin.kind == "method":
        from facesr_bench.evaluation.conformance.methods import check_method

        yield from check_method(plugin, cls, weights, argument, expected)
    elif plugin.kind == "metric":
        from facesr_bench.evaluation.conformance.metrics import check_metric

        yield from check_metric(plugin, cls, weights, argument)
    elif plugin.kind == "degradation":
        from facesr_bench.evaluation.conformance.degradations import check_degradation

        yield from check_degradation(plugin)
