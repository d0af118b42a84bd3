"""How a metric is computed under a profile: the fields of its table, checked, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Rounding = Literal["floor", "round", "none"]


@dataclass(frozen=True)
class Says:
    """What pages say of a field's value, in an `Annotated` type; without one they give its description and the value.

    Attributes:
        words: part of a sentence, with `{}` for the value; empty: nothing is said.
        values: other words for these values.
        only: fields of the same model, and the values they must have for this one to mean anything.
    """

    words: str = ""
    values: Mapping[Any, str] = field(default_factory=dict)
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def of(self, value: Any) -> str:
        """The words for a value; empty if nothing is to be said."""
        return self.values.get(value, self.words).format(value)


class Convention(BaseModel):
    """Base of every metric's convention: its fields are those of the metric's table in a profile.

    A metric that scores pixels derives its own from `PixelConvention`, one that looks for faces from `FaceConvention`.
    What the profile says in [pixels] or [faces] then holds for it, unless its own table says otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def words(self) -> list[str]:
        """Parts of sentences that say how the metric is computed, defaults included, in the order of the fields."""
        return [text for name in type(self).model_fields if (text := field_in_words(self, name))]


def field_in_words(model: BaseModel, name: str) -> str:
    """What pages say of one field; empty if its value goes without saying."""
    info, value = type(model).model_fields[name], getattr(model, name)
    for says in info.metadata:
        if isinstance(says, Says):
            meant = all(getattr(model, other) in values for other, values in says.only.items())
            return says.of(value) if meant else ""
    return "" if value is None or value is False else f"{info.description or name}: {value}"


class PixelConvention(Convention):
    """What is scored of a picture: the table [pixels] of a profile."""

    channel: Annotated[
        Literal["rgb", "y-bt601", "y-full"],
        Says(
            values={
                "rgb": "on all three RGB channels",
                "y-bt601": "on luma, ITU-R BT.601 limited range (16 to 235)",
                "y-full": "on luma, 0.299 R + 0.587 G + 0.114 B (0 to 255)",
            }
        ),
    ] = Field(description="`y-bt601`: limited-range luma 16..235; `y-full`: .299/.587/.114 luma 0..255")
    luma_rounding: Annotated[
        Rounding,
        Says(
            values={
                "floor": "luma is rounded down to whole levels",
                "round": "luma is rounded to whole levels",
                "none": "luma is not rounded",
            },
            only={"channel": ("y-bt601", "y-full")},
        ),
    ] = Field(default="none", description="of luma, to whole levels")
    border: Annotated[
        Annotated[int, Field(ge=0)] | Literal["scale"],
        Says(
            "{} px are cut off each side",
            {0: "nothing is cut off", "scale": "as many px as the scale are cut off each side"},
        ),
    ] = Field(default=0, description="px cut off each side; `scale`: as many as the scale")
    match_statistics: Annotated[
        bool,
        Says(
            values={
                True: "caution: mean and deviation of each channel are first forced to those of the ground truth, "
                "which hides a colour cast"
            }
        ),
    ] = Field(default=False, description="force mean and standard deviation of SR's channels to HR's (VQFR), a witness")

    @model_validator(mode="after")
    def _rounds_luma_only(self) -> PixelConvention:
        if self.channel == "rgb" and self.luma_rounding != "none":
            raise ValueError("luma_rounding means nothing with channel rgb")
        return self

    def border_px(self, scale: int) -> int:
        """What is cut off each side, px, where HR is `scale` times the size of LR."""
        return scale if self.border == "scale" else self.border


class FaceConvention(Convention):
    """How a face is found: the table [faces] of a profile."""

    detector: Annotated[Literal["scrfd", "yunet", "dlib"], Says("where a dataset brings no points, {} finds them")] = (
        Field(default="scrfd", description="where points are detected: on each face, or where a dataset brings none")
    )
