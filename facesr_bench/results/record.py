"""What is stored of one image."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facesr_bench.base.errors import ResultsError

SCHEMA = 1
"""Version of the files on disk; a loader refuses what it doesn't know."""


@dataclass
class ImageRow:
    """All that is known of one image of one result.

    Attributes:
        id: the sample's id.
        metrics: value by metric name; may be infinite, never NaN.
        versions: the version of each metric when its value, or its lasting lack of one, was found.
        reasons: why a metric has no value, by metric name.
        undetected: the metrics among them whose detector found no face.
        ms: milliseconds the method took for it, or none where the image was read from disk.
        error: why the method has no image, or none.
    """

    id: str
    metrics: dict[str, float] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    undetected: list[str] = field(default_factory=list)
    ms: float | None = None
    error: str | None = None

    def to_json(self) -> str:
        """One line of images.jsonl. Infinity is written as the string "inf": JSON has no such number."""
        data: dict[str, Any] = {"id": self.id}
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
    def from_json(cls, data: Mapping[str, Any]) -> ImageRow:
        return cls(
            id=data["id"],
            metrics={k: float(v) for k, v in data.get("metrics", {}).items()},
            versions=dict(data.get("versions", {})),
            reasons=dict(data.get("reasons", {})),
            undetected=list(data.get("undetected", [])),
            ms=data.get("ms"),
            error=data.get("error"),
        )


def _encode(value: float) -> float | str:
    if math.isnan(value):
        raise ResultsError("a metric returned NaN; a metric that can't be computed must raise MetricError")
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def _merge(old: ImageRow, new: ImageRow) -> ImageRow:
    reasons = {k: v for k, v in {**old.reasons, **new.reasons}.items() if k not in new.metrics}
    kept = {k: v for k, v in old.metrics.items() if k not in new.reasons}
    return ImageRow(
        id=old.id,
        metrics={**kept, **new.metrics},
        versions={**old.versions, **new.versions},
        reasons=reasons,
        undetected=[key for key in reasons if key in {*old.undetected, *new.undetected}],
        ms=new.ms if new.ms is not None else old.ms,
        error=new.error,
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
