"""Finds and loads plug-ins: one mechanism for methods, datasets, metrics and degradations.

A plug-in is a folder with a `card.toml` (data) and one module (behaviour). Folders come from four places: built in,
the entry-point groups `facesr_bench.methods`, `.datasets`, `.metrics` and `.degradations` (each entry point names a
package that holds the folder's files), the tables [methods], [datasets], [metrics] and [degradations] of
facesr-bench.toml, and a path that the user gives. Listing reads cards only; code is imported when
it is used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, cast, get_args

from facesr_bench.base.config import Place, places
from facesr_bench.base.errors import PLUGIN_ERRORS, CardError, FaceSRBenchError, PluginError, describe
from facesr_bench.base.hashing import canonical
from facesr_bench.base.process_state import State, World
from facesr_bench.base.suggest import expanded, is_path, unknown
from facesr_bench.base.toml import read_toml
from facesr_bench.plugins.cards import DatasetCard, DegradationCard, MethodCard, MetricCard, read_card
from facesr_bench.plugins.doors import all_doors, door
from facesr_bench.plugins.loading import CARD_FILE, bundled_folder, forget, import_from

Kind = Literal["method", "dataset", "metric", "degradation"]
MODULES: dict[Kind, str] = {kind: kind for kind in get_args(Kind)}
CLASSES: dict[Kind, str] = {kind: kind.capitalize() for kind in get_args(Kind)}

SETTINGS = frozenset({".json", ".yaml", ".yml", ".toml", ".ini", ".cfg"})
CHECKPOINTS = frozenset({".pth", ".pt", ".ckpt", ".safetensors", ".onnx", ".bin", ".pkl", ".npz", ".npy"})

_CardT = TypeVar("_CardT", MethodCard, DatasetCard, MetricCard, DegradationCard)


def _builtin_root(kind: Kind) -> Path:
    inside = kind in {"metric", "degradation"}
    return Path(__file__).resolve().parents[1] / f"{kind}s" if inside else bundled_folder(f"{kind}s")


@dataclass(frozen=True)
class Plugin(Generic[_CardT]):
    """One plug-in that was found.

    Attributes:
        name: the card's name (the folder's, where the card can't be read).
        folder: where its files are.
        source: `built in`, `entry point NAME`, the config file that names it, or `path` for one that the user gave.
        card: None if the card can't be read; then `error` says why.
    """

    kind: Kind
    name: str
    folder: Path
    source: str
    card: _CardT | None
    error: FaceSRBenchError | None = None

    def require_card(self) -> _CardT:
        """The card, or the CardError that reading it raised."""
        if self.card is None:
            raise self.error or PluginError(f"{self.folder}: no card")
        return self.card

    @property
    def code_folder(self) -> Path:
        """Where its module is: its own folder, or that of the built-in its card names as `implementation`.

        Raises:
            PluginError: there is no such built-in.
        """
        card = self.card
        if card is not None and card.implementation:
            root = _builtin_root(self.kind)
            folder = root / card.implementation.replace("-", "_")
            if not (folder / CARD_FILE).is_file():
                known = (path.parent.name.replace("_", "-") for path in root.glob(f"*/{CARD_FILE}"))
                message = unknown(f"built-in {self.kind}", card.implementation, known)
                raise PluginError(f"{self.folder / CARD_FILE}: implementation: {message}")
            return folder
        return self.folder

    def code_hash(self) -> str:
        """sha256 over its code, settings and what its card decides: what, beside the weights, can change its output.

        Settings are files such as config.yaml, in its folder or one directly in it. Code that the folder imports from
        elsewhere is not covered. Of the card, what only people read is left out, so that a better summary, or one more
        checkpoint, throws no result away.

        Raises:
            CardError: there is no card to go by.
            PluginError: a file can't be read.
        """
        return self.code_hash_with(canonical(self.require_card()))

    def code_hash_with(self, decides: Mapping[str, Any]) -> str:
        """`code_hash`, if `decides` is what its card decides.

        Raises:
            PluginError: a file can't be read.
        """
        digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode() + b"\0")
        for place in dict.fromkeys([self.folder, self.code_folder]):
            _add_files(digest, place, _code_files(self.kind, place))
        return digest.hexdigest()

    def loose_weights(self) -> list[Path]:
        """Checkpoints in its folder or one directly in it: code that is given none may open them by itself."""
        return _beside(self.folder, CHECKPOINTS)

    def load_class(self) -> type[Any]:
        """Import the plug-in's class.

        Raises:
            PluginError: the module is missing, fails to import (`details` has the traceback), or lacks the class.
        """
        module_name, class_name = MODULES[self.kind], CLASSES[self.kind]
        if not (self.code_folder / f"{module_name}.py").is_file():
            raise PluginError(f"{self.code_folder}: {module_name}.py is missing (it must define class {class_name})")
        _forget_if_changed(self.kind, self.code_folder)
        try:
            with World() as world:
                module = import_from(self.code_folder, module_name)
        except PLUGIN_ERRORS as error:
            details = traceback.format_exc()
            where = f"{self.code_folder / module_name}.py"
            raise PluginError(f"{where}: import failed: {describe(error)}", details) from error
        if world.changes:  # nothing where it had been imported before
            _set_by_import[self.code_folder] = world.changes
        found = getattr(module, class_name, None)
        if not isinstance(found, type):
            raise PluginError(f"{self.code_folder / module_name}.py: it does not define class {class_name}")
        return found

    def world(self) -> World:
        """The process as its code has left it when it was imported; for a method's calls."""
        return World(_set_by_import.get(self.code_folder), seeded=True)


_set_by_import: dict[Path, State] = {}
"""What the code of a folder set of the process when it was imported, if anything."""

_imported: dict[Path, str] = {}
"""The hash of each folder's code when it was imported."""


def _forget_if_changed(kind: Kind, folder: Path) -> None:
    """In a notebook, a plug-in is edited between two runs: its numbers must be those of the code on disk."""
    digest = hashlib.sha256()
    _add_files(digest, folder, _code_files(kind, folder))
    code = digest.hexdigest()
    if _imported.get(folder, code) != code:
        forget(folder)
        _set_by_import.pop(folder, None)
    _imported[folder] = code


def _add_files(digest: hashlib._Hash, folder: Path, files: Iterable[Path]) -> None:
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PluginError(f"{path}: can't be read: {error.strerror or error}") from error
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + content + b"\0")


def _code_files(kind: Kind, folder: Path) -> list[Path]:
    # Datasets list every file that their pictures come from.
    settings = [] if kind == "dataset" else _beside(folder, SETTINGS)
    return [*_python_files(folder), *(path for path in settings if path != folder / CARD_FILE)]


def _beside(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    """The files of some kinds in a folder and those directly in it, sorted; not what `training` holds."""
    try:
        inner = [p for p in folder.iterdir() if p.is_dir() and p.name[0] not in "._" and p.name != "training"]
        found = [p for place in (folder, *inner) for p in place.iterdir() if p.suffix in suffixes and p.is_file()]
    except OSError as error:
        raise PluginError(f"{folder}: can't be read: {error.strerror or error}") from error
    return sorted(path for path in found if path.name[0] != ".")


def _python_files(folder: Path) -> list[Path]:
    """The Python files of a plug-in, sorted. Hidden ones are not code: editors keep locks and copies there."""
    found: list[Path] = []
    try:
        for path in folder.iterdir():
            if path.is_dir() and path.name[0] not in "._" and path.name not in {"site-packages", "node_modules"}:
                found += _python_files(path)
            elif path.suffix == ".py" and path.name[0] != ".":
                found.append(path)
    except OSError as error:
        raise PluginError(f"{folder}: can't be read: {error.strerror or error}") from error
    return sorted(found)


def read_plugin(kind: Kind, folder: Path, source: str) -> Plugin[Any]:
    """The plug-in in `folder`; a bad card becomes its `error` instead of an exception."""
    try:
        card = cast(Any, read_card(folder / CARD_FILE, kind, _builtin_root(kind)))
    except CardError as error:
        return Plugin(kind, folder.name.replace("_", "-"), folder, source, None, error)
    return Plugin(kind, card.name, folder, source, card)


@dataclass
class Registry(Generic[_CardT]):
    """All plug-ins of one kind, by name."""

    kind: Kind
    plugins: list[Plugin[_CardT]] = field(default_factory=list)

    def names(self) -> list[str]:
        """Every plug-in's name, sorted, once."""
        return sorted({plugin.name for plugin in self.plugins})

    def get(self, name: str) -> Plugin[_CardT]:
        """The plug-in called `name`.

        Raises:
            PluginError: there is none (with a suggestion), or there are several (names each place).
        """
        found = [plugin for plugin in self.plugins if plugin.name == name]
        if len(found) > 1:
            places = "\n".join(f"  {plugin.folder} ({plugin.source})" for plugin in found)
            raise PluginError(f"{len(found)} {self.kind}s are called {name!r}; rename one in its card.toml:\n{places}")
        if not found:
            raise PluginError(unknown(self.kind, name, self.names()) + all_doors(self._method_cards()))
        return found[0]

    def _method_cards(self) -> list[MethodCard]:
        """The cards of methods, where this registry is of those."""
        cards: Iterable[object] = (plugin.card for plugin in self.plugins)
        return [card for card in cards if isinstance(card, MethodCard)]

    def find(self, spec: str) -> Plugin[_CardT]:
        """The plug-in that a user means by a name or by the path of its folder (`./mine`, `/path/to/mine`).

        Raises:
            PluginError: unknown or ambiguous name, or a folder that holds no plug-in of this kind.
            CardError: the folder's card is wrong.
        """
        if is_path(spec):
            if not self._is_plugin(expanded(spec)):
                self._refuse_door(spec)
            return self.get(self.add(expanded(spec)).name)
        if spec not in self.names():
            if self._is_plugin(Path(spec)):
                raise PluginError(f"no {self.kind} is called {spec!r}; for the folder of that name write ./{spec}")
            self._refuse_door(spec)
        return self.get(spec)

    def _is_plugin(self, folder: Path) -> bool:
        """True for a folder that means to be one: a folder of pictures may have a card.toml of its own."""
        if (folder / f"{MODULES[self.kind]}.py").is_file():
            return True
        try:
            return "kind" in read_toml(folder / CARD_FILE)
        except CardError:
            return False

    def _refuse_door(self, spec: str) -> None:
        """Say how a file or folder is written that some method takes, if it is one.

        Raises:
            PluginError: it is.
        """
        if (how := door(spec, self._method_cards())) is not None:
            raise PluginError(f"no {self.kind} is called {spec!r}; {how}")

    def add(self, folder: Path) -> Plugin[_CardT]:
        """Add the plug-in in a folder that the user gave; a wrong card is an error here, a clash one in `get`.

        A card that has changed since the folder was last given is read again.
        """
        folder = folder.resolve()
        if not (folder / CARD_FILE).is_file():
            raise PluginError(f"{folder}: no {CARD_FILE} in it, so it is not a {self.kind}")
        known = [plugin for plugin in self.plugins if plugin.folder.resolve() == folder]
        plugin = read_plugin(self.kind, folder, known[0].source if known else "path")
        plugin.require_card()
        self.plugins = [other for other in self.plugins if other.folder.resolve() != folder] + [plugin]
        return plugin


def _entry_point_folder(value: str) -> Path:
    """The folder of the package that an entry point names, found without importing the package itself."""
    spec = importlib.util.find_spec(value.partition(":")[0])
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(f"entry point {value!r} does not name a package (a folder with {CARD_FILE})")
    return Path(next(iter(spec.submodule_search_locations)))


def _written_plugin(kind: Kind, place: Place) -> Plugin[Any]:
    """The plug-in that a config file names."""
    wrong = None
    if not (place.path / CARD_FILE).is_file():
        wrong = PluginError(f"{place}: no {CARD_FILE} in {place.path}, so it is not a {kind}")
    else:
        plugin = read_plugin(kind, place.path.resolve(), str(place.file))
        if plugin.card is None or plugin.name == place.name:
            return plugin
        wrong = PluginError(f"{place}: the {kind} in {place.path} is called {plugin.name!r}; write it so")
    return Plugin(kind, place.name, place.path, str(place.file), None, wrong)


def discover(kind: Kind, written: Iterable[Place] = ()) -> Registry[Any]:
    """Built-in and entry-point plug-ins of `kind` and those `written` in a config file, reading their cards only."""
    registry: Registry[Any] = Registry(kind)
    for card in sorted(_builtin_root(kind).glob(f"*/{CARD_FILE}")):
        registry.plugins.append(read_plugin(kind, card.parent, "built in"))
    for point in entry_points(group=f"facesr_bench.{kind}s"):
        source = f"entry point {point.name}"
        try:
            registry.plugins.append(read_plugin(kind, _entry_point_folder(point.value), source))
        except Exception as error:  # a stranger's broken package must not take the others down
            wrapped = PluginError(f"{source} = {point.value}: {error}", traceback.format_exc())
            registry.plugins.append(Plugin(kind, point.name, Path(), source, None, wrapped))
    registry.plugins += [_written_plugin(kind, place) for place in written]
    return registry


_discovered = cache(discover)
"""Cards are read once in a process; what is added to a copy stays in that copy."""


def _copy(kind: Kind) -> Registry[Any]:
    return Registry(kind, list(_discovered(kind, tuple(places(f"{kind}s").values())).plugins))


def methods() -> Registry[MethodCard]:
    """A registry of the built-in methods, those of installed packages and those that a config file names; a run adds
    folders to its own.

    Raises:
        CardError, DataError: a config file can't be read.
    """
    return _copy("method")


def datasets() -> Registry[DatasetCard]:
    """As `methods`, of datasets."""
    return _copy("dataset")


def metrics() -> Registry[MetricCard]:
    """As `methods`, of metrics."""
    return _copy("metric")


def degradations() -> Registry[DegradationCard]:
    """As `methods`, of degradations."""
    return _copy("degradation")
