"""The places that a person writes down once: the tables of ./facesr-bench.toml, and of the one in the home folder.

    [data]                          # of datasets and protocols
    helen = "~/data/helen"
    [weights]                       # of networks; `folder` is where those go that are fetched
    arcface = "/scratch/nets/w600k_r50.onnx"
    [metrics]                       # of plug-ins of one's own; [methods], [datasets] and [degradations] likewise
    mae = "./metrics/mae"

A relative path is meant from the folder of its file, and `~` is the home folder. What the command line or the
environment says comes first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facesr_bench.base.errors import DataError
from facesr_bench.base.suggest import expanded
from facesr_bench.base.toml import read_toml

CONFIG_FILE = "facesr-bench.toml"
PLUGINS = ("methods", "datasets", "metrics", "degradations")
TABLES = ("data", "weights", *PLUGINS)


@dataclass(frozen=True)
class Place:
    """One path of a config file, and where it is written."""

    path: Path
    table: str
    name: str
    file: Path

    def __str__(self) -> str:
        return f"[{self.table}] {self.name} in {self.file}"


def config_files() -> list[Path]:
    """The config files that are read, the first one first; they need not exist."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return [Path.cwd() / CONFIG_FILE, expanded(home) / "facesr-bench" / "config.toml"]


def places(table: str) -> dict[str, Place]:
    """The paths of one table by name; where both files have a name, the first one's.

    Raises:
        CardError: a config file is not valid TOML.
        DataError: the table holds something that is no path.
    """
    found: dict[str, Place] = {}
    for place in all_places(table):
        found.setdefault(place.name, place)
    return found


def all_places(table: str) -> Iterator[Place]:
    """As `places`, every one that is written, the first file's first.

    Raises:
        CardError, DataError: as `places`.
    """
    for file in config_files():
        if not file.is_file():
            continue
        written = read_toml(file).get(table, {})
        if not isinstance(written, dict) or not all(isinstance(path, str) for path in written.values()):
            raise DataError(f'{file}: [{table}] must be a table of paths, as in NAME = "/path/to/it"')
        for name, path in written.items():
            yield Place(file.parent / expanded(path), table, name, file)


def strays() -> list[str]:
    """What stands in the config files outside the tables that are read, one line each.

    Raises:
        CardError: a config file is not valid TOML.
    """
    return [
        f"{file} has {name!r}, which is not read; there are the tables {', '.join(f'[{table}]' for table in TABLES)}"
        for file in config_files()
        if file.is_file()
        for name in sorted(read_toml(file).keys() - set(TABLES))
    ]
