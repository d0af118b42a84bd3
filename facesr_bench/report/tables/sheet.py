"""The contents of a table in plain text: which columns, marks, intervals, published rows and notes; no markup yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.grammar import Column
from facesr_bench.base.suggest import unknown
from facesr_bench.base.text import one_line
from facesr_bench.plugins.spec import parse_metric
from facesr_bench.report.published import Anchor, AnchorFile, Source, read_anchors
from facesr_bench.results.columns import COSTS, STABLE_COLUMNS, TIME, CostColumn, MetricInfo
from facesr_bench.results.comparison import Comparison, Comparisons, compare
from facesr_bench.results.leaderboard import Group, RankedResult, groups
from facesr_bench.results.statistics import ALPHA, FEW, RESAMPLES
from facesr_bench.results.summary import ResultSummary, columns, count_column, metrics_of, records

DASH = "\N{EN DASH}"
"""What a cell without a value shows."""
UNSURE = "\N{DAGGER}"
"""Marks a mean whose difference from the best is not significant."""
MARKS = "Best in bold, second underlined."
PUBLISHED = "Published, not measured here"
"""Above the rows that were read elsewhere."""


@dataclass(frozen=True)
class Options:
    """What a table shows beside the means.

    Attributes:
        metrics: which columns, in this order, by any of their `Column.names`; empty: all but those made of all values
            of another (`nme:auc-8`).
        intervals: 95 % bootstrap interval below each mean.
        significance: a mark where the difference from the best is not significant, and the effect size.
        published: the anchors of the same protocol and profile, as a group of their own.
        costs: which columns of cost, by their names in the csv; None: all that are known.
        cite: LaTeX's `\\cite` keys by row label.
        count: a column with the number of images.
        compare: gives a group's intervals and tests; by default they are computed.
    """

    metrics: tuple[str, ...] = ()
    intervals: bool = False
    significance: bool = False
    published: bool = False
    costs: tuple[str, ...] | None = None
    cite: Mapping[str, str] = field(default_factory=dict)
    count: bool = True
    compare: Callable[[Group], Comparisons] = compare


def chosen_costs(wanted: Iterable[str]) -> tuple[str, ...]:
    """The columns of cost that a user's words mean; `none` means none of them.

    Raises:
        ResultsError: a word means none; suggests one.
    """
    words, known = list(wanted), [cost.name for cost in COSTS]
    for word in words:
        if word not in known and words != ["none"]:
            raise ResultsError(unknown("column of cost", word, [*known, "none"]))
    return () if words == ["none"] else tuple(words)


def chosen_metrics(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    """The keys among `known` that a user's words mean: in the user's order, those of one word in that of `known`.

    Raises:
        ResultsError: a word means none of them; suggests one.
    """
    keys = list(known)
    found: list[str] = []
    for word in wanted:
        meant = [key for key in keys if word in Column.parse(key).names()] or _as_run_reads(word, keys)
        if not meant:
            raise ResultsError(unknown("metric of these results", word, {Column.parse(key).names()[1] for key in keys}))
        found += [key for key in meant if key not in found]
    return found


def _as_run_reads(word: str, keys: Iterable[str]) -> list[str]:
    """The keys that `run --metrics` would fill: for `./mae`, `lpips@squeeze=FILE`."""
    try:
        column = parse_metric(word).column()
    except FaceSRBenchError:
        return []
    return [key for key in keys if Column.parse(key).aggregate is None and column in Column.parse(key).names()[:2]]


def table_records(rows: Sequence[ResultSummary], options: Options) -> tuple[list[str], list[dict[str, Any]]]:
    """(columns, one dict per row): `summary.columns` and, behind them, what the options add.

    `--intervals`: METRIC_low, METRIC_high. `--significance`: METRIC_best (label of the row compared with),
    METRIC_difference, METRIC_p, METRIC_p_holm, METRIC_effect, METRIC_significant. `--with-published`: `published`, the
    address that a row was read at, empty for what was measured; `published_check`, of a row that needs no weights: how
    far from ours it is.
    """
    names, found = columns(rows), records(rows)
    metrics = metrics_of(rows)
    if options.metrics:
        metrics = chosen_metrics(options.metrics, metrics)
        kept = {*STABLE_COLUMNS, *metrics_of(rows)}
        kept |= {count_column(name) for name in kept - set(metrics)}
        first = names.index("n") + 1
        names = [*names[:first], *metrics, *(name for name in names[first:] if name not in kept)]
    added: list[str] = []
    for name in metrics:
        added += [f"{name}_low", f"{name}_high"] if options.intervals else []
        added += [f"{name}_{part}" for part in _COMPARED] if options.significance else []
    if added:
        place = {id(row.result): index for index, row in enumerate(rows)}
        for group in groups(rows):
            cells = options.compare(group)
            for row in group.rows:
                for name in metrics:
                    found[place[id(row.result)]] |= _statistics(name, cells.get((row.label, name)))
    if options.published:
        added += ["published", "published_check"]
        anchors = read_anchors()
        for group in groups(rows):
            said = {id(anchor): text for anchor, text in anchors.checks(group)}
            found += [
                _published_record(anchor, source, said.get(id(anchor), "")) for anchor, source in anchors.of(group)
            ]
    names += added
    return names, [{name: record.get(name) for name in names} for record in found]


_COMPARED = ("best", "difference", "p", "p_holm", "effect", "significant")


def _statistics(name: str, cell: Comparison | None) -> dict[str, Any]:
    if cell is None:
        return {}
    low, high = cell.interval or (None, None)
    compared = {f"{name}_{part}": getattr(cell, part) for part in _COMPARED}
    return {f"{name}_low": low, f"{name}_high": high, **compared}


def _published_record(anchor: Anchor, source: Source, check: str) -> dict[str, Any]:
    fields = anchor.model_dump(include={"protocol", "profile", "method", "weights", "n"})
    return {**fields, **anchor.values, **anchor.costs, "published": source.url, "published_check": check or None}


@dataclass(frozen=True)
class Cell:
    """One cell, in plain text.

    Attributes:
        text: with the metric's digits; the dash where there is no value.
        value: what `text` rounds, or None.
        qualifier: what must stand right behind the text: a standard error, a count that is too small.
        lines: what stands below it: interval, effect size.
    """

    text: str
    value: float | None = None
    best: bool = False
    second: bool = False
    unsure: bool = False
    qualifier: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One row: who, over how many images (where there is such a column), one cell per metric, and what it costs."""

    label: str
    n: tuple[str, ...]
    cells: tuple[Cell, ...]
    costs: tuple[str, ...]
    cite: str = ""


@dataclass(frozen=True)
class Sheet:
    """One (protocol, profile) as a table, in plain text.

    Attributes:
        head: protocol, data, profile and count.
        legend: one sentence per mark that may occur.
        count: the header of the column of counts, where there is one.
        lines: what was measured, best first; published: what was read elsewhere.
        notes: (labels, what must be known of them).
    """

    head: str
    legend: tuple[str, ...]
    metrics: tuple[MetricInfo, ...]
    costs: tuple[str, ...]
    lines: tuple[Line, ...]
    published: tuple[Line, ...]
    notes: tuple[tuple[str, str], ...]
    count: tuple[str, ...] = ("n",)


def make_sheet(group: Group, options: Options, anchors: AnchorFile | None) -> Sheet:
    """A group as a table.

    Raises:
        ResultsError: the images of a result can't be read.
    """
    metrics = tuple(metric for metric in group.metrics if not metric.unasked)
    if options.metrics:
        names = {metric.name: metric for metric in group.metrics}
        # The other words may mean metrics of another group.
        wanted = [word for word in options.metrics if any(word in Column.parse(key).names() for key in names)]
        metrics = tuple(names[key] for key in chosen_metrics(wanted, names))
    cells: Comparisons = options.compare(group) if options.intervals or options.significance else {}
    published = anchors.of(group) if anchors else ()
    known = {name for anchor, _ in published for name in anchor.costs}
    costs = [cost for cost in COSTS if cost in group.costs("table") or cost.name in known]
    costs = [cost for cost in costs if options.costs is None or cost.name in options.costs]
    lines = tuple(
        Line(
            *_who(row, group, options),
            tuple(_cell(row, metric, cells.get((row.label, metric.name)), options) for metric in metrics),
            tuple(row.cost_text(cost) or DASH for cost in costs),
            options.cite.get(row.label, ""),
        )
        for row in group.rows
    )
    read = tuple(
        Line(
            anchor.label if options.count or anchor.n == group.total else f"{anchor.label} (n = {anchor.n})",
            (str(anchor.n),) if options.count else (),
            tuple(_published_cell(anchor, metric) for metric in metrics),
            _cost_cells(costs, anchor.costs),
            options.cite.get(anchor.source, ""),
        )
        for anchor, _ in published
    )
    shown = {metric.name for metric in metrics} if options.metrics else None
    dataset = one_line(group.rows[0].result.manifest.dataset.title)
    return Sheet(
        head=f"{group.protocol}, profile {group.profile}, n = {group.size}" + (f" images of {dataset}" * bool(dataset)),
        legend=(*_legend(group, lines, options), *_machines(group, costs)),
        metrics=metrics,
        costs=tuple(cost.header for cost in costs),
        lines=lines,
        published=read,
        count=("n",) if options.count else (),
        notes=(
            *group.notes(shown),
            *_networks(metrics),
            *_statistical_notes(group, metrics, cells),
            *_published_notes(published),
            *_published_checks(group, anchors),
        ),
    )


def _who(row: RankedResult, group: Group, options: Options) -> tuple[str, tuple[str, ...]]:
    """A row's label and its count; without a column of counts, the label says one that is not the group's."""
    label = f"{row.label} · {row.badge}" if row.badge else row.label
    count = row.size if row.comparable else f"{row.size} (not ranked)"
    if options.count:
        return label, (count,)
    return (label if count == group.size else f"{label} (n = {count})"), ()


def _cost_cells(costs: Iterable[CostColumn], known: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(cost.format(known[cost.name]) if cost.name in known else DASH for cost in costs)


def _cell(row: RankedResult, metric: MetricInfo, statistics: Comparison | None, options: Options) -> Cell:
    value = row.means.get(metric.name)
    if value is None:
        return Cell(DASH)
    lines = []
    if options.intervals:
        low_high = statistics.interval if statistics else None
        lines.append("" if low_high is None else f"[{metric.format(low_high[0])}, {metric.format(low_high[1])}]")
    if options.significance:
        effect = statistics.effect if statistics else None
        lines.append("" if effect is None else f"r = {round(effect, 2) + 0.0:.2f}")  # + 0.0: never -0.00
    return Cell(
        metric.format(value),
        value,
        best=metric.name in row.best,
        second=metric.name in row.second,
        unsure=options.significance and statistics is not None and statistics.significant is False,
        qualifier=row.qualifier(metric),
        lines=tuple(lines),
    )


def _published_cell(anchor: Anchor, metric: MetricInfo) -> Cell:
    value = anchor.values.get(metric.name)
    return Cell(DASH) if value is None else Cell(metric.format(value), value)


def _legend(group: Group, lines: Sequence[Line], options: Options) -> Iterable[str]:
    if any(cell.best for line in lines for cell in line.cells):
        yield MARKS
    drawn, each = ("images", "image") if group.persons is None else (f"{group.persons} persons they show", "person")
    if options.intervals:
        count = group.persons or group.n
        few = f"; too narrow for so few {each}s (n < {FEW})" if count < FEW else ""
        yield f"In brackets: 95 % bootstrap interval of the mean (BCa, {RESAMPLES:,} resamples of the {drawn}){few}."
    if options.significance:
        means = "" if group.persons is None else ", on the mean of each person"
        yield (
            f"{UNSURE}: difference from the best not significant (Wilcoxon signed-rank test paired by {each}{means}, "
            f"Holm-corrected over the methods, p \N{GREATER-THAN OR EQUAL TO} {ALPHA:g}). r: matched-pairs "
            f"rank-biserial correlation with the best (\N{MINUS SIGN}1: the best one is better on every {each})."
        )


def _machines(group: Group, costs: Iterable[CostColumn]) -> Iterable[str]:
    """On what the times were measured, without which they say nothing."""
    found: dict[str, list[str]] = {}
    for row in group.rows:
        # A mark says where a time is from that was not measured here.
        if TIME in row.costs and (TIME not in row.cost_marks or row.result.manifest.method.time_includes):
            found.setdefault(row.machine, []).append(row.label)
    if found and any(cost.name == TIME for cost in costs):
        title = next(cost.header for cost in costs if cost.name == TIME)
        words = [machine if len(found) == 1 else f"{machine} ({', '.join(who)})" for machine, who in found.items()]
        yield f"{title}: on {'; '.join(words)}."


def _networks(metrics: Sequence[MetricInfo]) -> Iterable[tuple[str, str]]:
    """Which network made a column: its title names only one that is not the metric's default."""
    made = [f"{metric.title}: {metric.network}" for metric in metrics if metric.network]
    if made:
        yield "Networks of the metrics, with the first digits of each file's sha256", "; ".join(made)


def _statistical_notes(group: Group, metrics: Sequence[MetricInfo], cells: Comparisons) -> Iterable[tuple[str, str]]:
    whole = [metric.title for metric in metrics if not metric.has_values]
    if cells and whole:
        yield ", ".join(whole), "one number for the whole set, so there is neither interval nor paired test"
    said: dict[str, list[str]] = {}
    for row in group.rows:
        for metric in metrics:
            cell = cells.get((row.label, metric.name))
            if cell is None:
                continue
            if cell.no_interval and metric.has_values:
                said.setdefault(f"{metric.title} has no interval: {cell.no_interval}", []).append(row.label)
            if cell.note:
                said.setdefault(f"{metric.title}: {cell.note}", []).append(row.label)
    yield from ((", ".join(labels), note) for note, labels in said.items())


def _published_notes(published: Sequence[tuple[Anchor, Source]]) -> Iterable[tuple[str, str]]:
    said: dict[tuple[str, str], list[str]] = {}
    for anchor, source in published:
        trained = "" if anchor.training_data == "none" else f"; training data: {anchor.training_data}"
        note = f"{source.title}, {source.url}{trained}. {source.note}".rstrip()
        said.setdefault((anchor.source, note), []).append(anchor.label)
    return [("Published: " + ", ".join(labels), note) for (_, note), labels in said.items()]


def _published_checks(group: Group, anchors: AnchorFile | None) -> Iterable[tuple[str, str]]:
    if anchors is not None:
        for anchor, text in anchors.checks(group):
            yield f"Published: {anchor.label} of {anchors.sources[anchor.source].title}", text
