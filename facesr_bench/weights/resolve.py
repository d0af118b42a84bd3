"""The file that `method@weights` or `metric@network` means, found and verified."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.base.errors import WeightsError
from facesr_bench.base.hashing import changed, digest, hash_file
from facesr_bench.base.suggest import expanded, unknown
from facesr_bench.plugins.cards import MethodCard, MetricCard, WeightsCard
from facesr_bench.plugins.metric import MetricWeights
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.spec import suffix
from facesr_bench.weights import hub
from facesr_bench.weights.catalogue import hub_entry, method_entry, method_spec, written
from facesr_bench.weights.store import require, trust

_OF_TRAININGS = frozenset({"best.safetensors", "last.safetensors"})
"""What `facesr-bench train` calls the weights that it writes beside its log."""


@dataclass(frozen=True)
class Weights:
    """One checkpoint, found and verified.

    Attributes:
        name: the card's name for it, or `file.pth:1a2b3c4d` (with the hash's first 8 digits) for a user's own file.
        path: the file.
        sha256: of the file.
        card: None for a user's own file.
        logs: of the stages of its training, where there are any: as the card says, or `log.jsonl` beside a user's file.
    """

    name: str
    path: Path
    sha256: str
    card: WeightsCard | None
    logs: tuple[Path, ...] = ()

    @property
    def training_data(self) -> str:
        """What they were trained on, as the card says, or that nothing says it."""
        return self.card.training_data if self.card else "not stated (a file given by path)"


def location(plugin: Plugin[MethodCard], name: str) -> Path:
    """Where the checkpoint that the card calls `name` is, or would be once fetched."""
    card = plugin.require_card().weights[name]
    return plugin.folder / card.file if card.file is not None else method_entry(plugin, name).path


def shipped_path(name: str) -> Path | None:
    """The verified file of weights that come with their method (`method`, `method@weights`); None for any others.

    Raises:
        WeightsError: the file is missing, or is another.
    """
    spec = method_spec(name)
    if spec is None:
        return None
    card = spec.plugin.require_card()
    wanted = spec.weights or card.default_weights
    if wanted not in card.weights or card.weights[wanted].file is None:
        return None
    return _shipped(spec.plugin, wanted, card.weights[wanted]).path


def resolve_method(plugin: Plugin[MethodCard], given: str | None) -> Weights | None:
    """The checkpoint that `method@given` means; the card's default where nothing is given.

    Returns:
        None for a method without weights.

    Raises:
        WeightsError: unknown name, missing file (says how to get it), or wrong hash.
    """
    method = plugin.require_card()
    if not method.weights and given is None:
        return None
    name = given if given is not None else method.default_weights
    assert name is not None  # a card with weights has a default
    if name in method.weights:
        card = method.weights[name]
        return _published(plugin, name, card) if card.file is None else _shipped(plugin, name, card)
    if hub.is_hub(name):
        return _from_hub(plugin, name)
    own = written(f"{method.name}@{name}")
    path = own.path if own else expanded(name)
    if path.is_file():
        found = hash_file(path)
        beside = path.parent / "log.jsonl"
        logs = (beside,) if path.name in _OF_TRAININGS and beside.is_file() else ()
        return Weights(f"{name if own else path.name}:{found[:8]}", path, found, None, logs)
    if own:
        raise WeightsError(f"{method.name}@{name}: no such file: {path} ({own})")
    if os.sep in name or path.suffix:
        raise WeightsError(f"{method.name}@{name}: no such file")
    if not method.weights:
        raise WeightsError(f"{method.name} has no weights, so {method.name}@{name} means nothing")
    message = unknown(f"weights of {method.name}", name, method.weights)
    raise WeightsError(f"{message}\n  or give a file: {method.name}@/path/to/checkpoint.pth")


def _shipped(plugin: Plugin[MethodCard], name: str, card: WeightsCard) -> Weights:
    path = location(plugin, name)
    label = f"{plugin.name}@{name}"
    written(label)  # a config file can't give another
    if not path.is_file():
        raise WeightsError(f"{label}: {path} is missing from the installation; install facesr-bench again")
    found = digest(path)
    if card.sha256 is not None and found != card.sha256:
        raise WeightsError(
            f"{path}: this is not the file that {label} names: its sha256 is {found}, expected {card.sha256}; "
            "remove it and get it again"
        )
    return Weights(name, path, found, card, tuple(plugin.folder / log for log in card.logs))


def _from_hub(plugin: Plugin[MethodCard], name: str) -> Weights:
    """A file of the hub that the user named, fetched before."""
    entry = hub_entry(name)
    status = trust(entry)
    if not status.usable:
        said = status.problem or "it is not on this machine"
        raise WeightsError(f"{plugin.name}@{name}: {said}; get it:  facesr-bench weights fetch {name}")
    return Weights(f"{entry.file}:{status.sha256[:8]}", entry.path, status.sha256, None)


def _published(plugin: Plugin[MethodCard], name: str, card: WeightsCard) -> Weights:
    entry = method_entry(plugin, name)
    status = trust(entry)
    if status.verdict == "missing":
        raise WeightsError(
            f"the weights {entry.name} are not on this machine.\n"
            f"  get them:  facesr-bench weights fetch {entry.typed}  ({card.licence})\n"
            f"  or by hand:  {card.url}  then  facesr-bench weights import {entry.file}\n"
            f"  they belong here:  {entry.path}\n"
            f"  or name a file elsewhere:  {plugin.name}@/path/to/{entry.file}"
        )
    if not status.usable:
        raise WeightsError(
            f"{entry.path}: this is not the file that {entry.name} names: {status.problem}; "
            f"get it again:  facesr-bench weights fetch {entry.typed}"
        )
    return Weights(name, entry.path, status.sha256, card, tuple(plugin.folder / log for log in card.logs))


def resolve_metric(card: MetricCard, network: str | None, file: str | None = None) -> MetricWeights:
    """The network that `metric@network` or `metric@network=file` means.

    Args:
        network: one of the card's; None: its default.
        file: the user's own; None: the one in the store.

    Raises:
        WeightsError: unknown name, or a file that is missing or wrong; says what to do.
    """
    name = network or card.default_weights
    if name is None:
        raise WeightsError(f"{card.name} has no networks to choose from")
    if name not in card.weights:
        raise WeightsError(unknown(f"network of {card.name}", name, card.weights))
    entry = card.weights[name]
    own = written(f"{card.name}@{name}")
    if file or own:
        path = own.path if own and not file else expanded(file or "")
        if not path.is_file():
            raise WeightsError(f"{card.name}@{name}={file or own}: no such file: {path}")
        sha256 = _with_its_card(path)
        return MetricWeights(name, f"@{name}:{sha256[:8]}", path, sha256)
    if entry.store is None:
        raise WeightsError(f"{card.name}@{name} needs its file: write {card.name}@{name}=/path/to/file")
    path = require(entry.store)
    return MetricWeights(name, suffix(card, network), path, digest(path))


def check_metric_unchanged(weights: MetricWeights) -> None:
    """Read a metric's network again, as `base.hashing.check_unchanged` does.

    Raises:
        WeightsError: it has changed behind its size and date.
    """
    alone = digest(weights.path, fresh=True)
    if weights.sha256 not in (alone, _with_its_card(weights.path, fresh=True)):
        raise changed(weights.path)


def _with_its_card(path: Path, *, fresh: bool = False) -> str:
    """The hash of a network and of the FILE.toml that says how it wants its input, see facesr_bench.faces."""
    sha256 = digest(path, fresh=fresh)
    beside = path.with_name(path.name + ".toml")
    if not beside.is_file():
        return sha256
    return hashlib.sha256(f"{sha256} {digest(beside, fresh=fresh)}".encode()).hexdigest()
