"""What the user typed after --methods: `name`, `name@weights`, `./folder`, `./folder@weights`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facesr_bench import plugins
from facesr_bench.cards import MethodCard
from facesr_bench.plugins import CARD_FILE, Plugin, Registry, is_path


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
    registry = registry or plugins.methods()
    if is_path(spec) and (Path(spec).expanduser() / CARD_FILE).is_file():  # its name may hold an @
        return MethodSpec(registry.find(spec), None)
    name, at, weights = spec.partition("@")
    return MethodSpec(registry.find(name), weights if at else None)
