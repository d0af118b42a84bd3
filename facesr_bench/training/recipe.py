"""What a method brings to be trained: its network, and a recipe with the defaults (`training/recipe.toml`).

Reads cards without validating them, since training machines need not have the library for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from facesr_bench.base.errors import CardError, PluginError, TrainingError, describe
from facesr_bench.base.suggest import is_path, unknown
from facesr_bench.base.toml import read_toml
from facesr_bench.plugins.loading import CARD_FILE, bundled_folder, import_from
from facesr_bench.training.config import DATA, OBJECTIVES, Degradation, Objective, Settings, Value, build

if TYPE_CHECKING:
    from torch import nn

RECIPE_FILE = "training/recipe.toml"
SCHEMA = 1
_KEYS = {"schema_version", "network", "config", "degradation", "objective", "epochs", "settings"}
_TYPES = (
    ("network", str, 'module:Class, as "network:MyNet"'),
    ("config", str, 'module:Class, as "network:MyNetConfig"'),
    ("epochs", int, "a whole number, more than 0"),
    ("settings", dict, "a table"),
)


@dataclass(frozen=True)
class Recipe:
    """How one method is trained.

    Attributes:
        method: the method's name.
        folder: of the method.
        code: where its network's module is: its own folder, or that of the method it is an `implementation` of.
        network: `module:Class` of the network, in `code`.
        config: `module:Class` of the dataclass that the network is made from.
        degradation: how LR is made.
        objective: which losses are minimised.
        epochs: how long, where the user does not say.
        options: the card's options: the network's configuration.
        defaults: settings that differ from the engine's.
    """

    method: str
    folder: Path
    code: Path
    network: str
    config: str
    degradation: Degradation
    objective: Objective
    epochs: int
    options: dict[str, Value]
    defaults: dict[str, Value]

    @property
    def degradation_name(self) -> str:
        return {"bicubic": "bicubic-pillow", "blind": "sparnethd"}[self.degradation]

    def settings(self, *layers: dict[str, Value]) -> Settings:
        """This recipe's settings with `layers` over them.

        Raises:
            TrainingError: see `config.build`.
        """
        options = {name: value for name, value in self.options.items() if name not in {"in_size", "out_size"}}
        return build(self.degradation, self.objective, self._load(self.config), options, self.defaults, *layers)

    def make_network(self, settings: Settings) -> nn.Module:
        """The network, freshly initialised from torch's random state."""
        network: nn.Module = self._load(self.network)(self._load(self.config)(**settings.network))
        return network

    def _load(self, name: str) -> type[Any]:
        module, _, attribute = name.partition(":")
        try:
            return cast("type[Any]", getattr(import_from(self.code, module), attribute))
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{self.folder / RECIPE_FILE}: {name!r} is not in {self.code}: {error}") from error
        except Exception as error:  # a module can fail in any way
            where = f"{self.code / module}.py"
            raise PluginError(f"{where}: import failed: {describe(error)}") from error


def trainable() -> dict[str, Path]:
    """Folders of the built-in methods that have a recipe, by the method's name."""
    found = {}
    for recipe in sorted(bundled_folder("methods").glob(f"*/{RECIPE_FILE}")):
        folder = recipe.parents[1]
        found[str(read_toml(folder / CARD_FILE).get("name", folder.name))] = folder
    return found


def find(spec: str) -> Recipe:
    """The recipe of a method given by name or by the path of its folder.

    Raises:
        TrainingError: no such method, or one without a recipe.
        CardError: its card or recipe is wrong.
    """
    if is_path(spec):
        folder = Path(spec).expanduser().resolve()
        if not (folder / RECIPE_FILE).is_file():
            raise TrainingError(f"{folder}: no {RECIPE_FILE} in it, so it is not a method that can be trained")
    else:
        known = trainable()
        if spec not in known:
            raise TrainingError(unknown("trainable method", spec, known))
        folder = known[spec]
    return read_recipe(folder)


def read_recipe(folder: Path) -> Recipe:
    """The recipe in a method's folder.

    Raises:
        CardError: unreadable, or not what a recipe must be.
    """
    path = folder / RECIPE_FILE
    card, table = read_toml(folder / CARD_FILE), read_toml(path)
    if table.get("schema_version") != SCHEMA:
        raise CardError(f"{path}: schema_version is {table.get('schema_version')!r}; this release reads {SCHEMA}")
    if strange := table.keys() - _KEYS:
        raise CardError(f"{path}: {unknown('field', min(strange), _KEYS)}")
    if missing := _KEYS - table.keys():
        raise CardError(f"{path}: {min(missing)} is missing")
    for key, choices in (("degradation", DATA), ("objective", OBJECTIVES)):
        if table[key] not in choices:
            raise CardError(f"{path}: {key} is {table[key]!r}; it must be one of {', '.join(choices)}")
    for key, kind, words in _TYPES:
        value = table[key]
        fits = type(value) is kind
        if isinstance(value, int):
            fits = fits and value >= 1
        elif isinstance(value, str):
            fits = fits and ":" in value
        if not fits:
            raise CardError(f"{path}: {key} is {value!r}; it must be {words}")
    implementation = card.get("implementation")
    code = bundled_folder("methods") / implementation.replace("-", "_") if implementation else folder
    return Recipe(
        method=str(card.get("name", folder.name)),
        folder=folder,
        code=code,
        options=dict(card.get("options", {})),
        defaults=dict(table["settings"]),
        **{key: table[key] for key in ("network", "config", "degradation", "objective", "epochs")},
    )
