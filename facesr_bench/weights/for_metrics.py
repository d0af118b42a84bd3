"""The network that `metric@weights` means."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facesr_bench.cards import MetricCard
from facesr_bench.errors import WeightsError
from facesr_bench.plugins import unknown
from facesr_bench.weights.cache import digest
from facesr_bench.weights.store import require


@dataclass(frozen=True)
class MetricWeights:
    """One network of a metric, found and verified.

    Attributes:
        name: the card's name for it.
        suffix: what it adds to the column's name: nothing for the default, `@vgg`, `@mobilefacenet-ms1m:1a2b3c4d` (the
            hash's first digits, for a file that the user gave).
        path: the file.
        sha256: of the file, and of the FILE.toml beside one that the user gave.
        options: what the card says of it, for the metric's class.
    """

    name: str
    suffix: str
    path: Path
    sha256: str
    options: dict[str, Any] = field(default_factory=dict)


def suffix(card: MetricCard, given: str | None) -> str:
    """What `@given` adds to the column's name where the file itself is missing."""
    name = (given or "").partition("=")[0] or card.default_weights
    return "" if name == card.default_weights else f"@{name}"


def resolve(card: MetricCard, given: str | None) -> MetricWeights:
    """The network that `metric@given` means: `NAME` from the store, or `NAME=FILE`.

    Raises:
        WeightsError: unknown name, or a file that is missing or wrong; says what to do.
    """
    if not card.weights:
        raise WeightsError(f"{card.name} has no networks to choose from, so {card.name}@{given} means nothing")
    name, _, file = (given or card.default_weights or "").partition("=")
    if name not in card.weights:
        raise WeightsError(unknown(f"network of {card.name}", name, card.weights))
    entry = card.weights[name]
    if file:
        path = Path(file).expanduser()
        if not path.is_file():
            raise WeightsError(f"{card.name}@{given}: no such file: {path}")
        sha256 = digest(path)
        beside = path.with_name(path.name + ".toml")  # says how the network wants its input, see facesr_bench.faces
        if beside.is_file():
            sha256 = hashlib.sha256(f"{sha256} {digest(beside)}".encode()).hexdigest()
        return MetricWeights(name, f"@{name}:{sha256[:8]}", path, sha256, entry.options)
    if entry.store is None:
        raise WeightsError(f"{card.name}@{name} needs its file: write {card.name}@{name}=/path/to/file")
    path = require(entry.store)
    return MetricWeights(name, suffix(card, given), path, digest(path), entry.options)
