"""What a file beside a method's argument states of it: a card.toml in a folder of pictures, FILE.toml beside FILE."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from facesr_bench.base.toml import read_toml
from facesr_bench.plugins.cards import MethodCard, Paper, validate


class Stated(BaseModel):
    """What its author, or whoever has it, says of a method; all of it for people, and none of it decides a number.

    A door that must know more (an input's range, a command) adds its own fields in a class of its own, and names those
    that can change a number by leaving them out of `DESCRIPTIVE`: `base.hashing.canonical` then gives what to hash.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    DESCRIPTIVE: ClassVar[frozenset[str]] = frozenset(
        {
            *("title", "summary", "licence", "paper", "code"),
            *("weights", "training_data", "parameters", "milliseconds", "measured_on"),
        }
    )

    title: str | None = Field(default=None, min_length=1)
    summary: str | None = None
    licence: str | None = Field(default=None, description="of the weights, or of the pictures")
    paper: Paper | None = None
    code: str | None = Field(default=None, description="where its code is, a URL")
    weights: str | None = Field(default=None, description="which checkpoint, in words")
    training_data: str | None = None
    parameters: int | None = Field(default=None, ge=0)
    milliseconds: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="for one image, as reported and not measured here"
    )
    measured_on: str | None = Field(default=None, description="the device that `milliseconds` were reported for")

    def applied(self, card: MethodCard) -> MethodCard:
        """A method's card that says what is stated here, and the rest as it did."""
        fields = ("title", "summary", "licence", "paper", "code", "parameters")
        said = {name: value for name in fields if (value := getattr(self, name)) is not None}
        return card.model_copy(update=said)


_Stated = TypeVar("_Stated", bound=Stated)


def read_stated(kind: type[_Stated], path: Path) -> _Stated:
    """What a TOML file states; where there is no such file, nothing is stated.

    Raises:
        CardError: it can't be read, or is not of this form: names the file and each wrong field.
    """
    data: dict[str, Any] = read_toml(path) if path.exists() else {}
    return validate(kind, data, path)
