"""From results on disk to one row per result: its means, what failed, and what it may be ranked against."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from facesr_bench.results.columns import (
    FIRST_METRICS,
    MetricInfo,
    Totals,
    is_left_out,
    metric_infos,
    ordered_metrics,
    total,
    why_missing,
)
from facesr_bench.results.leaderboard import rank
from facesr_bench.results.store import Result

if TYPE_CHECKING:
    import pandas


@dataclass
class RowSummary:
    """One result, summed up.

    Attributes:
        result: where it came from; its manifest holds the provenance.
        n: images that the method has an output for.
        total: images of the full set.
        failures: (image id, error) of each image that the method has no output for.
        error: why the method could not be loaded at all, or none.
        means: mean by metric, over the images that have a value; may be infinite, never NaN.
        counts: how many images each mean is over.
        standard_errors: of values of a set, where the metric knows.
        left_out: how many values each mean leaves out by the metric's own rule.
        reasons: metric -> why it has no value -> the ids of the images it has none for.
        ms_per_image: median milliseconds, or none where nothing was timed.
        metrics: what the manifest says of each metric that has a mean or a reason.
        comparable: it ran on the same images as the largest run of its group.
        unranked: why it is not comparable; empty where it is.
        best: the metrics whose best mean of the group this row has; empty in a group with nothing to compare.
        second: the metrics whose second best mean of the group this row has.
    """

    result: Result
    n: int
    total: int
    failures: tuple[tuple[str, str], ...]
    error: str | None
    means: dict[str, float]
    counts: dict[str, int]
    reasons: dict[str, dict[str, list[str]]]
    ms_per_image: float | None
    metrics: dict[str, MetricInfo]
    comparable: bool = False
    unranked: str = ""
    best: set[str] = field(default_factory=set)
    second: set[str] = field(default_factory=set)
    standard_errors: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def qualifier(self, metric: MetricInfo) -> str:
        """What must stand right behind the value of a set: its standard error, its count where that is too small."""
        return Totals(self.means, self.counts, self.reasons, self.standard_errors, self.left_out).qualifier(metric)

    @property
    def protocol(self) -> str:
        return self.result.protocol

    @property
    def method(self) -> str:
        return self.result.method

    @property
    def weights(self) -> str:
        return self.result.weights

    @property
    def label(self) -> str:
        return self.result.label

    @property
    def profile(self) -> str:
        return self.result.profile

    @property
    def precision(self) -> str:
        return self.result.manifest.method.precision

    @property
    def device(self) -> str:
        return self.result.manifest.environment.device

    @property
    def fingerprint(self) -> str:
        return self.result.manifest.fingerprint

    @property
    def parameters(self) -> int | None:
        return self.result.manifest.method.parameters

    @property
    def flops(self) -> int | None:
        """Operations per image (`facesr_bench.evaluation.cost`), or none where they were not counted."""
        return self.result.manifest.method.cost.flops

    @property
    def peak_memory(self) -> int | None:
        """Bytes on the GPU for one image (`facesr_bench.evaluation.cost`), or none where they were not measured."""
        return self.result.manifest.method.cost.peak_memory

    @property
    def failed(self) -> int:
        return len(self.failures)

    def notes(self, metrics: Collection[str] | None = None) -> list[str]:
        """What a reader of the numbers must know beside them, one sentence each; never empty if a cell is.

        Args:
            metrics: only of these, where no others are shown; none: of all.
        """
        notes = []
        if self.error is not None:
            notes.append(f"did not run: {self.error}")
        if self.failures:
            first_id, first_error = self.failures[0]
            notes.append(f"failed on {self.failed} of {self.n + self.failed} images; first {first_id}: {first_error}")
        if self.unranked and self.error is None:
            notes.append(f"not ranked: {self.unranked}")
        if not self.n:
            return notes
        shown = self.metrics.keys() if metrics is None else metrics
        for name, count in self.left_out.items():
            if name not in shown:
                continue
            info = self.metrics[name]
            below = f"{info.leave_out_below:g}{info.unit and ' ' + info.unit}"
            notes.append(f"{info.title}: {count} of {self.counts[name]} values below {below} left out of the mean")
        for name in ordered_metrics(name for name in self.reasons if name in shown):
            base = self.metrics[name].aggregate_of
            if base in self.reasons and base in shown:
                continue  # the reason is that of the metric it is made of
            for reason, ids in self.reasons[name].items():
                where = "" if name not in self.means else f" ({len(ids)} of {self.n} images left out of the mean)"
                notes.append(f"{self.metrics[name].title}: {reason}{where}")
        return notes


def summarise(results: Sequence[Result]) -> list[RowSummary]:
    """One row per result, in the order given.

    Raises:
        ResultsError: the images of a result can't be read.
    """
    rows: list[RowSummary] = []
    scored: list[frozenset[str]] = []
    for result in results:
        row, ids = _summarise_one(result)
        rows.append(row)
        scored.append(ids)
    rank(rows, scored)
    return rows


def _summarise_one(result: Result) -> tuple[RowSummary, frozenset[str]]:
    manifest = result.manifest
    images = result.rows()
    good = [row for row in images.values() if row.error is None]
    infos = metric_infos(manifest.metrics, images.values())
    sets = result.sets() if any(info.of == "set" for info in infos.values()) else {}
    totals = total(infos, good, sets)
    times = [row.ms for row in good if row.ms is not None]
    summary = RowSummary(
        result=result,
        n=len(good),
        total=manifest.data.count,
        failures=tuple((row.id, row.error) for row in images.values() if row.error is not None),
        error=manifest.error,
        means=totals.means,
        counts=totals.counts,
        reasons=totals.reasons,
        ms_per_image=statistics.median(times) if times else None,
        metrics=infos,
        standard_errors=totals.standard_errors,
        left_out=totals.left_out,
    )
    return summary, frozenset(row.id for row in good)


def per_image_values(row: RowSummary) -> dict[str, dict[str, float]]:
    """The values that a row's means are made of: metric -> image id -> value; may be infinite, never NaN.

    What a metric's own rule leaves out of its mean (`left_out`) is not among them.

    Raises:
        ResultsError: the images of the result can't be read.
    """
    found: dict[str, dict[str, float]] = {}
    for image in row.result.rows().values():
        if image.error is None:
            for name, info in row.metrics.items():
                if why_missing(image, name, info) is None and not is_left_out(image.metrics[name], info):
                    found.setdefault(name, {})[image.id] = image.metrics[name]
    return found


def columns(rows: Sequence[RowSummary]) -> list[str]:
    """The columns of the machine-readable table; their names and order are a stable interface."""
    metrics = ordered_metrics({*FIRST_METRICS, *(name for row in rows for name in row.metrics)})
    tail = ["failed", "total", "ms_per_image", "precision", "device", "fingerprint", *_COST]
    return ["protocol", "method", "weights", "profile", "n", *metrics, *tail]


def records(rows: Sequence[RowSummary]) -> list[dict[str, Any]]:
    """One dict per row with the keys of `columns`; none where there is no value."""
    names = columns(rows)
    return [{name: getattr(row, name) if name in _FIELDS else row.means.get(name) for name in names} for row in rows]


_COST = ("parameters", "flops", "peak_memory")
_FIELDS = frozenset(
    {"protocol", "method", "weights", "profile", "n", "failed", "total", "ms_per_image", "precision", "device"}
    | {"fingerprint", *_COST}
)


def to_frame(rows: Sequence[RowSummary]) -> pandas.DataFrame:
    """The rows as a pandas.DataFrame with the columns of `columns`; NaN where there is no value."""
    import pandas

    frame = pandas.DataFrame(records(rows), columns=columns(rows))
    numbers = [name for name in frame.columns if name not in _FIELDS or name in {"ms_per_image", *_COST}]
    return frame.astype(dict.fromkeys(numbers, "float64"))
