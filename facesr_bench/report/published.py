"""Published numbers (`reports/anchors.toml`): read in a source, never measured here, never ranked with what was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from facesr_bench.base.toml import read_toml
from facesr_bench.plugins.cards import Name, validate
from facesr_bench.plugins.loading import bundled_folder
from facesr_bench.results.leaderboard import Group

_COLUMN = r"^[a-z0-9][a-z0-9._-]*(\[[a-z0-9._-]+(:[a-z0-9._-]+)?\])?(@[a-z0-9._-]+)?$"
ColumnName = Annotated[str, StringConstraints(pattern=_COLUMN, max_length=96)]
"""`psnr`, `lpips@vgg`, `fid[pytorch-fid:ffhq512]`: a metric, with its variant, reference set and network."""

AGREES = 0.1
"""dB between two rows of the same pictures: beyond it the crops or resizers differ before any network does."""


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
        same_as: the method here that makes the same row, of the inputs alone: a bicubic row, an input row.
        values: by the name of the column, in the metric's unit.
    """

    protocol: Name
    profile: Name
    n: int = Field(gt=0)
    source: Name
    method: str
    weights: str
    training_data: str
    parameters_million: float | None = Field(default=None, gt=0)
    same_as: Name | None = None
    values: dict[ColumnName, float] = Field(min_length=1)

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

    def checks(self, group: Group) -> list[tuple[Anchor, str]]:
        """How the rows that need no weights, which a source has too, agree with ours: one sentence each.

        They check the source's data and metric: whoever has other pictures has other numbers in every row.
        """
        return [(anchor, _agreement(anchor, group)) for anchor, _ in self.of(group) if anchor.same_as and anchor.values]

    def elsewhere(self, group: Group) -> str:
        """Why nothing published stands beside a group, and what has published numbers; empty where something does."""
        if self.of(group):
            return ""
        here = f"nothing published for {group.protocol} under profile {group.profile}"
        same = sorted({anchor.profile for anchor in self.anchors if anchor.protocol == group.protocol})
        if group.profile in same:
            part = f"{group.size} images" if group.n != group.total else "without any of its metrics"
            return f"{group.protocol}, profile {group.profile}: published numbers are of the whole set, this is {part}"
        if same:
            return f"{here}; there is under {', '.join(same)}: run again with --profile"
        known: dict[str, set[str]] = {}
        for anchor in self.anchors:
            known.setdefault(anchor.protocol, set()).add(anchor.profile)
        listed = "; ".join(
            f"{protocol} ({', '.join(sorted(profiles))})" for protocol, profiles in sorted(known.items())
        )
        return f"{here}; protocols (and profiles) with published numbers: {listed}"


def _agreement(anchor: Anchor, group: Group) -> str:
    """One row that a source has and we can have: how far apart they are."""
    compared = [info for info in group.metrics if info.unit == "dB" and info.name in anchor.values]
    row = next((row for row in group.rows if row.method == anchor.same_as and row.comparable), None)
    found = []
    for info in compared:
        if row is None or info.name not in row.means:
            return (
                f"`run --methods {anchor.same_as}` makes this row here too, and shows whether the pictures are the same"
            )
        there, here = anchor.values[info.name], row.means[info.name]
        both = f"{info.title} {info.format(there)} there, {info.format(here)} here ({row.label})"
        if abs(there - here) <= AGREES + 1e-9:  # 26.6 - 26.5 is a little more
            found.append(f"{both}: the pictures agree")
        else:
            apart = f"WARNING: {info.format(abs(there - here))} dB apart, more than {AGREES:g}"
            found.append(
                f"{both}. {apart}: crops or resizers differ before any network does, so this source's numbers can't be "
                "compared with ours"
            )
    return "; ".join(found)


def read_anchors(path: Path | None = None) -> AnchorFile:
    """The anchors in `path`, or those that come with facesr-bench.

    Raises:
        CardError: unreadable, not TOML, or not of this form; names the file and the field.
    """
    path = path or bundled_folder("reports") / "anchors.toml"
    return validate(AnchorFile, read_toml(path), path)
