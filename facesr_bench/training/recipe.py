"""What a method brings to be trained: its network, and a recipe with the defaults (`training/recipe.toml`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from facesr_bench.base.errors import PluginError, TrainingError, describe
from facesr_bench.base.suggest import expanded, is_path, unknown
from facesr_bench.base.toml import read_toml
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import DegradationName, MethodCard, validate
from facesr_bench.plugins.degradation import DegradationBase, find_degradation, make_degradation
from facesr_bench.plugins.loading import import_from
from facesr_bench.plugins.registry import Plugin
from facesr_bench.training.config import SIZES, Objective, Samples, Settings, Value, build

if TYPE_CHECKING:
    from torch import nn

RECIPE_FILE = "training/recipe.toml"
SHORT = {"bicubic": ("crops", "bicubic-pillow"), "blind": ("faces", "sparnethd")}
"""Words that stand for samples and their degradation together."""


def _place_of_class(name: str) -> str:
    if not re.fullmatch(r"[\w.]+:\w+", name):
        raise ValueError(f'write it as module:Class, for example "network:MyNet", not {name!r}')
    return name


ClassName = Annotated[str, AfterValidator(_place_of_class)]


class RecipeTable(BaseModel):
    """The file `training/recipe.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Literal[1]
    network: ClassName = Field(description="`module:Class` of the network, in the method's folder")
    config: ClassName = Field(description="`module:Class` of the dataclass that the network is made from")
    samples: Samples = Field(description="`crops`: random crops of the faces; `faces`: whole ones, LR of their size")
    degradation: DegradationName = Field(description="how LR is made: a degradation's name, or its folder: `./mine`")
    objective: Objective = Field(description="which losses are minimised")
    epochs: int = Field(ge=1, description="how long, where the user does not say")
    settings: dict[str, int | float | bool | str] = Field(description="settings that differ from the engine's")

    @model_validator(mode="before")
    @classmethod
    def _in_full(cls, data: Any) -> Any:
        word = data.get("degradation") if isinstance(data, dict) else None
        if isinstance(word, str) and word in SHORT and "samples" not in data:
            samples, degradation = SHORT[word]
            return {**data, "samples": samples, "degradation": degradation}
        return data


@dataclass(frozen=True)
class Recipe:
    """How one method is trained."""

    plugin: Plugin[MethodCard]
    table: RecipeTable

    @property
    def card(self) -> MethodCard:
        """The method's card."""
        return self.plugin.require_card()

    @property
    def method(self) -> str:
        """The method's name."""
        return self.card.name

    @property
    def folder(self) -> Path:
        """The method's folder."""
        return self.plugin.folder

    @property
    def native(self) -> bool:
        """Whether the network's input is LR at its own size, not enlarged to HR's."""
        return self.card.input == "lr"

    def settings(self, *layers: dict[str, Value]) -> Settings:
        """This recipe's settings with `layers` over them.

        Raises:
            TrainingError: see `config.build`.
        """
        options = {name: value for name, value in self.card.options.items() if name not in SIZES}
        table = self.table
        return build(table.samples, table.objective, self._load(table.config), options, table.settings, *layers)

    def make_network(self, settings: Settings) -> nn.Module:
        """The network, freshly initialised from torch's random state."""
        network: nn.Module = self._load(self.table.network)(self._load(self.table.config)(**settings.network))
        return network

    def degradation(self, scale: int) -> DegradationBase:
        """How LR is made.

        Args:
            scale: HR side over LR side.

        Raises:
            PluginError: there is no such degradation, or it can't do this scale.
        """
        return make_degradation(find_degradation(self.table.degradation, self.folder), scale)

    def _load(self, name: str) -> type[Any]:
        module, _, attribute = name.partition(":")
        code = self.plugin.code_folder  # of an `implementation`, where the card names one
        try:
            return cast("type[Any]", getattr(import_from(code, module), attribute))
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{self.folder / RECIPE_FILE}: {name!r} is not in {code}: {error}") from error
        except Exception as error:  # a module can fail in any way
            raise PluginError(f"{code / module}.py: import failed: {describe(error)}") from error


def trainable() -> list[str]:
    """The methods that have a recipe."""
    return sorted(p.name for p in registry.methods().plugins if (p.folder / RECIPE_FILE).is_file())


def find(spec: str) -> Recipe:
    """The recipe of a method given by name or by the path of its folder.

    Raises:
        TrainingError: no such method, or one without a recipe.
        PluginError: several methods have this name.
        CardError: its card or recipe is wrong.
    """
    if is_path(spec):
        return read_recipe(expanded(spec).resolve())
    if spec not in (known := trainable()):
        raise TrainingError(unknown("trainable method", spec, known))
    return _recipe_of(registry.methods().get(spec))


def read_recipe(folder: Path) -> Recipe:
    """The recipe in a method's folder.

    Raises:
        TrainingError: there is none.
        CardError: the method's card or the recipe is unreadable, or not what it must be.
    """
    if not (folder / RECIPE_FILE).is_file():
        raise TrainingError(f"{folder}: no {RECIPE_FILE} in it, so it is not a method that can be trained")
    return _recipe_of(registry.read_plugin("method", folder, "path"))


def _recipe_of(plugin: Plugin[MethodCard]) -> Recipe:
    plugin.require_card()
    path = plugin.folder / RECIPE_FILE
    return Recipe(plugin, validate(RecipeTable, read_toml(path), path))
