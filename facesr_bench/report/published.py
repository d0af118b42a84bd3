"""Published numbers (`reports/anchors.toml`): read in a source, never measured here, never ranked with what was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from facesr_bench.base.toml import read_toml
from facesr_bench.plugins.cards import Name, validate
from facesr_bench.plugins.loading import bundled_folder
from facesr_bench.results.leaderboard import Group


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Card):
    """Where numbers were read.

    Attributes:
        commit: of the repository whose page was read, where it has one.
        note: what had to be concluded rather than read.
    """

    title: str
    url: str = Field(pattern=r"^https://")
    commit: str = ""
    note: str = ""


class Anchor(_Card):
    """The published numbers of one method under one protocol and profile.

    Attributes:
        method: as the source calls it.
        weights: which network of that name; `not stated` where the source doesn't say.
        n: images they are means of.
        values: by metric name, in the metric's unit.
    """

    protocol: Name
    profile: Name
    n: int = Field(gt=0)
    source: Name
    method: str
    weights: str
    training_data: str
    parameters_million: float | None = Field(default=None, gt=0)
    values: dict[Name, float] = Field(min_length=1)

    @property
    def label(self) -> str:
        """The method, and its weights where the source tells them apart."""
        return self.method if self.weights in {"none", "not stated"} else f"{self.method} ({self.weights})"

    @property
    def costs(self) -> dict[str, float]:
        """What is known of `facesr_bench.results.columns.COSTS`, by name."""
        return {} if self.parameters_million is None else {"parameters": round(self.parameters_million * 1e6)}


class AnchorFile(_Card):
    """All of anchors.toml."""

    schema_version: Literal[1]
    sources: dict[Name, Source]
    anchors: tuple[Anchor, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> AnchorFile:
        seen = set()
        for anchor in self.anchors:
            if anchor.source not in self.sources:
                raise ValueError(f"{anchor.method}: source {anchor.source!r} is not one of [sources]")
            key = (anchor.protocol, anchor.profile, anchor.source, anchor.label)
            if key in seen:
                raise ValueError(f"{anchor.label} of {anchor.source} is given twice for {anchor.protocol}")
            seen.add(key)
        return self

    def of(self, group: Group) -> Sequence[tuple[Anchor, Source]]:
        """The anchors that may stand beside a group: same protocol and profile, and a metric of its columns.

        None beside a part of the set, or another set.
        """
        if group.n != group.total:
            return []
        names = {metric.name for metric in group.metrics}
        return [
            (anchor, self.sources[anchor.source])
            for anchor in self.anchors
            if (anchor.protocol, anchor.profile) == (group.protocol, group.profile) and names & anchor.values.keys()
        ]


def read_anchors(path: Path | None = None) -> AnchorFile:
    """The anchors in `path`, or those that come with facesr-bench.

    Raises:
        CardError: unreadable, not TOML, or not of this form; names the file and the field.
    """
    path = path or bundled_folder("reports") / "anchors.toml"
    return validate(AnchorFile, read_toml(path), path)
