"""Checks of degradations: two pictures through one, again, and with other seeds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facesr_bench.data import degradation
from facesr_bench.evaluation.conformance.checks import Check, all_of, faces, made
from facesr_bench.images.files import Image8
from facesr_bench.plugins.cards import DegradationCard
from facesr_bench.plugins.degradation import DegradationBase, make_degradation
from facesr_bench.plugins.registry import Plugin

_TRY_SCALES = (8, 4, 2, 1)


@dataclass(frozen=True)
class _Ready:
    made: DegradationBase
    random: bool
    first: Image8
    second: Image8

    def lr(self, hr: Image8, seed: int = 1) -> Image8:
        found: Image8 = degradation.apply(self.made, hr, seed)[0]
        return found


def check_degradation(plugin: Plugin[DegradationCard]) -> Iterator[Check]:
    """Make it, and look at what it makes of two pictures."""
    card = plugin.require_card()
    scale = (card.scales or _TRY_SCALES)[0]
    check, found = made("load", lambda: make_degradation(plugin, scale))
    yield check
    if found is not None:
        first, second = faces(16 * scale if scale > 1 else 64, 2)
        yield from all_of(_CHECKS, _Ready(found, card.random, first, second))


def _size(ready: _Ready) -> str | None:
    ready.lr(ready.first)  # which checks it
    return None


def _input_kept(ready: _Ready) -> str | None:
    kept = ready.first.copy()
    ready.lr(ready.first)
    return None if np.array_equal(kept, ready.first) else "degrade changed its input in place; copy it first"


def _parameters(ready: _Ready) -> str | None:
    drawn = degradation.apply(ready.made, ready.first, 1)[1]
    if not isinstance(drawn, dict):
        return f"degrade returned {type(drawn).__name__} for what was drawn; expected a dict"
    try:
        same = json.loads(json.dumps(drawn, allow_nan=False)) == drawn
    except (TypeError, ValueError) as error:
        return f"what was drawn can't be written as JSON: {error}"
    return None if same else "what was drawn does not come back from JSON as it was: use lists, and texts as keys"


def _determinism(ready: _Ready) -> str | None:
    expected = ready.lr(ready.first)
    ready.lr(ready.second, 2)  # what an object remembers must not matter
    same = np.array_equal(expected, ready.lr(ready.first))
    return None if same else "the same picture and seed gave another LR"


def _seeds(ready: _Ready) -> str | None:
    others = [ready.lr(ready.first, seed) for seed in (1, 2**40, 2**64 - 1)]
    changed = not all(np.array_equal(ready.lr(ready.first, 0), other) for other in others)
    if changed == ready.random:
        return None
    what = "another LR" if changed else "the same LR"
    return f"its card says random = {str(ready.random).lower()}, and other seeds gave {what}"


_CHECKS = {
    "size": _size,
    "input kept": _input_kept,
    "parameters": _parameters,
    "determinism": _determinism,
    "seeds": _seeds,
}
