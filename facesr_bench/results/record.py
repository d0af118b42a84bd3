"""What is stored of one image."""

from __future__ import annotations

import json
import math
from dataclasses import field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from facesr_bench.base.errors import ResultsError

SCHEMA = 1
"""Version of the files on disk; a loader refuses what it doesn't know."""


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
    """

    id: str
    metrics: dict[str, float] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    undetected: list[str] = field(default_factory=list)
    ms: float | None = None
    error: str | None = None
    identity: str | None = None

    def to_json(self) -> str:
        """One line of images.jsonl. Infinity is written as the string "inf": JSON has no such number."""
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
        if self.ms is not None:
            data["ms"] = round(self.ms, 4)
        return json.dumps(data, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: bytes | str) -> ImageRecord:
        """The record that a line holds.

        Raises:
            ValueError: what is wrong with it, in one line.
        """
        try:
            return _LINES.validate_json(line)
        except ValidationError as error:
            raise ValueError(problems(error)) from error


_LINES: TypeAdapter[ImageRecord] = TypeAdapter(ImageRecord)
"""Parses and validates in compiled code: faster than json.loads alone."""


def problems(error: ValidationError) -> str:
    """What pydantic found, in one line: `ms: Input should be a valid number`."""
    found = []
    for problem in error.errors(include_url=False):
        place = ".".join(str(part) for part in problem["loc"])
        found.append(f"{place}: {problem['msg']}" if place else problem["msg"])
    return "; ".join(found)


def _encode(value: float) -> float | str:
    if math.isnan(value):
        raise ResultsError("a metric returned NaN; a metric that can't be computed must raise MetricError")
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def _merge(old: ImageRecord, new: ImageRecord) -> ImageRecord:
    reasons = {k: v for k, v in {**old.reasons, **new.reasons}.items() if k not in new.metrics}
    kept = {k: v for k, v in old.metrics.items() if k not in new.reasons}
    return ImageRecord(
        id=old.id,
        metrics={**kept, **new.metrics},
        versions={**old.versions, **new.versions},
        reasons=reasons,
        undetected=[key for key in reasons if key in {*old.undetected, *new.undetected}],
        ms=new.ms if new.ms is not None else old.ms,
        error=new.error,
        identity=new.identity if new.identity is not None else old.identity,
    )


_REQUIRED = (
    "protocol.name",
    "method.name",
    "method.weights",
    "method.label",
    "profile.name",
    "dataset.name",
    "data.hash",
    "metrics",
    "updated",
    "error",
)
"""What every reader of a manifest relies on."""


def _has(manifest: Any, names: list[str]) -> bool:
    for name in names:
        if not isinstance(manifest, dict) or name not in manifest:
            return False
        manifest = manifest[name]
    return True
