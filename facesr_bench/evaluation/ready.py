"""The methods that can run on this machine as they are."""

from __future__ import annotations

from collections.abc import Sequence

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import MethodCard
from facesr_bench.plugins.registry import Plugin
from facesr_bench.weights import resolve_method

ALL = "all"
"""Among the methods asked for: every one that is ready."""


def expand(methods: Sequence[str]) -> tuple[str, ...]:
    """`methods`, with `all` replaced by the name of every ready method that is not named beside it.

    Raises:
        FaceSRBenchError: `all` was asked for, and none is ready.
    """
    if ALL not in methods:
        return tuple(methods)
    found = [plugin.name for plugin in registry.methods().plugins if is_ready(plugin)]
    if not found:
        raise FaceSRBenchError("no method is ready to run; see `facesr-bench list methods`")
    named = [method for method in methods if method != ALL]
    return tuple(dict.fromkeys([*named, *sorted(found)]))


def is_ready(plugin: Plugin[MethodCard]) -> bool:
    """True for a method without weights, or whose default weights are on this machine, verified.

    A method that needs something of its user is not: an argument, or faces aligned as in FFHQ.
    """
    card = plugin.card
    if card is None or card.takes_argument or card.needs_ffhq_alignment:
        return False
    try:
        resolve_method(plugin, None)
    except FaceSRBenchError:
        return False
    return True
