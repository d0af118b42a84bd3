"""A run written down: a TOML file with the options of `RunRequest`, for `facesr-bench run study.toml`.

    methods = ["sparnet", "./mynet"]
    protocols = ["helen-x8"]
    limit = 50

    [data]
    helen = "~/data/helen"

A path in it that is not absolute is meant from the folder the file is in, wherever the run is started. What is read is
the options as they would be typed, so that a result says the same whichever way the run was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from facesr_bench.base.errors import CardError, FaceSRBenchError
from facesr_bench.base.files import write_text
from facesr_bench.base.grammar import Spec
from facesr_bench.base.options import Folder, NamedFile, Places, options_of
from facesr_bench.base.suggest import expanded, is_path, unknown
from facesr_bench.base.toml import read_toml
from facesr_bench.evaluation.request import RunRequest
from facesr_bench.weights.hub import is_hub

_OPTIONS = options_of(RunRequest)


def read_study(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The options that a file asks for, by name: `facesr_bench.run(**read_study("study.toml"))`.

    Paths that were meant from the file's folder are as seen from here.

    Raises:
        FaceSRBenchError: the file can't be read, is not TOML, has a key that is no option of a run (suggests the one
            that was meant), or a value that can't be meant; names the file.

    Examples:
        >>> from pathlib import Path
        >>> _ = Path("study.toml").write_text('methods = ["bicubic"]\\nlimit = 2\\n')
        >>> read_study("study.toml")
        {'methods': ['bicubic'], 'limit': 2}
    """
    file = expanded(path)
    found = read_toml(file)
    for key in found:
        if key not in _OPTIONS:
            raise CardError(f"{file}: {unknown('option of a run', key, _OPTIONS)}")
        if key in {"methods", "protocols"} and found[key] == []:
            raise CardError(f"{file}: {key} = [] names none; name at least one, or leave the line out")
    try:
        for key, value in found.items():
            _OPTIONS[key].convert(value)
    except FaceSRBenchError as error:
        raise CardError(f"{file}: {error}") from error
    return _moved(found, os.path.relpath(file.parent), file.parent)


def write_study(request: RunRequest, path: Path) -> None:
    """Write a run down, with every option that differs from its default; `read_study` reads the same again.

    Raises:
        ResultsError: it can't be written.
    """
    text = tomli_w.dumps(_moved(request.as_data(), os.path.relpath(Path.cwd(), path.parent), Path.cwd()))
    write_text(path, f"# facesr-bench run {path.name}\n{text}")


def _moved(options: Mapping[str, Any], prefix: str, folder: Path) -> dict[str, Any]:
    """The options with every path that is meant from `folder`.

    Args:
        prefix: the way to that folder, which is put before each; where it is `.`, nothing is changed.
    """
    if prefix == os.curdir:
        return dict(options)
    return {name: _move(name, value, _Way(prefix, folder)) for name, value in options.items()}


class _Way:
    """Paths that are meant from one folder, as seen from another."""

    def __init__(self, prefix: str, folder: Path) -> None:
        self._prefix, self._folder = prefix, folder

    def path(self, text: str) -> str:
        """A text that is a path."""
        if text.startswith("~") or Path(text).is_absolute():
            return text
        return os.path.join(self._prefix, text.removeprefix(f".{os.sep}"))  # noqa: PTH118 - `..` must stay

    def perhaps(self, text: str | None) -> str | None:
        """A text that may be a path or a name: a path if it looks like one, or is there."""
        if text is None or is_hub(text):
            return text
        return self.path(text) if is_path(text) or (self._folder / text).exists() else text

    def method(self, text: str) -> str:
        """`./mynet@FILE`, `theirs=images:DIR` ..."""
        spec = self._named(text)
        weights = spec.weights if spec.file is not None else self.perhaps(spec.weights)
        return str(replace(spec, argument=self.perhaps(spec.argument), weights=weights))

    def name(self, text: str) -> str:
        """`./mine`, `lpips@squeeze=FILE`: what stands behind a colon is a name."""
        return str(self._named(text))

    def _named(self, text: str) -> Spec:
        spec = Spec.parse(text)
        name = self.path(spec.name) if is_path(spec.name) else spec.name
        return replace(spec, name=name, file=None if spec.file is None else self.path(spec.file))


def _move(name: str, value: Any, way: _Way) -> Any:
    named: dict[str, Callable[[str], str]] = {"methods": way.method, "protocols": way.name, "metrics": way.name}
    if name in named:
        return [named[name](each) for each in value]
    if name == "profile":
        return way.path(value) if is_path(value) else value
    if isinstance(_OPTIONS[name], Folder):
        return way.path(str(value))
    if isinstance(_OPTIONS[name], (Places, NamedFile)):
        pairs = value.items() if isinstance(value, Mapping) else [value]
        return {key: way.path(str(each)) for key, each in pairs}
    return value
