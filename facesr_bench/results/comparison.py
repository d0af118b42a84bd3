"""How sure each cell of a leaderboard is, and how its method stands against the best: intervals and tests of a group.

The methods themselves are in `statistics.py`. Where the dataset says whom its images show, persons are resampled and
tested in place of images; an image of nobody known counts as a person of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facesr_bench.results.leaderboard import Group, RankedResult
from facesr_bench.results.statistics import (
    ALPHA,
    PairedTest,
    holm,
    mean_difference,
    mean_intervals,
    paired_test,
    per_cluster,
)
from facesr_bench.results.summary import per_image_values


@dataclass(frozen=True)
class Comparison:
    """One cell of a leaderboard: how sure its mean is, and how it stands against the best of the group.

    Attributes:
        label, metric: which cell.
        mean: as in the row; may be infinite.
        n: values that the mean is made of; 0 for a number that is made of the whole set.
        persons: whom these images show; None where no two of them are known to show one person.
        interval: 95 % interval of the mean, or None.
        no_interval: why there is none; empty where there is one.
        best: label of the row it is compared with; None where nothing was compared, and then the rest is None too.
        difference: mean of this row less the best's, over the images both have, in the metric's unit; may be infinite;
            none where each is perfect on an image that the other is not.
        difference_interval: its 95 % interval; None where a value is infinite.
        pairs: images compared, or persons where `persons` says how many; zeros: those without a difference.
        p: two-sided, as computed; p_holm: corrected over the methods compared with the best in this metric.
        effect: rank-biserial correlation; -1: the best one is better on every image (or person), +1: this one is.
        significant: p_holm < `ALPHA`, and the ranks point the way that the means do.
        note: what else must be known: too few images for any test, means and ranks that disagree.
    """

    label: str
    metric: str
    mean: float
    n: int
    persons: int | None = None
    interval: tuple[float, float] | None = None
    no_interval: str = ""
    best: str | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    pairs: int = 0
    zeros: int = 0
    p: float | None = None
    p_holm: float | None = None
    effect: float | None = None
    significant: bool | None = None
    note: str = ""


Comparisons = Mapping[tuple[str, str], Comparison]
"""Cells by (row label, metric name)."""


def compare(group: Group) -> dict[tuple[str, str], Comparison]:
    """Intervals of all means of a group, and every ranked row against the best of each metric.

    Rows that are not ranked (`RankedResult.comparable`) have intervals but are compared with nothing, and so is a
    metric without a direction or with one method only. Two methods are compared on the images that both have a value
    for. The cells of a metric of a whole set have neither interval nor test: it has no value per image.

    Raises:
        ResultsError: the images of a result can't be read.
    """
    values = {row.label: per_image_values(row) for row in group.rows}
    people = {row.label: group.people(row) for row in group.rows}
    cells = {
        (row.label, name): _cell(row, name, values[row.label].get(name, {}), people[row.label])
        for row in group.rows
        for name in row.means
    }
    means = {key: dict(values[key[0]][key[1]]) for key, cell in cells.items() if not cell.no_interval}
    differences: dict[_Key, dict[str, float]] = {}
    for metric in group.metrics:
        reference = next((row for row in group.rows if metric.name in row.best), None)
        best = values[reference.label].get(metric.name, {}) if reference else {}
        for row in group.rows:
            own = values[row.label].get(metric.name, {})
            if (
                reference
                and row is not reference
                and _is_rival(row, reference, metric.name)
                and own.keys() & best.keys()
            ):
                # Two perfect images are equal, though inf - inf is not a number.
                off = {i: 0.0 if own[i] == best[i] else own[i] - best[i] for i in own if i in best}
                differences[row.label, metric.name] = off
        rivals = [key for key in differences if key[1] == metric.name]
        if reference and rivals:
            sign = 1.0 if metric.higher_is_better else -1.0
            _add_tests(cells, {key: differences[key] for key in rivals}, people, sign, reference.label)
    # All in one go: drawing the resamples is what takes the time.
    finite = {key: off for key, off in differences.items() if all(map(math.isfinite, off.values()))}
    finite = {key: off for key, off in finite.items() if _count(off, people[key[0]]) > 1}
    found = _intervals([(column, people[key[0]]) for key, column in [*means.items(), *finite.items()]])
    for key, interval in zip(means, found, strict=False):
        cells[key] = replace(cells[key], interval=interval)
    for key, interval in zip(finite, found[len(means) :], strict=True):
        cells[key] = replace(cells[key], difference_interval=interval)
    return cells


_Key = tuple[str, str]
"""Row label, metric name."""

People = Mapping[str, str]
"""Image id -> the person it shows. Who is not known is left out."""


def _clusters(ids: Sequence[str], people: People) -> list[tuple[str, str]]:
    """What is resampled together: (`person`, name), or (`image`, id) where nobody says whom it shows."""
    return [("person", people[i]) if i in people else ("image", i) for i in ids]


def _count(ids: Mapping[str, float], people: People) -> int:
    return len(set(_clusters(list(ids), people)))


def _is_rival(row: RankedResult, reference: RankedResult, name: str) -> bool:
    return row.comparable and name in row.means and row.metrics[name].version == reference.metrics[name].version


def _cell(row: RankedResult, name: str, given: Mapping[str, float], people: People) -> Comparison:
    why = ""
    infinite = sum(math.isinf(value) for value in given.values())
    count = _count(given, people)
    if not given:
        why = "one number for the whole set: there are no values per image to resample"
    elif infinite:
        why = f"infinite on {infinite} of {len(given)} images"
    elif len(given) < 2:
        why = "one image only"
    elif count < 2:
        why = "all images show one person"
    persons = count if count < len(given) else None
    return Comparison(row.label, name, row.means[name], len(given), persons, no_interval=why)


def _intervals(columns: Sequence[tuple[Mapping[str, float], People]]) -> list[tuple[float, float]]:
    """The interval of each column's mean; columns over the same images are resampled together."""
    together: dict[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], list[int]] = {}
    for number, (column, people) in enumerate(columns):
        ids = tuple(sorted(column))
        together.setdefault((ids, tuple(_clusters(ids, people))), []).append(number)
    found: list[tuple[float, float]] = [(math.nan, math.nan)] * len(columns)
    for (ids, clusters), numbers in together.items():
        table = np.array([[columns[number][0][i] for number in numbers] for i in ids])
        for number, (low, high) in zip(numbers, mean_intervals(table, clusters=clusters).tolist(), strict=True):
            found[number] = (low, high)
    return found


def _add_tests(
    cells: dict[_Key, Comparison],
    differences: Mapping[_Key, Mapping[str, float]],
    people: Mapping[str, People],
    sign: float,
    best: str,
) -> None:
    """Test every method of one metric against the best; `sign` is 1 where higher is better."""
    offs = [list(off.values()) for off in differences.values()]
    drawn = [_clusters(list(off), people[key[0]]) for key, off in differences.items()]
    tests = [paired_test(sign * per_cluster(off, clusters)) for off, clusters in zip(offs, drawn, strict=True)]
    corrected = holm([test.p for test in tests])
    for key, off, test, p_holm in zip(differences, offs, tests, corrected, strict=True):
        difference = mean_difference(off)
        agrees = not difference or test.effect == 0 or (sign * difference > 0) == (test.effect > 0)
        unit = "images" if test.pairs == len(off) else "persons"
        cells[key] = replace(
            cells[key],
            best=best,
            difference=difference,
            pairs=test.pairs,
            zeros=test.zeros,
            p=test.p,
            p_holm=p_holm,
            effect=test.effect,
            significant=p_holm < ALPHA and agrees,
            note=_note(test, agrees, len(tests), unit),
        )


def _note(test: PairedTest, agrees: bool, family: int, unit: str) -> str:
    differing = test.pairs - test.zeros
    if not differing:
        return f"equal on all {test.pairs} {unit}"
    if family * 2.0 ** (1 - differing) >= ALPHA:
        which = f"{unit} that differ" if differing > 1 else f"{unit[:-1]} that differs"
        return f"with {differing} {which}, no paired test can reach p < {ALPHA:g} here"
    if not agrees:
        return f"the mean says one thing, most {unit} the other; not called significant"
    return ""
