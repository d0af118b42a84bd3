"""The methods that can run on this machine as they are, and what a protocol asks that one of them can't do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from facesr_bench.base.errors import FaceSRBenchError
from facesr_bench.base.grammar import Spec
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import MethodCard, ProtocolCard
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.spec import parse_method
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


def suited(
    methods: Sequence[str], by_all: Collection[str], protocol: ProtocolCard, *, assume_aligned: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """What of the methods a protocol is run with; and why each of the others can't do what it asks, by its name.

    Args:
        methods: as `expand` returned them.
        by_all: those among them that only `all` stands for. One that was named is never left out: it fails, with words.
    """
    left_out: dict[str, str] = {}
    for name in by_all:
        why = _objection(parse_method(name).plugin.require_card(), protocol, assume_aligned)
        if why is not None:
            left_out[name] = why
    return tuple(method for method in methods if method not in left_out), dict(sorted(left_out.items()))


def _objection(card: MethodCard, protocol: ProtocolCard, assume_aligned: bool) -> str | None:
    """Why a method can't run on any image of a protocol, as their cards have it."""
    if card.scales and protocol.scale not in card.scales:
        return f"it does {', '.join(f'x{scale}' for scale in card.scales)}"
    side = protocol.hr_size or protocol.crop.size
    if side is None and protocol.lr_size is not None:
        side = protocol.lr_size * protocol.scale
    if card.output_size is not None and side is not None and side != card.output_size:
        return f"it makes {card.output_size} px"
    if card.needs_ffhq_alignment and protocol.aligned != "ffhq" and not assume_aligned:
        return "it needs faces aligned as in FFHQ"
    return None


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


def is_ready(plugin: Plugin[MethodCard]) -> bool:
    """True for a method without weights, or whose default weights are on this machine, verified.

    A method that needs an argument of its user is not.
    """
    card = plugin.card
    if card is None or card.takes_argument:
        return False
    try:
        resolve_method(plugin, None)
    except FaceSRBenchError:
        return False
    return True
