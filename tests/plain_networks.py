"""Networks as their checkpoints have them, nothing folded: what a paper's own scripts run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facesr_bench.plugins import registry
from facesr_bench.plugins.method import MethodContext
from facesr_bench.weights import load_strictly, resolve_method


def plain(name: str, weights: Path | None = None) -> Any:
    """The network of a method, which is its attribute `network` until it is made ready; in float32, for evaluation.

    Args:
        weights: a checkpoint; None for the method's own.
    """
    plugin = registry.methods().get(name)
    card = plugin.require_card()
    network = plugin.load_class()(MethodContext(card, scale=8)).network
    found = resolve_method(plugin, None if weights is None else str(weights))
    assert found is not None
    load_strictly(network, found.path, name)
    return network.eval().requires_grad_(False)
