"""What there is to fetch: evaluator networks (catalogue.toml) and the published weights of every method (its card)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from facesr_bench.base.config import Place, places
from facesr_bench.base.errors import WeightsError
from facesr_bench.base.hashing import weights_folder
from facesr_bench.base.suggest import unknown
from facesr_bench.base.toml import read_toml
from facesr_bench.plugins import registry
from facesr_bench.plugins.cards import FileUrl, MethodCard, Name, Sha256, validate
from facesr_bench.plugins.registry import Plugin
from facesr_bench.plugins.spec import MethodSpec, parse_method
from facesr_bench.weights import hub

Sha256Prefix = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,63}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]


class EvaluatorCard(BaseModel):
    """One network that a metric needs. Its name is the key of its table in catalogue.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: str
    urls: tuple[FileUrl, ...] = Field(default=(), description="tried in this order")
    file: FileName | None = Field(default=None, description="name here; by default the member's, or the first URL's")
    member: FileName | None = Field(default=None, description="file name inside the zip that the URLs give")
    obtain: str = Field(default="", description="how a person gets it, where no URL gives the file")
    size: int | None = Field(default=None, gt=0, description="of the file (the member), bytes")
    sha256: Sha256 | None = Field(default=None, description="of the file (the member)")
    sha256_prefix: Sha256Prefix | None = Field(default=None, description="its first digits, from the file's name")
    licence: str
    non_commercial: bool = Field(default=False, description="the licence is shown, and asked about, before a download")
    source: str = Field(description="where URL, size and hash are written down")

    @model_validator(mode="after")
    def _consistent(self) -> EvaluatorCard:
        if bool(self.urls) == bool(self.obtain):
            raise ValueError("give either `urls` or `obtain`")
        if self.obtain and self.file is None:
            raise ValueError("`obtain` needs `file`, the name that the file has there")
        if self.sha256 is not None and self.sha256_prefix is not None:
            raise ValueError("give `sha256` or `sha256_prefix`, not both")
        return self


@dataclass(frozen=True)
class Entry:
    """One checkpoint that can be fetched or imported.

    Attributes:
        name: what the user types: `arcface`, or `method@weights`.
        path: where the file is, or would be.
        urls: where it comes from, tried in this order; empty where only a person can get it.
        member: its name inside the zip that the URLs give; None where they give the file itself.
        size: bytes, where published.
        sha256: where the whole hash is known.
        sha256_prefix: its first digits, where only those are known.
        obtain: how a person gets it, where there is no URL.
        sha256_by: who states the hash, where that is not the publisher.
        non_commercial: the licence forbids commercial use.
    """

    name: str
    path: Path
    purpose: str
    licence: str
    urls: tuple[str, ...] = ()
    member: str | None = None
    size: int | None = None
    sha256: str | None = None
    sha256_prefix: str | None = None
    obtain: str = ""
    command_name: str = field(default="", compare=False)
    sha256_by: str = ""
    non_commercial: bool = False

    @property
    def file(self) -> str:
        """The name of its file."""
        return self.path.name

    @property
    def typed(self) -> str:
        """The name that finds it again on the command line: for a method given by path, that path."""
        return self.command_name or self.name

    @property
    def archive(self) -> str | None:
        """File name of the zip it comes in."""
        return url_file(self.urls[0]) if self.member is not None else None


def url_file(url: str) -> str:
    """The file name at the end of a URL, without its query."""
    if hub.is_hub(url):
        return hub.HubFile.parse(url).name
    return PurePosixPath(urlsplit(url).path).name


@cache
def evaluators() -> dict[str, EvaluatorCard]:
    """The cards of catalogue.toml, by name."""
    path = Path(__file__).with_name("catalogue.toml")
    names = TypeAdapter(Name)
    return {names.validate_python(name): validate(EvaluatorCard, card, path) for name, card in read_toml(path).items()}


def written(name: str) -> Place | None:
    """The file that a config file gives for a name: of the catalogue, `method@weights` or `metric@network`.

    Raises:
        WeightsError: the config file has a name that means nothing; suggests the one that was meant.
        CardError, DataError: a config file can't be read.
    """
    known = places("weights")
    for place in known.values():
        _check_written(place)
    return known.get(name)


def _path(name: str, default: Path) -> Path:
    """Where an entry's file is."""
    place = written(name)
    return default if place is None else place.path


def _check_written(place: Place) -> None:
    """Refuse a name of [weights] that nothing would ever look up; those with an @ may be of a folder's own card."""
    plain = {"folder", *evaluators()}
    owner, at, weights = place.name.partition("@")
    if not at and owner not in plain:
        raise WeightsError(f"{place}: {unknown('checkpoint', owner, plain)}\n  or METHOD@WEIGHTS, METRIC@NETWORK")
    cards = [plugin.card for plugin in registry.methods().plugins if at and plugin.name == owner]
    if any(card and weights in card.weights and card.weights[weights].file for card in cards):
        raise WeightsError(f"{place}: {place.name} comes with the method; give your file another name behind the @")


def method_entry(plugin: Plugin[MethodCard], name: str) -> Entry:
    """The entry of a method's published weights; the card must give a URL for them."""
    method = plugin.require_card()
    card = method.weights[name]
    assert card.url is not None  # the caller has seen to it
    return Entry(
        name=f"{plugin.name}@{name}",
        path=_path(f"{plugin.name}@{name}", weights_folder() / plugin.name / url_file(card.url)),
        purpose=f"{method.title}, trained on {card.training_data}",
        licence=card.licence,
        urls=(card.url,),
        size=card.size,
        sha256=card.sha256,
        command_name=f"{plugin.folder}@{name}" if plugin.source == "path" else "",
        sha256_by=card.sha256_by,
        non_commercial=card.non_commercial,
    )


def hub_entry(text: str) -> Entry:
    """The entry of a file that the user names on the hub: the first one fetched is pinned.

    Raises:
        WeightsError: not of the form `hf:owner/repo/file@revision`.
    """
    wanted = hub.HubFile.parse(text)
    place = [*wanted.repo.split("/"), (wanted.revision or "now").replace("/", "_"), *wanted.file.split("/")]
    return Entry(
        name=text,
        path=weights_folder().joinpath("_hub", *place),
        purpose=f"a file of {wanted.repo} on the Hugging Face hub",
        licence="not stated (a file named by the user)",
        urls=(text,),
    )


def evaluator_entry(name: str) -> Entry:
    """The entry of a network that metrics compute with."""
    card = evaluators()[name]
    # No method's name starts with an underscore, so the folders can't clash.
    return Entry(
        name=name,
        path=_path(name, weights_folder() / "_evaluators" / (card.file or card.member or url_file(card.urls[0]))),
        purpose=card.purpose,
        licence=card.licence,
        urls=card.urls,
        member=card.member,
        size=card.size,
        sha256=card.sha256,
        sha256_prefix=card.sha256_prefix,
        obtain=card.obtain,
        non_commercial=card.non_commercial,
    )


def entries() -> list[Entry]:
    """Everything that can be fetched or imported: evaluators first, then methods' weights."""
    found = [evaluator_entry(name) for name in evaluators()]
    for plugin in registry.methods().plugins:
        if plugin.card is not None:
            found += [method_entry(plugin, name) for name, card in plugin.card.weights.items() if card.url is not None]
    return found


def find(name: str, known: Iterable[Entry] | None = None) -> Entry:
    """The entry that `name` means: a name of the catalogue, a file's name, `method`, `method@weights` or
    `FOLDER@weights` for a method given by path.

    Raises:
        WeightsError: there is none; suggests one.
        PluginError, CardError: the folder is not a method's, or its card is wrong.
    """
    if hub.is_hub(name):
        return hub_entry(name)
    known = list(known) if known is not None else entries()
    for entry in known:
        if name == entry.name:
            return entry
    if matches := [entry for entry in known if name == entry.file]:
        return matches[0]
    method, at, _ = name.partition("@")
    if (spec := method_spec(name)) is not None:
        card = spec.plugin.require_card()
        wanted = spec.weights or card.default_weights
        if wanted is None:
            raise WeightsError(f"{card.name} has no weights")
        if wanted not in card.weights:
            raise WeightsError(unknown(f"weights of {card.name}", wanted, card.weights))
        if card.weights[wanted].url is None:
            raise WeightsError(f"{card.name}@{wanted} comes with the method: there is nothing to fetch")
        return method_entry(spec.plugin, wanted)
    if at:
        raise WeightsError(unknown("method", method, registry.methods().names()))
    raise WeightsError(unknown("checkpoint", name, [entry.name for entry in known]))


def method_spec(name: str) -> MethodSpec | None:
    """The method of `method`, `method@weights` or `FOLDER@weights`; None if `name` is of another kind.

    Raises:
        PluginError, CardError: the folder is not a method's, or its card is wrong.
    """
    if hub.is_hub(name):  # which holds slashes, as paths do
        return None
    is_method = os.sep in name or name.startswith(".") or name.partition("@")[0] in registry.methods().names()
    return parse_method(name) if is_method else None
