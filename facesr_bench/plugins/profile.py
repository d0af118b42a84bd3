"""Profiles: named conventions for turning two images into numbers, a table per metric.

Published numbers differ because each codebase made these choices silently. Here each choice is a field, each set of
choices has a name and a file (profiles/<name>.toml), and numbers of different profiles never share a column.

A metric's table is checked by the metric's own model, `Metric.Convention`; [pixels] and [faces] hold what several
metrics share. Listing profiles imports no metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from facesr_bench.base.errors import CardError, MetricError, PluginError
from facesr_bench.base.hashing import canonical
from facesr_bench.base.schema1 import FLAT_PROFILE, nested_profile
from facesr_bench.base.suggest import expanded, is_path, unknown
from facesr_bench.base.toml import read_toml
from facesr_bench.images.quantise import Quantise
from facesr_bench.plugins.cards import MetricCard, Name, validate
from facesr_bench.plugins.convention import Convention, FaceConvention, PixelConvention, Says
from facesr_bench.plugins.registry import Plugin, metrics

_ConventionT = TypeVar("_ConventionT", bound=Convention)

FOLDER = Path(__file__).resolve().parents[1] / "profiles"


class Profile(BaseModel):
    """One named convention; further tables are those of metrics, by the name of the metric whose code reads them.

    `canonical` is what stands in manifests.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    DESCRIPTIVE: ClassVar[frozenset[str]] = frozenset({"summary", "source"})
    """Fields that can't change a number."""

    name: Name
    summary: str
    source: tuple[str, ...] = Field(description="where the convention is written down: repository@commit:path:line")
    quantise: Annotated[
        Quantise,
        Says(
            values={
                "round": "The 8-bit picture as it would be saved; values are rounded.",
                "truncate": "The 8-bit picture as it would be saved; values are cut off (not rounded).",
            }
        ),
    ] = Field(description="how a float SR in [0, 1] becomes uint8")
    pixels: PixelConvention
    faces: FaceConvention = FaceConvention()

    @classmethod
    def recorded(cls, record: BaseModel) -> Profile:
        """The profile that a manifest holds.

        Raises:
            ValidationError: it is none of this release.
        """
        return cls.model_validate(record.model_dump(mode="json"))

    @model_validator(mode="before")
    @classmethod
    def _only_tables(cls, data: Any) -> Any:
        given = data if isinstance(data, dict) else {}
        strangers = [key for key, value in given.items() if key not in cls.model_fields and not isinstance(value, dict)]
        if strangers:
            raise ValueError("\n  ".join(_not_a_field(key) for key in strangers))
        return data

    @property
    def tables(self) -> Mapping[str, Mapping[str, Any]]:
        """The tables of single metrics, as they are written."""
        return self.model_extra or {}

    def convention(self, table: str, model: type[_ConventionT], fixed: Mapping[str, Any] | None = None) -> _ConventionT:
        """How a metric is computed: what is shared, then the metric's own table, then what its card fixes.

        Args:
            table: the metric's name, or that of the built-in whose code it uses.

        Raises:
            pydantic.ValidationError: a field or value that `model` does not have.
        """
        return model.model_validate({**self.shared(model), **self.tables.get(table, {}), **(fixed or {})})

    def shared(self, model: type[Convention]) -> dict[str, Any]:
        """What [pixels] and [faces] say, as far as a metric's model has their fields."""
        tables = [table for table in (self.pixels, self.faces) if issubclass(model, type(table))]
        return {name: value for table in tables for name, value in table.model_dump().items()}

    def with_table(self, table: str, model: type[Convention]) -> Profile:
        """Itself with one metric's table checked, and without what the table says needlessly.

        Raises:
            pydantic.ValidationError: a field or value that `model` does not have.
        """
        given = self.convention(table, model).model_dump(mode="json")
        defaults = {name: field.get_default() for name, field in model.model_fields.items()} | self.shared(model)
        changed = {name: given[name] for name in self.tables[table] if given[name] != defaults[name]}
        others = {name: fields for name, fields in self.canonical().items() if name != table}
        return Profile.model_validate({**others, **({table: changed} if changed else {})})

    def canonical(self) -> dict[str, Any]:
        """Its fields as JSON: prose, and what `hashing.canonical` keeps of the others."""
        prose = self.model_dump(mode="json", include=set(self.DESCRIPTIVE))
        return {"name": self.name, **prose, **canonical(self)}


def _not_a_field(key: str) -> str:
    if key in FLAT_PROFILE:
        table, field, _ = FLAT_PROFILE[key]
        return f"{key} is `{field}` in the table [{table}] now"
    places = {field: f"`{field}` of the table [{table}]" for table, field, _ in FLAT_PROFILE.values()}
    if key in places:
        return f"{key} stands outside the tables: it is {places[key]}"
    return unknown(
        "field of a profile", key, [*(name for name in Profile.model_fields if name not in _SHARED), *places]
    )


_SHARED = ("pixels", "faces")


def _profile_of_file(path: Path, others: Iterable[Plugin[MetricCard]]) -> Profile:
    """A profile of the user's, in today's form or in the flat one of old: one table, whose name is the profile's."""
    data = read_toml(path)
    if data and all(isinstance(value, dict) for value in data.values()):
        if len(data) != 1:
            raise MetricError(f"{path}: a profile's file begins with its name, as in name = {path.stem!r}")
        ((name, table),) = data.items()
        data = {"name": name, **nested_profile(table)}
    if data.get("name") in profiles():
        name = data["name"]
        raise MetricError(f"{path}: there is a profile {name!r} already; two conventions can't share a name")
    profile = validate(Profile, {"source": [path.name], **data}, path)
    own = {plugin.name: plugin for plugin in (*metrics().plugins, *others) if _has_a_table(plugin)}
    for table in profile.tables:
        if table not in own:
            message = unknown("table of a profile", table, [*_SHARED, *own])
            raise CardError(f"{path}: {message} (and metrics that are asked for by a path)")
        profile = _checked(profile, own[table], path)
    return profile


def _has_a_table(plugin: Plugin[MetricCard]) -> bool:
    return plugin.card is not None and not plugin.card.implementation


def _checked(profile: Profile, plugin: Plugin[MetricCard], path: Path) -> Profile:
    """The profile with one metric's table checked by that metric's model."""
    try:
        model = plugin.load_class().Convention
    except (PluginError, AttributeError):
        return profile  # which costs the metric its column, and nothing else
    # First alone, for a message that names the file, the table and the fields.
    validate(model, {**profile.shared(model), **profile.tables[plugin.name]}, path, plugin.name)
    return profile.with_table(plugin.name, model)


@cache
def profiles() -> dict[str, Profile]:
    """Every profile that is built in, by name."""
    found = [validate(Profile, read_toml(path), path) for path in sorted(FOLDER.glob("*.toml"))]
    return {profile.name: profile for profile in found}


def get_profile(name: str, others: Iterable[Plugin[MetricCard]] = ()) -> Profile:
    """The profile called `name`, or the one in a TOML file given by path (`./mine.toml`).

    Args:
        others: metrics given by a path: they may have tables in the file, beside those that are found by name.

    Raises:
        MetricError: there is none (suggests one), or the name of the one in the file is taken.
        CardError: the file or the profile in it is not valid.
    """
    if is_path(name):
        return _profile_of_file(expanded(name), others)
    if name not in profiles():
        raise MetricError(unknown("profile", name, profiles()))
    return profiles()[name]
