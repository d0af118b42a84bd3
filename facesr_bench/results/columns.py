"""Aggregates per-image values into one number per column, or the reason there is none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from facesr_bench.base.grammar import Column
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import MetricRecord

STABLE_COLUMNS = ("psnr", "ssim")
"""Columns that every csv has, whatever was computed: scripts rely on them. They say nothing of any order elsewhere."""


def format_number(value: float, digits: int) -> str:
    """A number in plain text, with so many decimals; infinity as `inf`. Tables and pages set it in type from this."""
    return f"{value:.{digits}f}"


@dataclass(frozen=True)
class MetricInfo:
    """What the manifest says of a metric.

    Attributes:
        higher_is_better: None where the manifest doesn't say; such a metric is shown but never ranked.
        digits: decimals in tables.
        version: raised by the metric's author whenever a number could change.
        of: `image`: the mean of one value per image; `set`: one value of all images together.
        minimum_count: of a set: with fewer images the number stands with its count.
        aggregates: columns made of all its values, such as `auc-8`.
        on_request: whether `aggregates` are those that somebody asked for by name; of such a column, that it is one.
        leave_out_below: values below it don't enter the mean.
        aggregate_of: the metric whose values this column is made of, or None.
        summary: what it measures, in a sentence.
        order: place of its column; columns of one place stand by name.
        family: what it is about: `fidelity`, `perception`, `identity`, `landmarks`, `other`.
        lead: whether figures that show one metric of a family show this one.
        network: `squeeze d3656a56`: the network that makes its values, with its file's hash; empty for one without.
        alignment: `landmarks`, `dlib on HR`: what faces were placed by, where that is known of its values.
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
    on_request: bool = False
    leave_out_below: float | None = None
    aggregate_of: str | None = None
    summary: str = ""
    order: int = 100
    family: str = "other"
    lead: bool = False
    network: str = ""
    alignment: str = ""

    @property
    def heading(self) -> str:
        """The title, with what else must be known to tell the column's numbers from others of that title.

        `Identity (onnx 3089a6b1), by landmarks`: the hash of a file of the user's, and what faces were placed by.
        """
        column = Column.parse(self.name)
        title = self.title
        if column.hash is not None:
            title = title.replace(f"({column.weights})", f"({column.weights} {column.hash})")
        return f"{title}, by {self.alignment}" if self.alignment else title

    @property
    def has_values(self) -> bool:
        """Whether each image has a value of its own, so that methods can be compared image by image."""
        return self.of == "image" and self.aggregate_of is None

    @property
    def unasked(self) -> bool:
        """Whether tables leave the column out unless it is named: one of several that are made of a metric's values."""
        return self.aggregate_of is not None and not self.on_request

    @property
    def header(self) -> str:
        """`PSNR (dB) ↑`: heading, unit, and which way is better."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.heading}{unit}{self.arrow}"

    @property
    def arrow(self) -> str:
        """Which way is better: an arrow up or down; empty where not known."""
        return "" if self.higher_is_better is None else (" ↑" if self.higher_is_better else " ↓")

    def format(self, value: float) -> str:
        """`value` with the metric's digits; infinity as `inf`."""
        return format_number(value, self.digits)


def ordered_metrics(infos: Iterable[MetricInfo]) -> list[str]:
    """The names of metrics in the order of columns: by their place, then by name; each once."""
    places = {info.name: info.order for info in infos}
    return sorted(places, key=lambda name: (places[name], name))


def aggregates_of(info: MetricInfo) -> list[MetricInfo]:
    """The columns made of all values of a metric."""
    found = []
    for aggregate in info.aggregates:
        kind, _, limit = aggregate.partition("-")
        what, meaning = {
            "auc": (
                f"AUC@{limit}",
                f"Area under the cumulative curve of {info.title} up to {limit} {info.unit}, in percent of the whole.",
            ),
            "failure": (
                f"failures@{limit}",
                f"Share of images whose {info.title} is above {limit} {info.unit}, or whose face was not found.",
            ),
            "below": (
                f"below {limit}",
                f"Share of images whose {info.title} is below {limit}, or whose face was not found.",
            ),
        }[kind]
        found.append(
            MetricInfo(
                name=str(replace(Column.parse(info.name), aggregate=aggregate)),
                title=f"{info.title} {what}",
                unit="%",
                higher_is_better=kind == "auc",
                digits=2,
                version=info.version,
                on_request=info.on_request,
                aggregate_of=info.name,
                summary=meaning,
                order=info.order,
                family=info.family,
            )
        )
    return found


def metric_infos(described: Mapping[str, MetricRecord], images: Iterable[ImageRecord]) -> dict[str, MetricInfo]:
    """Every column, in order.

    Args:
        described: what each metric said of itself.
        images: may have values of metrics that nothing is known of; they get a column too.
    """
    infos = {
        name: MetricInfo(
            name=name,
            title=metric.title or name,
            unit=metric.unit,
            higher_is_better=metric.higher_is_better,
            digits=metric.digits,
            version=metric.version,
            of=metric.of,
            minimum_count=metric.minimum_count,
            aggregates=metric.aggregates,
            on_request=metric.aggregates_on_request,
            leave_out_below=metric.leave_out_below,
            summary=metric.summary,
            order=metric.order,
            family=metric.family,
            lead=metric.lead,
            network=_network(metric),
        )
        for name, metric in described.items()
    }
    infos.update({derived.name: derived for info in list(infos.values()) for derived in aggregates_of(info)})
    for row in images:
        for name in (*row.metrics, *row.reasons):
            infos.setdefault(name, MetricInfo(name, name))
    return {name: infos[name] for name in ordered_metrics(infos.values())}


def _network(metric: MetricRecord) -> str:
    return " ".join(part for part in (metric.weights, (metric.weights_sha256 or "")[:_DIGITS]) if part)


_DIGITS = 8
"""Of a hash, as the names of columns have them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Totals:
    """Aggregates of many images, by column.

    Attributes:
        images: how many there are.
        means: over the images that have a value; may be infinite, never NaN.
        counts: how many images have a value, those included that its metric's own rule leaves out of the mean.
        reasons: metric -> why it has no value -> the ids of the images it has none for.
        standard_errors: of values of a set, where the metric knows.
        left_out: how many values each mean leaves out by the metric's own rule.
        infinite: the ids of the images that make a mean infinite.
        alignments: metric -> what faces were placed by -> the ids of the images, where that is known.
    """

    images: int = 0
    means: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    standard_errors: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    infinite: dict[str, list[str]] = field(default_factory=dict)
    alignments: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def count(self, name: str) -> int:
        """How many images a number is made of; 0 where there is none."""
        return self.counts[name] - self.left_out.get(name, 0) if name in self.means else 0

    def alignment_in_words(self, name: str) -> str:
        """`dlib on HR (328 images), landmarks (2: a, b)`; without counts where all are alike, empty if not known."""
        found = sorted(self.alignments.get(name, {}).items(), key=lambda item: (-len(item[1]), item[0]))
        if len(found) < 2:
            return "".join(words for words, _ in found)
        first = f"{found[0][0]} ({len(found[0][1])} images)"
        return ", ".join([first, *(f"{words} ({len(ids)}: {_named(ids)})" for words, ids in found[1:])])

    def infinite_in_words(self, name: str) -> str | None:
        """`infinite on 1 of 5 images (ID)`, which must stand beside an infinite mean; None for a finite one."""
        ids = self.infinite.get(name)
        if ids is None:
            return None
        return f"infinite on {len(ids)} of {self.counts[name]} images ({_named(ids)})"

    def qualifier(self, metric: MetricInfo) -> str:
        """What must stand right behind a value: a set's standard error, and the count where it is not that of the row.

        Nor is a set's number shown without its count where that is below what the metric needs.
        """
        if metric.name not in self.means:
            return ""
        error = self.standard_errors.get(metric.name)
        spread = "" if error is None else f" \N{PLUS-MINUS SIGN} {metric.format(error)}"
        count = self.count(metric.name)
        return f"{spread} (n = {count})" if count < max(metric.minimum_count, self.images) else spread


def _named(ids: Sequence[str]) -> str:
    return ", ".join([*ids[:_NAMED], *(["..."] if len(ids) > _NAMED else [])])


_NAMED = 3
"""Images that a note names."""


@dataclass(frozen=True)
class CostColumn:
    """A column of what a method takes, beside its metrics.

    Attributes:
        name: of the csv's column, and of the number in the manifest's `method.cost`.
        title: of the column in tables.
        unit: behind the title; empty where the title says it.
        per: how many of the numbers measured make one unit.
        digits: decimals in tables.
        summary: what it is, in a sentence.
        shown: the places that show it beside the csv, which has all: tables to paste, the site's leaderboards, its page
            of a method, the terminal. Without a number in any row a column is left out of all of them.
    """

    name: str
    title: str
    unit: str
    per: float
    digits: int
    summary: str
    shown: tuple[Literal["table", "board", "method", "terminal"], ...] = ("table", "board", "method")

    @property
    def header(self) -> str:
        """`Params (M)`: title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def format(self, value: float) -> str:
        """A number as measured, in the column's unit."""
        return "0" if value == 0 else format_number(value / self.per, self.digits)


TIME = "ms_per_image"

COSTS = (
    CostColumn("parameters", "Params", "M", 1e6, 2, "Parameters of the network."),
    CostColumn("flops", "GFLOPs", "", 1e9, 2, "Operations for one image, a multiply-add counted as two."),
    CostColumn("peak_memory", "Memory", "MiB", 2**20, 0, "What one image needs on the GPU at most, weights included."),
    CostColumn(TIME, "ms/image", "", 1, 1, "Median time for one image.", ("table", "board", "method", "terminal")),
)
"""Every column of cost, in their order. To add one, add it here and measure it in `facesr_bench.evaluation.cost`."""


def total(
    infos: Mapping[str, MetricInfo], images: Sequence[ImageRecord], sets: Mapping[str, Mapping[str, Any]]
) -> Totals:
    """Every column's number, or why it has none.

    Args:
        images: those that have an output.
        sets: the values of metrics of the whole set, as in sets.json.
    """
    totals = Totals(images=len(images))
    for name, info in infos.items():
        if info.aggregate_of is not None:
            _add_aggregate(totals, info, images)
        elif info.of == "set":
            _add_set(totals, info, images, sets.get(name, {}))
        else:
            _add_mean(totals, info, images)
    for row in images:
        for name, words in row.alignments.items():
            if name in totals.means and name in infos and why_missing(row, name, infos[name]) is None:
                totals.alignments.setdefault(name, {}).setdefault(words, []).append(row.id)
    return totals


def aligned(infos: Mapping[str, MetricInfo], totals: Iterable[Totals]) -> dict[str, MetricInfo]:
    """The columns, each with what faces were placed by according to the results that it is to show."""
    found: dict[str, Counter[str]] = {}
    for each in totals:
        for name, by in each.alignments.items():
            found.setdefault(name, Counter()).update({words: len(ids) for words, ids in by.items()})
    told = {name: " or ".join(sorted(by, key=lambda words: (-by[words], words))) for name, by in found.items()}
    return {name: replace(info, alignment=told.get(info.aggregate_of or name, "")) for name, info in infos.items()}


def _add_mean(totals: Totals, info: MetricInfo, images: Sequence[ImageRecord]) -> None:
    name = info.name
    values = []
    reasons = totals.reasons
    for row in images:
        reason = why_missing(row, name, info)
        if reason is None:
            values.append(row.metrics[name])
        else:
            reasons.setdefault(name, {}).setdefault(reason, []).append(row.id)
    ids = [row.id for row in images]
    if math.inf in values and -math.inf in values:
        reasons.setdefault(name, {})["no mean: both +inf and -inf among the values"] = ids
    elif values:
        kept = [value for value in values if not is_left_out(value, info)]
        if not kept:
            reasons.setdefault(name, {})["every value is left out of the mean by this metric's rule"] = ids
            return
        totals.means[name], totals.counts[name] = math.fsum(kept) / len(kept), len(values)
        if math.isinf(totals.means[name]):
            totals.infinite[name] = [row.id for row in images if math.isinf(row.metrics.get(name, 0))]
        if len(kept) < len(values):
            totals.left_out[name] = len(values) - len(kept)


def _add_set(totals: Totals, info: MetricInfo, images: Sequence[ImageRecord], entry: Mapping[str, Any]) -> None:
    version = entry.get("version", info.version)
    if "value" in entry and entry.get("n") == len(images) and version == info.version:
        totals.means[info.name], totals.counts[info.name] = float(entry["value"]), int(entry["n"])
        if entry.get("standard_error") is not None:
            totals.standard_errors[info.name] = float(entry["standard_error"])
        return
    if version != info.version:
        stale = _other_version(version, info)
    else:
        stale = "made of other images; run again" if "value" in entry else "not computed in this run"
    totals.reasons[info.name] = {str(entry.get("reason", stale)): [row.id for row in images]}


def _add_aggregate(totals: Totals, info: MetricInfo, images: Sequence[ImageRecord]) -> None:
    """The area under the curve of a metric's errors, or the share of values beyond a limit; both in percent.

    An image whose face was not found counts as an error without bound; any other without a value is a reason.
    """
    from facesr_bench.results.curves import auc, failure_rate, share_below

    base = str(info.aggregate_of)
    kind, _, limit = str(Column.parse(info.name).aggregate).partition("-")
    worst = -math.inf if kind == "below" else math.inf
    missing = [row.id for row in images if base not in row.undetected and why_missing(row, base, info) is not None]
    errors = [row.metrics.get(base, worst) for row in images]
    if missing or not images or all(math.isinf(error) for error in errors):
        if images:
            everyone = [row.id for row in images]
            totals.reasons[info.name] = {f"needs a value of {base} for every image": missing or everyone}
        return
    compute = {"auc": auc, "failure": failure_rate, "below": share_below}[kind]
    totals.means[info.name], totals.counts[info.name] = 100 * compute(errors, float(limit)), len(errors)


def why_missing(row: ImageRecord, name: str, info: MetricInfo) -> str | None:
    """Why an image has no value of a metric that may enter the mean; None if it has one."""
    if name not in row.metrics:
        return row.reasons.get(name, "not computed in this run")
    if math.isnan(row.metrics[name]):
        return "stored as NaN"
    version = row.versions.get(name, info.version)
    if info.version and version != info.version:
        return _other_version(version, info)
    return None


def _other_version(version: int, info: MetricInfo) -> str:
    return f"computed by version {version} of the metric, not {info.version}; run again"


def is_left_out(value: float, info: MetricInfo) -> bool:
    """Whether a value doesn't enter the mean by the metric's own rule."""
    return info.leave_out_below is not None and value < info.leave_out_below
