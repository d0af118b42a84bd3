"""The methods that can run on this machine as they are."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.grammar import Spec
from facesr_bench.data.protocols import expand_protocols, find_protocol
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.spec import parse_method
from facesr_bench.weights import resolve_method

ALL = "all"
"""Among the methods asked for: every one that is ready."""


def expand(methods: Sequence[str], protocols: Sequence[str] = ()) -> tuple[str, ...]:
    """`methods`, with `all` replaced by the name of every ready method that is not named beside it.

    Args:
        protocols: as they are asked for; a method that can't do the scale of each is not among all.

    Raises:
        FaceSRBenchError: `all` was asked for, and none is ready; or there is no such protocol.
    """
    if ALL not in methods:
        return tuple(methods)
    datasets = registry.datasets()
    scales = {find_protocol(name, datasets)[1].scale for name in expand_protocols(protocols, datasets)}
    found = [plugin.name for plugin in registry.methods().plugins if is_ready(plugin, scales)]
    if not found:
        raise FaceSRBenchError("no method is ready to run; see `facesr-bench list methods`")
    named = [method for method in methods if method != ALL]
    return tuple(dict.fromkeys([*named, *sorted(found)]))


def with_suffix(methods: Sequence[str], suffix: str | None) -> tuple[str, ...]:
    """`methods`, with a suffix written into the arguments that may end in a pattern and don't: `DIR` -> `DIR/{id}_00`.

    Raises:
        FaceSRBenchError: there is a suffix and no such method.
    """
    if suffix is None:
        return tuple(methods)
    specs = [Spec.parse(method) for method in methods]
    taking = [parse_method(method).plugin.require_card().takes_pattern for method in methods]
    if not any(taking):
        raise FaceSRBenchError(f"--suffix {suffix} is about finished pictures, and no method asked for takes any")
    bare = [takes and "{" not in str(spec.argument) for spec, takes in zip(specs, taking, strict=True)]
    return tuple(
        str(replace(spec, argument=f"{spec.argument}/{{id}}{suffix}")) if write else text
        for text, spec, write in zip(methods, specs, bare, strict=True)
    )


def is_ready(plugin: Plugin[MethodCard], scales: Set[int] = frozenset()) -> bool:
    """True for a method without weights, or whose default weights are on this machine, verified.

    A method that needs something of its user is not: an argument, or faces aligned as in FFHQ.

    Args:
        scales: what it must be able to do.
    """
    card = plugin.card
    if card is None or card.takes_argument or card.needs_ffhq_alignment:
        return False
    if card.scales and not scales <= set(card.scales):
        return False
    try:
        resolve_method(plugin, None)
    except FaceSRBenchError:
        return False
    return True
