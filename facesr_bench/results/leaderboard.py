"""What may be compared with what: numbers of one (protocol, profile), of the same images, of the same definition.

Inside a group a row is ranked only if it was computed on the same images as the largest run; a metric of a row is
ranked only if all of those images have a value for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facesr_bench.results.columns import MetricInfo, ordered_metrics
from facesr_bench.results.store import Result

if TYPE_CHECKING:
    from facesr_bench.results.summary import RowSummary

_PROSE = {"protocol": {"summary", "metrics", "expected_count", "profile"}, "profile": {"summary", "source"}}
"""Fields of the cards that don't change a number."""


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

    def notes(self, metrics: Collection[str] | None = None) -> list[tuple[str, str]]:
        """(labels of rows, what must be known of them): the notes of all rows, equal ones said once.

        Args:
            metrics: only of these, where no others are shown; none: of all.
        """
        labels: dict[str, list[str]] = {}
        for row in self.rows:
            for note in row.notes(metrics):
                labels.setdefault(note, []).append(row.label)
        return [(", ".join(names), note) for note, names in labels.items()]


def rank(rows: Sequence[RowSummary], scored: Sequence[frozenset[str]]) -> None:
    """Say of each row what it may be compared with, which of its means are best or second, and why cells are empty.

    Args:
        scored: for each row the ids of the images that it has an output for.
    """
    members: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        members.setdefault((row.protocol, row.profile), []).append(index)
    for indices in members.values():
        _mark_comparable([rows[i] for i in indices], [scored[i] for i in indices])
        _explain_empty_cells([rows[i] for i in indices])
        _place([rows[i] for i in indices])


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


def _definition(result: Result) -> str:
    """What must be equal for two results of one protocol and profile to be about the same task."""
    manifest = result.manifest.to_json()
    cards = [{k: v for k, v in manifest[card].items() if k not in prose} for card, prose in _PROSE.items()]
    return json.dumps([manifest["data"]["hash"], *cards], sort_keys=True)


def _mark_comparable(rows: Sequence[RowSummary], scored: Sequence[frozenset[str]]) -> None:
    keys = [(_definition(row.result), ids) for row, ids in zip(rows, scored, strict=True)]
    shared_by = Counter(keys)
    # Of two equally large sets, the one that more results share; then the one run last.
    _, reference = max(
        zip(rows, keys, strict=True),
        key=lambda pair: (pair[0].n, shared_by[pair[1]], pair[0].result.manifest.updated),
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


def _place(rows: Sequence[RowSummary]) -> None:
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
