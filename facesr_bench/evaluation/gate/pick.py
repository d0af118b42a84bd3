"""The two sides that `facesr-bench compare OLD NEW` means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.suggest import expanded
from facesr_bench.evaluation.gate.looks import side_of_result, side_of_sent
from facesr_bench.evaluation.gate.sets import compare_sets
from facesr_bench.evaluation.verify import open_bundle
from facesr_bench.results import baseline as baselines
from facesr_bench.results.gate.judge import Answer, judge
from facesr_bench.results.gate.policy import Policy
from facesr_bench.results.gate.sides import Side
from facesr_bench.results.history import find
from facesr_bench.results.store import MANIFEST, open_result


def sides(root: Path, text: str, protocol: str | None) -> list[Side]:
    """The sides that a user's text means: a result's folder, a baseline's file, a bundle, a tag, label or fingerprint.

    Args:
        root: the results folder in which names are looked up.

    Raises:
        ResultsError: nothing is called so, or it can't be read.
    """
    path = expanded(text)
    if (path / MANIFEST).is_file():
        return [side_of_result(open_result(path.resolve()))]
    if baselines.is_file(path):
        return [baselines.read(path)]
    if path.suffix == ".tar" and path.is_file():
        bundle = open_bundle(path)
        with bundle.archive:
            sent = [side_of_sent(one) for one in bundle.results]
        return [side for side in sent if protocol is None or side.protocol == protocol]
    return [side_of_result(result) for result in find(root, text, protocol=protocol)]


def pairs(old: Sequence[Side], new: Sequence[Side]) -> list[tuple[Side, Side]]:
    """Which is to be compared with which: those of one row, else those alone on a protocol and profile.

    Raises:
        ResultsError: none fits another.
    """
    if len(old) == len(new) == 1:
        return [(old[0], new[0])]
    by_row = {(*_task(side), side.label): side for side in old}
    found = [(by_row[key], side) for side in new if (key := (*_task(side), side.label)) in by_row]
    if found:
        return found
    for a in old:
        theirs = [b for b in new if _task(a) == _task(b)]
        if len(theirs) == 1 and sum(_task(a) == _task(other) for other in old) == 1:
            found.append((a, theirs[0]))
    if not found:
        names = [", ".join(f"{side.label} on {side.protocol}" for side in each) for each in (old, new)]
        raise ResultsError(f"nothing to compare: {names[0]} on one side, {names[1]} on the other")
    return found


def _task(side: Side) -> tuple[str, str]:
    return side.protocol, side.header.profile.name


def compare(root: Path, old: str, new: str, policy: Policy, protocol: str | None = None) -> list[Answer]:
    """Two results, or all pairs of two tags or labels, image by image.

    Raises:
        ResultsError: one of them can't be found or read.
    """
    found = pairs(sides(root, old, protocol), sides(root, new, protocol))
    return [judge(a, b, policy, compare_sets) for a, b in found]
