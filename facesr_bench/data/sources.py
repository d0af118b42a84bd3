"""Where real data lies on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from facesr_bench.base.config import CONFIG_FILE, Place, all_places, strays
from facesr_bench.base.errors import PLUGIN_ERRORS, DataError, FaceSRBenchError, PluginError, describe
from facesr_bench.base.process_state import World
from facesr_bench.base.suggest import expanded, unknown
from facesr_bench.data.protocols import Datasets, find_protocol, protocol_names
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import DatasetCard, ProtocolCard
from facesr_bench.plugins.dataset import DatasetBase

ENVIRONMENT_PREFIX = "FACESR_BENCH_DATA_"


def resolve(
    protocol_name: str, dataset_name: str, given: Mapping[str, Path], datasets: Datasets | None = None
) -> Path | None:
    """The data of a protocol: the first of these places that names it, or None.

    1. `given` (the command line's `--data NAME=PATH`),
    2. the environment variable FACESR_BENCH_DATA_NAME, the name in capitals and every other character an underscore,
    3. the table [data] of ./facesr-bench.toml,
    4. that of $XDG_CONFIG_HOME/facesr-bench/config.toml ($XDG_CONFIG_HOME is ~/.config by default).

    In each, the protocol's name is looked up before the dataset's. `~` is the home folder; a relative path in a config
    file is relative to that file.

    Raises:
        DataError: `given` has a name that is no protocol or dataset, or the path found doesn't exist; says where it
            came from.
        CardError: a config file is not valid TOML.
    """
    check_names(given, datasets)
    for source, path in _candidates((protocol_name, dataset_name), given):
        if not path.exists():
            raise DataError(f"{path}: no such file or folder (data of {protocol_name}, from {source})")
        return path
    return None


def open_dataset(
    protocol_name: str, given: Mapping[str, Path], datasets: Datasets | None = None
) -> tuple[DatasetBase, ProtocolCard]:
    """The reader of a protocol's data, and the protocol.

    Args:
        datasets: as for `find_protocol`.

    Raises:
        PluginError: no such protocol, or its dataset's code fails to import.
        DataError: its data is not given, with how to get it; or what `resolve` raises.
    """
    plugin, protocol = find_protocol(protocol_name, datasets)
    card = plugin.require_card()
    root = None
    if card.needs_data:
        root = resolve(protocol_name, card.name, given, datasets)
        if root is None:
            raise DataError(_how_to_get(protocol, card, _known(datasets)))
    else:
        check_names(given, datasets)
        if given.keys() & {protocol_name, card.name}:
            raise DataError(f"dataset {card.name} brings its own data; leave out --data for it")
    with World(seeded=True):
        dataset = plugin.load_class()(card, root)
    if not isinstance(dataset, DatasetBase):
        raise PluginError(f"{plugin.folder}: class Dataset must derive from facesr_bench.plugins.dataset.DatasetBase")
    return dataset, protocol


def why_not_ready(protocol_name: str, given: Mapping[str, Path]) -> str | None:
    """None where the protocol's data is there, in the layout its card describes; otherwise what is wrong.

    Lists the items and reads no pixels.
    """
    try:
        dataset, protocol = open_dataset(protocol_name, given)
        with World(seeded=True):
            dataset.items(protocol)
    except FaceSRBenchError as error:
        return str(error)
    except PLUGIN_ERRORS as error:
        return describe(error)
    return None


def is_given(protocol_name: str, dataset_name: str, given: Mapping[str, Path]) -> bool:
    """Whether any of the places that `resolve` looks in names the protocol's data."""
    return next(_candidates((protocol_name, dataset_name), given), None) is not None


def variable_of(name: str) -> str:
    """The environment variable for the data of a protocol or dataset."""
    return ENVIRONMENT_PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())


def check_names(given: Mapping[str, Path], datasets: Datasets | None = None) -> None:
    """Refuse a `--data` name that is no protocol or dataset.

    Raises:
        DataError: suggests the name that was meant.
    """
    known = _known(datasets)
    for name in given:
        if name not in known:
            raise DataError(f"--data {name}=...: {unknown('protocol or dataset', name, known)}")


def _known(datasets: Datasets | None) -> set[str]:
    datasets = datasets or registry.datasets()
    return {*protocol_names(datasets), *datasets.names()}


def _candidates(names: tuple[str, str], given: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for name in names:
        if name in given:
            yield f"--data {name}=...", expanded(given[name])
    for name in names:
        if value := os.environ.get(variable_of(name)):
            yield f"environment variable {variable_of(name)}", expanded(value)
    by_file: dict[Path, dict[str, Place]] = {}
    for place in all_places("data"):
        by_file.setdefault(place.file, {})[place.name] = place
    for written in by_file.values():
        for name in names:
            if name in written:
                yield str(written[name]), written[name].path


def _how_to_get(protocol: ProtocolCard, card: DatasetCard, known: set[str]) -> str:
    notes = [
        f"note: [data] in {place.file} has {place.name!r}, which is no protocol or dataset\n"
        for place in sorted(all_places("data"), key=lambda place: place.name)
        if place.name not in known
    ]
    notes += [f"note: {text}\n" for text in strays()]
    return (
        f"protocol {protocol.name} needs data that was not given: --data {protocol.name}=DIR\n"
        f"(or environment variable {variable_of(protocol.name)}, or [data] in {CONFIG_FILE})\n"
        f"{''.join(notes)}"
        f"how to get it:\n{_indented(card.obtain)}\n"
        f"what DIR must hold:\n{_indented(card.layout)}"
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())
