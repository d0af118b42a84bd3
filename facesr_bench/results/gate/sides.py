"""One form for both sides of a comparison: a result on disk, or a baseline's file."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass as validated

from facesr_bench.results.columns import is_left_out, metric_infos, why_missing
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import DataRecord, Manifest, MetricRecord, Part, ProfileRecord, ProtocolRecord
from facesr_bench.results.store import Result
from facesr_bench.results.summary import ResultSummary


@validated(config=ConfigDict(extra="forbid"))
class Shot:
    """One image of one side.

    Attributes:
        id: the sample's id.
        identity: the person it shows, or None.
        error: why the method has no image, or None.
        metrics: values at full precision; may be infinite, never NaN.
        reasons: why a metric has no value.
        undetected: the metrics among them whose detector found no face.
        left_out: the metrics whose value doesn't enter the mean by the metric's own rule.
        pixels: sha256 of the decoded picture; None where it is not on disk.
        constant: every pixel of it is the same.
        given: names the decoded pictures that the method was given and is scored against; None as `pixels`.
    """

    id: str
    identity: str | None = None
    error: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    reasons: dict[str, str] = Field(default_factory=dict)
    undetected: list[str] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list)
    pixels: str | None = None
    constant: bool = False
    given: str | None = None

    @field_validator("metrics")
    @classmethod
    def _no_nan(cls, values: dict[str, float]) -> dict[str, float]:
        if wrong := [name for name, value in values.items() if math.isnan(value)]:
            raise ValueError(f"NaN for {', '.join(wrong)}")
        return values

    def only(self, names: Collection[str]) -> Shot:
        """With these of its metrics alone."""
        return replace(
            self,
            metrics={name: value for name, value in self.metrics.items() if name in names},
            reasons={name: reason for name, reason in self.reasons.items() if name in names},
            undetected=[name for name in self.undetected if name in names],
            left_out=[name for name in self.left_out if name in names],
        )


class Asked(Part):
    """The method of a side.

    Attributes:
        label: what tables call its row.
        asked: how a run is asked for it.
    """

    name: str
    label: str
    weights: str | None = None
    weights_sha256: str | None = None
    precision: str = ""
    asked: str = ""


class Header(Part):
    """All that is known of a side beside its images: what must be equal, and what may differ.

    Attributes:
        definition: a hash of what decides numbers in the protocol and profile.
        error: why the method could not run at all, or None.
        costs: milliseconds per image, bytes and so on, by the names of `columns.COSTS`; they only inform.
        sets: values of metrics of the whole set, by metric.
        environment: what computed it: the version of facesr-bench, the kind of device.
    """

    protocol: ProtocolRecord
    dataset: str = ""
    data: DataRecord
    definition: str
    profile: ProfileRecord
    metrics: dict[str, MetricRecord]
    method: Asked
    fingerprint: str
    n: int
    error: str | None = None
    costs: dict[str, float] = Field(default_factory=dict)
    sets: dict[str, float] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a comparison.

    Attributes:
        where: the file or folder that it was read from.
        images: by id, in the order of their ids.
        result: the result on disk, which has pictures and features; None of a baseline's file.
    """

    where: str
    header: Header
    images: Mapping[str, Shot]
    result: Result | None = None

    @property
    def label(self) -> str:
        """What tables call its row."""
        return self.header.method.label

    @property
    def protocol(self) -> str:
        """The name of its protocol."""
        return self.header.protocol.name

    @cached_property
    def held(self) -> dict[str, MetricRecord]:
        """The metrics that it has values of, in the order of columns."""
        images = self.images.values()
        named = {name for shot in images for name in (*shot.metrics, *shot.undetected)}
        found = {name: metric for name, metric in self.header.metrics.items() if self._holds(name, metric, named)}
        return dict(sorted(found.items(), key=lambda pair: (pair[1].order, pair[0])))

    def only(self, metrics: Collection[str]) -> Side:
        """With these of its metrics alone.

        Args:
            metrics: names of columns, or as users ask for them.
        """
        kept = {name: m for name, m in self.header.metrics.items() if name in metrics or m.typed in metrics}
        sets = {name: value for name, value in self.header.sets.items() if name in kept}
        header = self.header.model_copy(update={"metrics": kept, "sets": sets})
        return replace(self, header=header, images={i: shot.only(kept) for i, shot in self.images.items()})

    def _holds(self, name: str, metric: MetricRecord, named: Collection[str]) -> bool:
        return name in (self.header.sets if metric.of == "set" else named)


@dataclass(frozen=True)
class Look:
    """What the pictures of one image of a result are, as `Shot` has it."""

    pixels: str | None = None
    constant: bool = False
    given: str | None = None


def side_of(row: ResultSummary, looks: Mapping[str, Look]) -> Side:
    """A result as one side.

    Args:
        looks: by image id; an image that it lacks has no picture.

    Raises:
        ResultsError: the images of the result can't be read.
    """
    result = row.result
    sets = {name: value for name, value in row.means.items() if math.isfinite(value)}
    costs = {name: value for name, value in row.costs.items() if math.isfinite(value)}
    side = side_of_record(str(result.folder), result.manifest, result.images, looks, sets=sets, costs=costs)
    return replace(side, result=result)


def side_of_record(
    where: str,
    manifest: Manifest,
    records: Mapping[str, ImageRecord],
    looks: Mapping[str, Look],
    *,
    sets: Mapping[str, float],
    costs: Mapping[str, float] | None = None,
) -> Side:
    """What is on record of a result as one side.

    Args:
        where: what messages call it.
        sets: the means of its columns, those of metrics of the whole set among them.
    """
    infos = {name: info for name, info in metric_infos(manifest.metrics, records.values()).items() if info.has_values}
    images = {}
    for image_id, record in sorted(records.items()):
        missing = {name: why_missing(record, name, info) for name, info in infos.items()} if not record.error else {}
        values = {name: record.metrics[name] for name, reason in missing.items() if reason is None}
        look = looks.get(image_id, Look())
        images[image_id] = Shot(
            id=image_id,
            identity=record.identity,
            error=record.error,
            metrics=values,
            reasons={name: reason for name, reason in missing.items() if reason is not None},
            undetected=[name for name in record.undetected if name not in values],
            left_out=[name for name, value in values.items() if is_left_out(value, infos[name])],
            pixels=look.pixels,
            constant=look.constant,
            given=look.given,
        )
    method = manifest.method
    asked = manifest.request.methods[0] if manifest.request and manifest.request.methods else method.label
    machine = manifest.environment
    header = Header(
        protocol=manifest.protocol,
        dataset=manifest.dataset.name,
        data=manifest.data,
        definition=manifest.definition,
        profile=manifest.profile,
        metrics=manifest.metrics,
        method=Asked(
            name=method.name,
            label=method.label,
            weights=method.weights,
            weights_sha256=method.weights_sha256,
            precision=method.precision,
            asked=asked,
        ),
        fingerprint=manifest.fingerprint,
        n=len(images),
        error=manifest.error,
        costs=dict(costs or {}),
        sets={name: sets[name] for name, metric in manifest.metrics.items() if metric.of == "set" and name in sets},
        environment={"facesr_bench": machine.facesr_bench, "device": machine.device},
    )
    return Side(where, header, images)
