"""From results on disk to one row per result: its means, its costs, and what failed."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from facesr_bench.results.columns import (
    COSTS,
    STABLE_COLUMNS,
    TIME,
    CostColumn,
    MetricInfo,
    Totals,
    aligned,
    is_left_out,
    metric_infos,
    ordered_metrics,
    total,
    why_missing,
)
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.store import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class ResultSummary(Totals):
    """One result, summed up.

    Attributes:
        result: where it came from; its manifest holds the provenance.
        ids: of the images that the method has an output for.
        total: images of the full set: as many as the protocol's card says, or else as the data had.
        whole: the data had as many.
        failures: (image id, error) of each image that the method has no output for.
        error: why the method could not be loaded at all, or None.
        metrics: what the manifest says of each metric that has a mean or a reason.
        costs: by the name of the column (`COSTS`); only what was measured, or reported.
        cost_marks: what must stand behind a cost, by the name of the column: `reported` where it was not measured here.
        people: image id -> the person it shows, of the images whose dataset says so.
        enlarged: image id -> by which factor its face was enlarged to be HR, of those that were.
    """

    result: Result
    ids: frozenset[str]
    total: int
    whole: bool
    failures: tuple[tuple[str, str], ...]
    error: str | None
    metrics: dict[str, MetricInfo]
    costs: dict[str, float]
    cost_marks: dict[str, str]
    people: dict[str, str]
    enlarged: dict[str, float]

    @cached_property
    def values_of_images(self) -> dict[str, dict[str, float]]:
        """What `per_image_values` gives, to read and not to change: a report asks many times."""
        found: dict[str, dict[str, float]] = {}
        for image in self.result.images.values():
            if image.error is None:
                for name, info in self.metrics.items():
                    if why_missing(image, name, info) is None and not is_left_out(image.metrics[name], info):
                        found.setdefault(name, {})[image.id] = image.metrics[name]
        return found

    @property
    def n(self) -> int:
        """Images that the method has an output for."""
        return len(self.ids)

    @property
    def size(self) -> str:
        """`330`, or `3 of 330` where the data was not the whole set."""
        return str(self.n) if self.whole else in_words(self.n, self.total)

    @property
    def protocol(self) -> str:
        """The name of its protocol."""
        return self.result.protocol

    @property
    def method(self) -> str:
        """The name of its method."""
        return self.result.method

    @property
    def weights(self) -> str:
        """The name or file of its weights; empty for a method without."""
        return self.result.weights

    @property
    def label(self) -> str:
        """What tables call the row."""
        return self.result.label

    @property
    def profile(self) -> str:
        """The name of its convention."""
        return self.result.profile

    @property
    def precision(self) -> str:
        """Of networks: `fp32`, `bf16`."""
        return self.result.manifest.method.precision

    @property
    def device(self) -> str:
        """What computed it, in words."""
        return self.result.manifest.environment.device

    @property
    def machine(self) -> str:
        """Where it ran last, in words: `cpu with 2 threads, Linux`."""
        environment = self.result.manifest.environment
        threads = environment.threads
        with_threads = f" with {threads} thread{'' if threads == 1 else 's'}" if threads else ""
        system = environment.platform.partition("-")[0]
        return f"{environment.device or 'unknown device'}{with_threads}, {system}".rstrip(", ")

    @property
    def fingerprint(self) -> str:
        """What names the result."""
        return self.result.manifest.fingerprint

    @property
    def badge(self) -> str:
        """How far it was verified, for a result that came in a bundle; empty for one that was computed here."""
        origin = self.result.manifest.origin
        return "" if origin is None else origin.badge

    @property
    def origin(self) -> str:
        """Which bundle it came in, and what of it was found here too; empty for one that was computed here."""
        origin = self.result.manifest.origin
        if origin is None:
            return ""
        here = f"computed here: {', '.join(origin.metrics)}; " if origin.verified else ""
        return f"came in bundle {origin.bundle[:16]}, {origin.badge}; {here}its costs are the sender's word"

    @property
    def unverified(self) -> str:
        """Why its numbers are only its sender's word; empty where they are not."""
        origin = self.result.manifest.origin
        return "" if origin is None or origin.verified else "its numbers were not computed here (bundle at level 1)"

    @property
    def failed(self) -> int:
        """How many images the method has no picture of."""
        return len(self.failures)

    @property
    def alignment(self) -> str:
        """What faces were placed by, by the columns of metrics that look at faces; empty where that is not known."""
        return "; ".join(f"{name}: {self.alignment_in_words(name)}" for name in self.metrics if name in self.alignments)

    @property
    def networks(self) -> str:
        """The networks that its columns were made with, each with the first digits of its file's hash."""
        made = [info for info in self.metrics.values() if info.network and info.name in self.means]
        return "; ".join(f"{info.name}: {info.network}" for info in made if info.aggregate_of is None)

    def missing(self, name: str) -> frozenset[str]:
        """The ids of the images that a mean lacks a value of."""
        return frozenset(image for ids in self.reasons.get(name, {}).values() for image in ids)

    def cost_text(self, cost: CostColumn) -> str | None:
        """A cost in the column's unit with what must stand behind it, `12.5 (reported)`; None where it is not known."""
        if cost.name not in self.costs:
            return None
        mark = self.cost_marks.get(cost.name)
        return cost.format(self.costs[cost.name]) + (f" ({mark})" if mark else "")

    def notes(self, metrics: Collection[str] | None = None) -> list[str]:
        """What a reader of the numbers must know beside them, one sentence each; never empty if a cell is.

        Args:
            metrics: only of these, where no others are shown; None: of all.
        """
        return [*self._failures_in_words(), *self._gaps_in_words(self.metrics if metrics is None else metrics)]

    def _failures_in_words(self) -> Iterator[str]:
        if self.error is not None:
            yield f"did not run: {self.error}"
        if self.origin:
            yield self.origin
        if self.result.manifest.method.assumed_aligned:
            yield "needs FFHQ-aligned faces; that these are is the user's word (--assume-aligned)"
        yield from self.result.manifest.method.remarks
        if (exported := self.result.manifest.method.exported) is not None:
            yield exported.words
        held = self.result.manifest.data.count
        if held < self.total:
            yield f"{held} of the {self.total} images of {self.protocol}"
        elif held > self.total:
            yield f"the data has {held} images, and {self.protocol} has {self.total}: another set"
        if self.enlarged:
            most = max(self.enlarged.values())
            yield f"{len(self.enlarged)} of {self.n} faces were enlarged to be HR, by {most:.3g} times at most"
        if self.failures:
            first_id, first_error = self.failures[0]
            yield f"failed on {self.failed} of {self.n + self.failed} images; first {first_id}: {first_error}"

    def _gaps_in_words(self, shown: Collection[str]) -> Iterator[str]:
        if not self.n:
            return
        for name, count in self.left_out.items():
            if name not in shown:
                continue
            info = self.metrics[name]
            below = f"{info.leave_out_below:g}{info.unit and ' ' + info.unit}"
            yield f"{info.title}: {count} of {self.counts[name]} values below {below} left out of the mean"
        for name in ordered_metrics(self.metrics[name] for name in self.infinite if name in shown):
            yield f"{self.metrics[name].title}: {self.infinite_in_words(name)}"
        for name in ordered_metrics(self.metrics[name] for name in self.alignments if name in shown):
            if len(self.alignments[name]) > 1:
                yield f"{self.metrics[name].title}: faces placed by {self.alignment_in_words(name)}"
        for name in ordered_metrics(self.metrics[name] for name in self.reasons if name in shown):
            base = self.metrics[name].aggregate_of
            if base in self.reasons and base in shown:
                continue  # the reason is that of the metric it is made of
            for reason, ids in self.reasons[name].items():
                where = "" if name not in self.means else f" ({len(ids)} of {self.n} images left out of the mean)"
                yield f"{self.metrics[name].title}: {reason}{where}"


def summarise(results: Iterable[Result]) -> list[ResultSummary]:
    """One row per result, in the order given; `leaderboard.groups` ranks them.

    Raises:
        ResultsError: the images of a result can't be read.
    """
    return [_summarise_one(result) for result in results]


def _summarise_one(result: Result) -> ResultSummary:
    manifest = result.manifest
    images = result.images
    good = [row for row in images.values() if row.error is None]
    expected = manifest.protocol.expected_count or manifest.data.count
    infos = metric_infos(manifest.metrics, images.values())
    sets = result.sets() if any(info.of == "set" for info in infos.values()) else {}
    totals = total(infos, good, sets)
    return ResultSummary(
        result=result,
        ids=frozenset(row.id for row in good),
        total=expected,
        whole=manifest.data.count == expected,
        failures=tuple((row.id, row.error) for row in images.values() if row.error is not None),
        error=manifest.error,
        metrics=aligned(infos, [totals]),
        people={row.id: row.identity for row in good if row.identity is not None},
        enlarged={row.id: row.enlarged for row in good if row.enlarged is not None},
        **{**_costs(result, good), **vars(totals)},
    )


def _costs(result: Result, images: Sequence[ImageRecord]) -> dict[str, dict[str, Any]]:
    """`costs` and `cost_marks`: the time was measured with each image, the rest when the method was loaded."""
    method = result.manifest.method
    times = [row.ms for row in images if row.ms is not None]
    measured = method.cost.model_dump()
    if method.parameters is not None:
        measured["parameters"] = method.parameters
    measured[TIME] = statistics.median(times) if times else method.reported_ms
    mark = f"with {method.time_includes}" if method.time_includes else ""
    if not times:
        mark = ", ".join(filter(None, ("reported", method.reported_on)))
    costs = {cost.name: measured[cost.name] for cost in COSTS if measured.get(cost.name) is not None}
    return {"costs": costs, "cost_marks": {TIME: mark} if mark and TIME in costs else {}}


def in_words(n: int, total: int) -> str:
    """A number of images: `330`, `3 of 330`, or `331, expected 330`."""
    if n == total:
        return str(n)
    return f"{n} of {total}" if n < total else f"{n}, expected {total}"


def per_image_values(row: ResultSummary) -> dict[str, dict[str, float]]:
    """The values that a row's means are made of: metric -> image id -> value; may be infinite, never NaN.

    What a metric's own rule leaves out of its mean (`left_out`) is not among them.

    Raises:
        ResultsError: the images of the result can't be read.
    """
    return row.values_of_images


def metrics_of(rows: Iterable[ResultSummary]) -> list[str]:
    """The metrics of several results, in the order of columns."""
    return ordered_metrics(info for row in rows for info in row.metrics.values())


def columns(rows: Sequence[ResultSummary]) -> list[str]:
    """The columns of the machine-readable table; their names and order are a stable interface."""
    metrics = [*STABLE_COLUMNS, *(name for name in metrics_of(rows) if name not in STABLE_COLUMNS)]
    costs = [cost.name for cost in COSTS if cost.name != TIME]  # which stands where it always did
    tail = ["failed", "total", TIME, "precision", "device", "fingerprint", *costs]
    tail += ["bundle", "verified"] if any(row.badge for row in rows) else []
    tail += [TIME_NOTE] if any(TIME in row.cost_marks for row in rows) else []
    tail += ["alignment", "networks", *map(count_column, metrics)]
    return ["protocol", "method", "weights", "profile", "n", *metrics, *tail]


def count_column(metric: str) -> str:
    """The csv's column that says how many images a number of that metric is made of: 0 where there is none."""
    return f"{metric}_n"


def records(rows: Sequence[ResultSummary]) -> list[dict[str, Any]]:
    """One dict per row with the keys of `columns`; None where there is no value."""
    names = columns(rows)
    counted = [*STABLE_COLUMNS, *metrics_of(rows)]
    counts = [{count_column(name): row.count(name) for name in counted} for row in rows]
    return [{name: _value(row, name) for name in names} | count for row, count in zip(rows, counts, strict=True)]


TIME_NOTE = "ms_note"
"""A csv's last column, where a time must not be read alone: `reported`, `with start-up`."""

_FIELDS = frozenset({"protocol", "method", "weights", "profile", "n", "failed", "total"})
_FIELDS |= {"precision", "device", "fingerprint", "alignment", "networks"}


def _value(row: ResultSummary, name: str) -> Any:
    if name == TIME_NOTE:
        return row.cost_marks.get(TIME)
    if name in {"bundle", "verified"}:
        origin = row.result.manifest.origin
        return None if origin is None else (origin.bundle if name == "bundle" else origin.badge)
    return getattr(row, name) if name in _FIELDS else row.costs.get(name, row.means.get(name))
