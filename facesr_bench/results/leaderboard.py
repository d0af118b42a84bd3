"""What may be compared with what: numbers of one (protocol, profile), of the same images, of the same definition.

Inside a group a row is ranked only if it was computed on the same images as the largest run. A metric of a row is
ranked only if it lacks a value on the same of those images as that with the fewest gaps: means over equal images
compare well, and their count stands beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from facesr_bench.results import lr
from facesr_bench.results.columns import COSTS, CostColumn, MetricInfo, aligned, ordered_metrics, total
from facesr_bench.results.store import Result
from facesr_bench.results.summary import ResultSummary, in_words


@dataclass(frozen=True, kw_only=True, eq=False)
class RankedResult(ResultSummary):
    """A result among those that it may be compared with; has a value or a reason for each metric of its group.

    Attributes:
        comparable: it ran on the same images as the largest run of its group.
        unranked: why it is not comparable; empty where it is.
        best: the metrics whose best mean of the group this row has; empty in a group with nothing to compare.
        second: the metrics whose second best mean of the group this row has.
        foreign: that its LR pictures are not those which the protocol commits; empty where they are, or none are named.
    """

    comparable: bool
    unranked: str
    foreign: str = ""
    best: frozenset[str] = frozenset()
    second: frozenset[str] = frozenset()

    def notes(self, metrics: Collection[str] | None = None) -> list[str]:
        """As those of the result alone, with why it is not ranked."""
        notes = list(self._failures_in_words())
        if self.unranked and self.error is None:
            notes.append(f"not ranked: {self.unranked}")
        notes += [self.foreign] * bool(self.foreign)
        return [*notes, *self._gaps_in_words(self.metrics if metrics is None else metrics)]


@dataclass(frozen=True)
class Group:
    """The rows of one (protocol, profile), best first.

    Attributes:
        n: images that the ranked rows share.
        total: images of the full set.
        among: labels of all results that are known beside these: what looks of methods are dealt out to.
    """

    protocol: str
    profile: str
    rows: tuple[RankedResult, ...]
    metrics: tuple[MetricInfo, ...]
    n: int
    total: int
    among: frozenset[str] = frozenset()

    @property
    def size(self) -> str:
        """`330`, or `10 of 330` for a part of the set."""
        return in_words(self.n, self.total)

    def people(self, row: RankedResult) -> dict[str, str]:
        """Whom a row's images show, where that is known; of ranked rows, which saw the same images, each may say it."""
        saying = [other for other in self.rows if other.comparable] if row.comparable else [row]
        return {image: person for other in saying for image, person in other.people.items() if image in row.ids}

    @property
    def persons(self) -> int | None:
        """How many persons (or images of nobody known) the ranked rows share; None if no two images show one."""
        people = self.people(self.rows[0])
        count = len(set(people.values())) + len(self.rows[0].ids - people.keys())
        return count if count < len(self.rows[0].ids) else None

    def costs(self, place: str) -> list[CostColumn]:
        """The columns of cost that a place (`CostColumn.shown`) shows: those that some row has a number of."""
        return [cost for cost in COSTS if place in cost.shown and any(cost.name in row.costs for row in self.rows)]

    def notes(self, metrics: Collection[str] | None = None) -> list[tuple[str, str]]:
        """(labels of rows, what must be known of them): the notes of all rows, equal ones said once.

        Args:
            metrics: only of these, where no others are shown; None: of all.
        """
        labels: dict[str, list[str]] = {}
        for row in self.rows:
            for note in (*row.notes(metrics), *self._otherwise_placed(row, metrics)):
                labels.setdefault(note, []).append(row.label)
        return [(", ".join(names), note) for note, names in labels.items()]

    def _otherwise_placed(self, row: RankedResult, metrics: Collection[str] | None) -> Iterable[str]:
        """Where rows placed faces in several ways, by which each did; a row that did so itself says that already."""
        for info in self.metrics:
            own = row.alignments.get(info.name, {})
            if len(own) == 1 and info.alignment not in own and (metrics is None or info.name in metrics):
                yield f"{info.title}: faces placed by {row.alignment_in_words(info.name)}"


def groups(rows: Iterable[ResultSummary], among: Iterable[str] = ()) -> list[Group]:
    """The results by (protocol, profile), in the order first seen, ranked: best first by their first metric.

    Args:
        among: labels of results that are known beside these, such as others of the folder.
    """
    members: dict[tuple[str, str], list[ResultSummary]] = {}
    labels = set(among)
    for row in rows:
        members.setdefault((row.protocol, row.profile), []).append(row)
        labels.add(row.label)
    return [_group(protocol, profile, found, frozenset(labels)) for (protocol, profile), found in members.items()]


def _group(protocol: str, profile: str, rows: Sequence[ResultSummary], among: frozenset[str]) -> Group:
    # What a row that was sent says of a metric counts only where no row of one's own says it.
    trusted = sorted(rows, key=lambda row: (bool(row.unverified), bool(row.badge)), reverse=True)
    infos = aligned({name: info for row in trusted for name, info in row.metrics.items()}, rows)
    metrics = tuple(infos[name] for name in ordered_metrics(infos.values()))
    ranked = _with_places([_explained(row, metrics) for row in _compared(rows)], metrics)
    largest = max(ranked, key=lambda row: (row.comparable, row.n))
    ordered = tuple(sorted(ranked, key=lambda row: _order(row, metrics)))
    return Group(protocol, profile, ordered, metrics, largest.n, largest.total, among)


_K = TypeVar("_K")


def places(values: Mapping[_K, float], higher_is_better: bool | None) -> tuple[frozenset[_K], frozenset[_K]]:
    """Whose values are the best and the second best; both empty without a direction or something to compare with."""
    if len(values) < 2 or higher_is_better is None:
        return frozenset(), frozenset()
    ordered = sorted(set(values.values()), reverse=higher_is_better)
    best, second = (frozenset(key for key in values if values[key] in ordered[i : i + 1]) for i in (0, 1))
    return best, second


def _definition(result: Result) -> tuple[str, str]:
    """What must be equal for two results of one protocol and profile to be about the same task."""
    return result.manifest.data.hash, result.manifest.definition


_UNPLACED: dict[str, Any] = {"best": frozenset(), "second": frozenset()}
"""Rows may come from another group, with their places there."""


def _compared(rows: Sequence[ResultSummary]) -> list[RankedResult]:
    """The rows, each with why it can't be compared with the largest run."""
    keys = [(_definition(row.result), row.ids) for row in rows]
    shared_by = Counter(keys)
    # What was computed here or verified before a sender's word.
    # A whole set before parts and other sets. Of two equally large ones, that which more results share; then the last.
    foreign = [lr.unexpected(row.result, row.ids) for row in rows]
    first, reference, _ = max(
        zip(rows, keys, foreign, strict=True),
        key=lambda found: (
            not found[0].unverified,
            found[0].whole,
            found[0].n,
            not found[2],
            shared_by[found[1]],
            found[0].result.place,
        ),
    )
    reasons = [
        row.unverified or _why_unranked(key, reference) or lr.difference(row.result, first.result, row.ids)
        for row, key in zip(rows, keys, strict=True)
    ]
    same = _handing_back([row for row, reason in zip(rows, reasons, strict=True) if not reason])
    reasons = [reason or same.get(row.result.folder, "") for row, reason in zip(rows, reasons, strict=True)]
    return [
        RankedResult(**{**_fields(row), **_UNPLACED, "comparable": not reason, "unranked": reason, "foreign": other})
        for row, reason, other in zip(rows, reasons, foreign, strict=True)
    ]


def _fields(row: ResultSummary) -> dict[str, Any]:
    return {each.name: getattr(row, each.name) for each in fields(row)}


def _handing_back(rows: Sequence[ResultSummary]) -> dict[Path, str]:
    """Of the rows that hand the input back, at scale 1, all but one: why each is not ranked, by its folder.

    Of several with equal numbers that one is ranked which is no interpolation, or else the first by label.
    """
    candidates = [row for row in rows if row.result.manifest.protocol.scale == 1]
    found: dict[Path, str] = {}
    ordered = sorted(candidates, key=lambda row: (row.result.manifest.method.interpolates, row.label))
    for place, row in enumerate(ordered):
        others = [other for other in ordered[:place] if other.result.folder not in found]
        if row.result.manifest.method.interpolates and (same := [o for o in others if _equal(o, row)]):
            found[row.result.folder] = f"at scale 1 it hands its input back: the same pictures as {same[0].label}"
    return found


def _equal(a: ResultSummary, b: ResultSummary) -> bool:
    """Whether each image has the same numbers in both, as far as both have them."""
    ours, theirs = a.result.images, b.result.images
    pairs = [(ours[i].metrics, theirs[i].metrics) for i in a.ids if i in theirs]
    shared = [x.keys() & y.keys() for x, y in pairs]
    return any(shared) and all(x[key] == y[key] for (x, y), keys in zip(pairs, shared, strict=True) for key in keys)


_Key = tuple[tuple[str, str], frozenset[str]]
"""What must be equal: the task's definition, and the ids of the images."""


def _why_unranked(key: _Key, reference: _Key) -> str:
    if not key[1]:
        return "no image was scored"
    if key[0] != reference[0]:
        return "it ran on other data, or under another definition of the protocol or profile"
    if key[1] < reference[1]:
        return f"{len(key[1])} of the {len(reference[1])} images of the largest run"
    return "" if key == reference else "its images are not those of the largest run"


def _explained(row: RankedResult, metrics: Iterable[MetricInfo]) -> RankedResult:
    """With a reason for each metric of the group that the row knows nothing of.

    A column made of values that the row has (`below-0.25`) is made of them, though only another's run asked for it.
    """
    metrics = tuple(metrics)
    row = _with_columns_made(row, [info for info in metrics if info.aggregate_of in row.metrics])
    missing = [info for info in metrics if info.name not in row.means and info.name not in row.reasons]
    reason = row.error or ("not computed in this run" if row.n else "no image was scored")
    reasons: dict[str, dict[str, list[str]]] = {info.name: {reason: []} for info in missing}
    infos = {info.name: info for info in missing if info.name not in row.metrics}
    return replace(row, reasons=row.reasons | reasons, metrics=row.metrics | infos)


def _with_columns_made(row: RankedResult, columns: Iterable[MetricInfo]) -> RankedResult:
    lacking = {info.name: info for info in columns if info.name not in row.metrics}
    if not lacking:
        return row
    made = total(lacking, [row.result.images[image] for image in sorted(row.ids)], {})
    return replace(
        row,
        metrics=row.metrics | lacking,
        means=row.means | made.means,
        counts=row.counts | made.counts,
        reasons=row.reasons | made.reasons,
    )


def _with_places(rows: Sequence[RankedResult], metrics: Iterable[MetricInfo]) -> list[RankedResult]:
    """With the best and second best of each metric."""
    found = {info.name: _places(rows, info.name) for info in metrics}
    return [
        replace(
            row,
            best=frozenset(name for name, (best, _) in found.items() if place in best),
            second=frozenset(name for name, (_, second) in found.items() if place in second),
        )
        for place, row in enumerate(rows)
    ]


def _places(rows: Sequence[RankedResult], name: str) -> tuple[frozenset[int], frozenset[int]]:
    """The places in `rows` of the best and the second best mean of one metric."""
    contenders = {place: row for place, row in enumerate(rows) if row.comparable and name in row.means}
    newest = max((row.metrics[name].version for row in contenders.values()), default=0)
    current = {place: row for place, row in contenders.items() if row.metrics[name].version == newest}
    # Of several gaps the smallest, then that which more rows share, then always the same one.
    gaps = Counter(row.missing(name) for row in current.values())
    gap = min(gaps, key=lambda ids: (len(ids), -gaps[ids], sorted(ids)), default=frozenset())
    ranked = {
        place: row.means[name]
        for place, row in current.items()
        if row.missing(name) == gap and row.metrics[name].higher_is_better is not None
    }
    return places(ranked, rows[min(ranked)].metrics[name].higher_is_better if ranked else None)


def _order(row: RankedResult, metrics: Sequence[MetricInfo]) -> tuple[bool, bool, float, str]:
    first = metrics[0] if metrics else None
    if first is None or first.name not in row.means:
        return (not row.comparable, True, 0.0, row.label)
    value = row.means[first.name]
    return (not row.comparable, False, value if first.higher_is_better is False else -value, row.label)
