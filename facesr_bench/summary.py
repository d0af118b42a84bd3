"""From results on disk to one row per result: its means, what failed, and what it may be ranked against.

Numbers are compared within a group only: the results of one (protocol, profile). Inside a group a row is ranked only
if it was computed on the same images as the largest run; a metric of a row is ranked only if all of those images have
a value for it.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from facesr_bench.store import ImageRow, Result

if TYPE_CHECKING:
    import pandas

FIRST_METRICS = ("psnr", "ssim")
"""The metrics whose columns come first, and are always there."""

_PROSE = {"protocol": {"summary", "metrics", "expected_count", "profile"}, "profile": {"summary", "source"}}
"""Fields of the cards that don't change a number."""


@dataclass(frozen=True)
class MetricInfo:
    """What the manifest says of a metric.

    Attributes:
        higher_is_better: none where the manifest doesn't say; such a metric is shown but never ranked.
        digits: decimals in tables.
        version: raised by the metric's author whenever a number could change.
        of: `image`: the mean of one value per image; `set`: one value of all images together.
        minimum_count: of a set: with fewer images the number stands with its count.
        aggregates: columns made of all its values, such as `auc-8`.
        leave_out_below: values below it don't enter the mean.
        aggregate_of: the metric whose values this column is made of, or none.
        summary: what it tells, in a sentence.
    """

    name: str
    title: str
    unit: str = ""
    higher_is_better: bool | None = None
    digits: int = 4
    version: int = 0
    of: str = "image"
    minimum_count: int = 0
    aggregates: tuple[str, ...] = ()
    leave_out_below: float | None = None
    aggregate_of: str | None = None
    summary: str = ""

    @property
    def has_values(self) -> bool:
        """Whether each image has a value of its own, so that methods can be compared image by image."""
        return self.of == "image" and self.aggregate_of is None

    @property
    def header(self) -> str:
        """`PSNR (dB) ↑`: title, unit, and which way is better."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit}{self.arrow}"

    @property
    def arrow(self) -> str:
        return "" if self.higher_is_better is None else (" ↑" if self.higher_is_better else " ↓")

    def format(self, value: float) -> str:
        """`value` with the metric's digits; infinity as `inf`."""
        return f"{value:.{self.digits}f}"


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
        return str(self.result.manifest["method"].get("precision") or "")

    @property
    def device(self) -> str:
        return str(self.result.manifest["environment"].get("device") or "")

    @property
    def fingerprint(self) -> str:
        return str(self.result.manifest["fingerprint"])

    @property
    def parameters(self) -> int | None:
        found: int | None = self.result.manifest["method"].get("parameters")
        return found

    @property
    def flops(self) -> int | None:
        """Operations per image (`facesr_bench.cost`), or none where they were not counted."""
        return self._cost("flops")

    @property
    def peak_memory(self) -> int | None:
        """Bytes on the GPU for one image (`facesr_bench.cost`), or none where they were not measured."""
        return self._cost("peak_memory")

    def _cost(self, name: str) -> int | None:
        found: int | None = (self.result.manifest["method"].get("cost") or {}).get(name)
        return found

    @property
    def failed(self) -> int:
        return len(self.failures)

    def notes(self) -> list[str]:
        """What a reader of the numbers must know beside them, one sentence each; never empty if a cell is."""
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
        for name, count in self.left_out.items():
            info = self.metrics[name]
            below = f"{info.leave_out_below:g}{info.unit and ' ' + info.unit}"
            notes.append(f"{info.title}: {count} of {self.counts[name]} values below {below} left out of the mean")
        for name in ordered_metrics(self.reasons):
            for reason, ids in self.reasons[name].items():
                where = "" if name not in self.means else f" ({len(ids)} of {self.n} images left out of the mean)"
                notes.append(f"{self.metrics[name].title}: {reason}{where}")
        return notes


@dataclass(frozen=True)
class Group:
    """The rows of one (protocol, profile), best first.

    Attributes:
        n: images that the ranked rows share.
        total: images of the full set.
    """

    protocol: str
    profile: str
    rows: tuple[RowSummary, ...]
    metrics: tuple[MetricInfo, ...]
    n: int
    total: int

    @property
    def size(self) -> str:
        """`330`, or `10 of 330` for a part of the set."""
        return str(self.n) if self.n == self.total else f"{self.n} of {self.total}"

    def notes(self) -> list[tuple[str, str]]:
        """(labels of rows, what must be known of them): the notes of all rows, equal ones said once."""
        labels: dict[str, list[str]] = {}
        for row in self.rows:
            for note in row.notes():
                labels.setdefault(note, []).append(row.label)
        return [(", ".join(names), note) for note, names in labels.items()]


def ordered_metrics(names: Iterable[str]) -> list[str]:
    """Metric names in the order of columns: psnr, ssim, then the others by name."""
    names = set(names)
    return [name for name in FIRST_METRICS if name in names] + sorted(names.difference(FIRST_METRICS))


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
    members: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        members.setdefault((row.protocol, row.profile), []).append(index)
    for indices in members.values():
        _mark_comparable([rows[i] for i in indices], [scored[i] for i in indices])
        _explain_empty_cells([rows[i] for i in indices])
        _rank([rows[i] for i in indices])
    return rows


def groups(rows: Sequence[RowSummary]) -> list[Group]:
    """Rows by (protocol, profile), in the order first seen; ranked rows come first, by their first metric."""
    members: dict[tuple[str, str], list[RowSummary]] = {}
    for row in rows:
        members.setdefault((row.protocol, row.profile), []).append(row)
    found = []
    for (protocol, profile), group in members.items():
        infos = {name: info for row in group for name, info in row.metrics.items()}
        metrics = tuple(infos[name] for name in ordered_metrics(infos))
        largest = max(group, key=lambda row: (row.comparable, row.n))
        ordered = tuple(sorted(group, key=lambda row: _order(row, metrics)))
        found.append(Group(protocol, profile, ordered, metrics, largest.n, largest.total))
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


def _summarise_one(result: Result) -> tuple[RowSummary, frozenset[str]]:
    manifest = result.manifest
    images = result.rows()
    good = [row for row in images.values() if row.error is None]
    infos = metric_infos(manifest["metrics"], images.values())
    sets = result.sets() if any(info.of == "set" for info in infos.values()) else {}
    totals = total(infos, good, sets)
    times = [row.ms for row in good if row.ms is not None]
    summary = RowSummary(
        result=result,
        n=len(good),
        total=int(manifest["data"]["count"]),
        failures=tuple((row.id, row.error) for row in images.values() if row.error is not None),
        error=manifest.get("error"),
        means=totals.means,
        counts=totals.counts,
        reasons=totals.reasons,
        ms_per_image=statistics.median(times) if times else None,
        metrics=infos,
        standard_errors=totals.standard_errors,
        left_out=totals.left_out,
    )
    return summary, frozenset(row.id for row in good)


@dataclass
class Totals:
    """What many images come to; the fields are those of RowSummary."""

    means: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    standard_errors: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def qualifier(self, metric: MetricInfo) -> str:
        """As `RowSummary.qualifier`."""
        if metric.of != "set" or metric.name not in self.means:
            return ""
        error = self.standard_errors.get(metric.name)
        spread = "" if error is None else f" \N{PLUS-MINUS SIGN} {metric.format(error)}"
        count = self.counts[metric.name]
        return f"{spread} (n = {count})" if count < metric.minimum_count else spread


def total(infos: Mapping[str, MetricInfo], images: Sequence[ImageRow], sets: Mapping[str, Mapping[str, Any]]) -> Totals:
    """Every column's number, or why it has none.

    Args:
        images: those that have an output.
        sets: the values of metrics of the whole set, as in sets.json.
    """
    totals = Totals()
    for name, info in infos.items():
        if info.aggregate_of is not None:
            _add_aggregate(totals, info, images)
        elif info.of == "set":
            _add_set(totals, info, images, sets.get(name, {}))
        else:
            _add_mean(totals, info, images)
    return totals


def _add_mean(totals: Totals, info: MetricInfo, images: Sequence[ImageRow]) -> None:
    name = info.name
    values = []
    reasons = totals.reasons
    for row in images:
        reason = _why_missing(row, name, info)
        if reason is None:
            values.append(row.metrics[name])
        else:
            reasons.setdefault(name, {}).setdefault(reason, []).append(row.id)
    ids = [row.id for row in images]
    if math.inf in values and -math.inf in values:
        reasons.setdefault(name, {})["no mean: both +inf and -inf among the values"] = ids
    elif values:
        kept = values if info.leave_out_below is None else [v for v in values if v >= info.leave_out_below]
        if not kept:
            reasons.setdefault(name, {})["every value is left out of the mean by this metric's rule"] = ids
            return
        totals.means[name], totals.counts[name] = math.fsum(kept) / len(kept), len(values)
        if len(kept) < len(values):
            totals.left_out[name] = len(values) - len(kept)


def _add_set(totals: Totals, info: MetricInfo, images: Sequence[ImageRow], entry: Mapping[str, Any]) -> None:
    if "value" in entry and entry.get("n") == len(images):
        totals.means[info.name], totals.counts[info.name] = float(entry["value"]), int(entry["n"])
        if entry.get("standard_error") is not None:
            totals.standard_errors[info.name] = float(entry["standard_error"])
        return
    stale = "made of other images; run again" if "value" in entry else "not computed in this run"
    totals.reasons[info.name] = {str(entry.get("reason", stale)): [row.id for row in images]}


def _add_aggregate(totals: Totals, info: MetricInfo, images: Sequence[ImageRow]) -> None:
    """The area under the curve of a metric's errors, or the share of errors above a limit; both in percent.

    An image whose face was not found counts as an error without bound; any other without a value is a reason.
    """
    from facesr_bench.faces.nme import auc, failure_rate

    base = str(info.aggregate_of)
    missing = [row.id for row in images if base not in row.metrics and base not in row.undetected]
    errors = [row.metrics.get(base, math.inf) for row in images]
    if missing or not images or all(math.isinf(error) for error in errors):
        if images:
            everyone = [row.id for row in images]
            totals.reasons[info.name] = {f"needs a value of {base} for every image": missing or everyone}
        return
    kind, _, limit = info.name.rpartition(":")[2].partition("-")
    compute = auc if kind == "auc" else failure_rate
    totals.means[info.name], totals.counts[info.name] = 100 * compute(errors, float(limit)), len(errors)


def aggregates_of(info: MetricInfo) -> list[MetricInfo]:
    """The columns made of all values of a metric."""
    found = []
    for aggregate in info.aggregates:
        kind, _, limit = aggregate.partition("-")
        area = kind == "auc"
        what = f"AUC@{limit}" if area else f"failures@{limit}"
        meaning = (
            f"Area under the cumulative curve of {info.title} up to {limit} {info.unit}, in percent of the whole."
            if area
            else f"Share of images whose {info.title} is above {limit} {info.unit}, or whose face was not found."
        )
        found.append(
            MetricInfo(
                name=f"{info.name}:{aggregate}",
                title=f"{info.title} {what}",
                unit="%",
                higher_is_better=area,
                digits=2,
                version=info.version,
                aggregate_of=info.name,
                summary=meaning,
            )
        )
    return found


def metric_infos(described: Mapping[str, Mapping[str, Any]], images: Iterable[ImageRow]) -> dict[str, MetricInfo]:
    """Every column, in order.

    Args:
        described: what `MetricBase.describe` said of each metric.
        images: may have values of metrics that nothing is known of; they get a column too.
    """
    infos = {
        name: MetricInfo(
            name=name,
            title=card.get("title", name),
            unit=card.get("unit", ""),
            higher_is_better=card["higher_is_better"],
            digits=card.get("digits", 4),
            version=card.get("version", 0),
            of=card.get("of", "image"),
            minimum_count=card.get("minimum_count", 0),
            aggregates=tuple(card.get("aggregates", ())),
            leave_out_below=card.get("leave_out_below"),
            summary=card.get("summary", ""),
        )
        for name, card in described.items()
    }
    infos.update({derived.name: derived for info in list(infos.values()) for derived in aggregates_of(info)})
    for row in images:
        for name in (*row.metrics, *row.reasons):
            infos.setdefault(name, MetricInfo(name, name))
    return {name: infos[name] for name in ordered_metrics(infos)}


def _why_missing(row: ImageRow, name: str, info: MetricInfo) -> str | None:
    """Why an image has no value of a metric that may enter the mean; none if it has one."""
    if name not in row.metrics:
        return row.reasons.get(name, "not computed in this run")
    if math.isnan(row.metrics[name]):
        return "stored as NaN"
    version = row.versions.get(name, info.version)
    if info.version and version != info.version:
        return f"computed by version {version} of the metric, not {info.version}; run again"
    return None


def _definition(result: Result) -> str:
    """What must be equal for two results of one protocol and profile to be about the same task."""
    manifest = result.manifest
    cards = [{k: v for k, v in manifest[card].items() if k not in prose} for card, prose in _PROSE.items()]
    return json.dumps([manifest["data"]["hash"], *cards], sort_keys=True)


def _mark_comparable(rows: Sequence[RowSummary], scored: Sequence[frozenset[str]]) -> None:
    keys = [(_definition(row.result), ids) for row, ids in zip(rows, scored, strict=True)]
    shared_by = Counter(keys)
    # Of two equally large sets, the one that more results share; then the one run last.
    _, reference = max(
        zip(rows, keys, strict=True),
        key=lambda pair: (pair[0].n, shared_by[pair[1]], str(pair[0].result.manifest["updated"])),
    )
    for row, key in zip(rows, keys, strict=True):
        row.comparable = bool(key[1]) and key == reference
        if row.comparable:
            continue
        if not key[1]:
            row.unranked = "no image was scored"
        elif key[0] != reference[0]:
            row.unranked = "it ran on other data, or under another definition of the protocol or profile"
        elif key[1] < reference[1]:
            row.unranked = f"{len(key[1])} of the {len(reference[1])} images of the largest run"
        else:
            row.unranked = "its images are not those of the largest run"


def _explain_empty_cells(rows: Sequence[RowSummary]) -> None:
    """Give each metric that other rows of the group have a reason where this row has none."""
    infos = {name: info for row in rows for name, info in row.metrics.items()}
    for row in rows:
        for name in ordered_metrics(infos):
            if name in row.means or name in row.reasons:
                continue
            row.metrics.setdefault(name, infos[name])
            reason = row.error or ("not computed in this run" if row.n else "no image was scored")
            row.reasons[name] = {reason: []}


def _rank(rows: Sequence[RowSummary]) -> None:
    contenders = [row for row in rows if row.comparable]
    for name in {name for row in contenders for name in row.means}:
        newest = max(row.metrics[name].version for row in contenders if name in row.means)
        ranked = [
            row
            for row in contenders
            if row.counts.get(name) == row.n
            and row.metrics[name].version == newest
            and row.metrics[name].higher_is_better is not None
        ]
        if len(ranked) <= 1:
            continue
        higher = bool(ranked[0].metrics[name].higher_is_better)
        places = sorted({row.means[name] for row in ranked}, reverse=higher)
        for row in ranked:
            if row.means[name] == places[0]:
                row.best.add(name)
            elif row.means[name] == places[1]:
                row.second.add(name)


def _order(row: RowSummary, metrics: Sequence[MetricInfo]) -> tuple[bool, bool, float, str]:
    first = metrics[0] if metrics else None
    if first is None or first.name not in row.means:
        return (not row.comparable, True, 0.0, row.label)
    value = row.means[first.name]
    return (not row.comparable, False, value if first.higher_is_better is False else -value, row.label)


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
                if _why_missing(image, name, info) is None and not _is_left_out(image.metrics[name], info):
                    found.setdefault(name, {})[image.id] = image.metrics[name]
    return found


def _is_left_out(value: float, info: MetricInfo) -> bool:
    return info.leave_out_below is not None and value < info.leave_out_below
