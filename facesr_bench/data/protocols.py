"""How protocols are found by name, among the cards of all datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from facesr_bench.base import suggest
from facesr_bench.base.errors import PluginError
from facesr_bench.base.suggest import unknown
from facesr_bench.plugins import registry
from facesr_bench.plugins.absent import why_absent
from facesr_bench.plugins.cards import DatasetCard, ProtocolCard
from facesr_bench.plugins.loading import CARD_FILE
from facesr_bench.plugins.registry import Plugin, Registry

Datasets = Registry[DatasetCard]


def catalogue(specs: Sequence[str]) -> Datasets:
    """The built-in datasets, those of installed packages, and those whose folders the specs of protocols name.

    Raises:
        PluginError, CardError: as `expand_protocols`.
    """
    datasets = registry.datasets()
    expand_protocols(specs, datasets)
    return datasets


def find_protocol(name: str, datasets: Datasets | None = None) -> tuple[Plugin[DatasetCard], ProtocolCard]:
    """The protocol called `name`, and the dataset whose card defines it.

    Args:
        datasets: where to look; by default the built-in ones and those of installed packages.

    Raises:
        PluginError: there is none (with a suggestion), or two datasets define it (names both).
    """
    datasets = datasets or registry.datasets()
    found = [plugin for plugin, protocol in _protocols(datasets) if protocol.name == name]
    if len(found) > 1:
        places = "\n".join(f"  dataset {plugin.name} in {plugin.folder} ({plugin.source})" for plugin in found)
        raise PluginError(f"{len(found)} datasets define protocol {name!r}; rename it in one of their cards:\n{places}")
    if not found:
        message = unknown("protocol", name, protocol_names(datasets))
        broken = [f"\n  dataset not readable: {plugin.error}" for plugin in datasets.plugins if plugin.card is None]
        raise PluginError(message + why_absent(name) + "".join(broken))
    plugin = found[0]
    return plugin, plugin.require_card().protocols[name]


def expand_protocols(specs: Sequence[str], datasets: Datasets) -> list[str]:
    """Protocol names; a dataset's folder (`./mydata`) stands for all its protocols, `./mydata:NAME` for one.

    Args:
        datasets: where names are looked up, and datasets given by folder are added.

    Raises:
        PluginError: the folder holds no dataset, or not that protocol.
        CardError: its card is wrong.
    """
    names: list[str] = []
    for spec in specs:
        folder, _, wanted = spec.partition(":")
        if not suggest.is_path(spec):
            if spec not in protocol_names(datasets) and (Path(folder) / CARD_FILE).is_file():
                raise PluginError(f"no protocol is called {spec!r}; for the folder of that name write ./{spec}")
            names.append(spec)
            continue
        plugin = datasets.find(folder)
        known = plugin.require_card().protocols
        if wanted and wanted not in known:
            raise PluginError(unknown(f"protocol of {plugin.name}", wanted, known))
        names += [wanted] if wanted else list(known)
    return list(dict.fromkeys(names))


def protocol_names(datasets: Datasets | None = None) -> list[str]:
    """Every protocol of every dataset whose card can be read, sorted."""
    return sorted({protocol.name for _, protocol in _protocols(datasets or registry.datasets())})


def aligned_protocols(datasets: Datasets | None = None) -> list[str]:
    """Every protocol whose faces are aligned as in FFHQ, sorted."""
    known = _protocols(datasets or registry.datasets())
    return sorted({protocol.name for _, protocol in known if protocol.aligned == "ffhq"})


def _protocols(datasets: Datasets) -> Iterator[tuple[Plugin[DatasetCard], ProtocolCard]]:
    for plugin in datasets.plugins:
        if plugin.card is not None:
            for protocol in plugin.card.protocols.values():
                yield plugin, protocol
