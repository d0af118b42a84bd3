"""What is stored of one image of a result: a line of images.jsonl."""

from __future__ import annotations

import json
import math
from dataclasses import field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.invalid import problems
from facesr_bench.results.checks import check, sealed


@dataclass
class ImageRecord:
    """All that is known of one image of one result: a line of images.jsonl.

    Attributes:
        id: the sample's id.
        metrics: value by metric name; may be infinite, never NaN.
        versions: the version of each metric when its value, or its lasting lack of one, was found.
        reasons: why a metric has no value, by metric name.
        undetected: the metrics among them whose detector found no face.
        ms: milliseconds the method took for it, or None where the image was read from disk.
        error: why the method has no image, or None.
        identity: the person it shows, or None where the dataset does not say.
        alignments: what the face was placed by (`landmarks`, `dlib on HR`), by the names of metrics that look at
            faces; results of earlier releases don't say.
        enlarged: by which factor the face was enlarged to be HR, where the protocol's card allows it; or None.
    """

    id: str
    metrics: dict[str, float] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    undetected: list[str] = field(default_factory=list)
    ms: float | None = None
    error: str | None = None
    identity: str | None = None
    alignments: dict[str, str] = field(default_factory=dict)
    enlarged: float | None = None

    def to_json(self) -> str:
        """One line of images.jsonl, with its checksum.

        Infinity is written as the string "inf": JSON has no such number.
        """
        data: dict[str, Any] = {"id": self.id}
        if self.identity is not None:
            data["identity"] = self.identity
        if self.error is not None:
            data["error"] = self.error
        if self.metrics:
            data["metrics"] = {k: _encode(v) for k, v in self.metrics.items()}
        if self.versions:
            data["versions"] = self.versions
        if self.reasons:
            data["reasons"] = self.reasons
        if self.undetected:
            data["undetected"] = self.undetected
        if self.alignments:
            data["alignments"] = self.alignments
        if self.enlarged is not None:
            data["enlarged"] = self.enlarged
        if self.ms is not None:
            data["ms"] = round(self.ms, 4)
        return sealed(json.dumps(data, allow_nan=False, ensure_ascii=False))

    @classmethod
    def from_json(cls, line: bytes | str, *, required: bool = True) -> ImageRecord:
        """The record that a line holds.

        Args:
            required: refuse a line without a checksum.

        Raises:
            ValueError: what is wrong with it, in one line.
        """
        check(line.encode() if isinstance(line, str) else line, required=required)
        try:
            return _LINES.validate_json(line)
        except ValidationError as error:
            raise ValueError(problems(error)) from error


_LINES: TypeAdapter[ImageRecord] = TypeAdapter(ImageRecord)
"""Parses and validates in compiled code: faster than json.loads alone."""


def _encode(value: float) -> float | str:
    if math.isnan(value):
        raise ResultsError("a metric returned NaN; a metric that can't be computed must raise MetricError")
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def merged(old: ImageRecord, new: ImageRecord) -> ImageRecord:
    """An image's line after a later one: new values take the place of old ones, a reason that of a value."""
    reasons = {k: v for k, v in {**old.reasons, **new.reasons}.items() if k not in new.metrics}
    kept = {k: v for k, v in old.metrics.items() if k not in new.reasons}
    return ImageRecord(
        id=old.id,
        metrics={**kept, **new.metrics},
        versions={**old.versions, **new.versions},
        reasons=reasons,
        undetected=[key for key in reasons if key in {*old.undetected, *new.undetected}],
        alignments={k: v for k, v in {**old.alignments, **new.alignments}.items() if k not in reasons},
        ms=new.ms if new.ms is not None else old.ms,
        error=new.error,
        identity=new.identity if new.identity is not None else old.identity,
        enlarged=new.enlarged if new.enlarged is not None else old.enlarged,
    )
