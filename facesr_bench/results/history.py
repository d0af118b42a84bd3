"""All results that a folder holds, superseded ones too, and how one of them is found by what a user calls it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.suggest import unknown
from facesr_bench.results.store import Result, newest_of_rows, read_every_result
from facesr_bench.results.summary import ResultSummary

SHORT = 8
"""Digits of a fingerprint that listings show."""


@dataclass(frozen=True)
class History:
    """What a results folder holds.

    Attributes:
        results: all that can be read, the newest first.
        shown: the folders of those that tables show: the newest of each row.
        unreadable: why a result can't be read, one text for each.
    """

    root: Path
    results: Sequence[Result]
    shown: frozenset[Path]
    unreadable: Sequence[str]

    def only(self, protocols: Collection[str] = (), methods: Collection[str] = (), tag: str | None = None) -> History:
        """That of some protocols, methods (names or labels) and one tag; empty: of all."""
        kept = [
            result
            for result in self.results
            if (not protocols or result.protocol in protocols)
            and (not methods or result.label in methods or result.method in methods)
            and (tag is None or tag in result.manifest.tags)
        ]
        return History(self.root, kept, self.shown, self.unreadable)


def read_history(root: Path) -> History:
    """Every result of a results folder.

    Raises:
        ResultsError: `root` doesn't exist.
    """
    every = read_every_result(root)
    ordered = sorted(every.results, key=lambda result: result.place[1:], reverse=True)
    shown = frozenset(result.folder for result in newest_of_rows(ordered))
    return History(root, ordered, shown, every.unreadable)


def find(root: Path, text: str, *, protocol: str | None = None) -> list[Result]:
    """The results that a user means by a tag, a label or a fingerprint, in this order of precedence.

    Args:
        text: a tag (`run --tag`): the newest result of each row that bears it; or a label as tables have it
            (`sparnet@official`): what they show of it on each protocol and profile, of rows from bundles also the label
            that their sender gave; or the beginning of a fingerprint, 4 digits or more.
        protocol: only results on this one.

    Returns:
        One or more, the newest first.

    Raises:
        ResultsError: no such folder, nothing in it is called so, or a fingerprint's beginning fits several results.
    """
    known = read_history(root).only(() if protocol is None else (protocol,))
    meant = (_by_tag, _by_label, _by_senders_label, _by_fingerprint)
    found = next((found for kind in meant if (found := kind(known, text))), None)
    if found is None:
        names = {tag for result in known.results for tag in result.manifest.tags} | {r.label for r in known.results}
        on = "" if protocol is None else f" on {protocol}"
        said = unknown(f"result{on} (tag, label, or fingerprint)", text, names)
        raise ResultsError("\n".join([f"{root}: {said}", *known.unreadable]))
    return found


def _by_tag(known: History, text: str) -> list[Result]:
    return newest_of_rows(result for result in known.results if text in result.manifest.tags)


def _by_label(known: History, text: str) -> list[Result]:
    return [result for result in known.results if result.label == text and result.folder in known.shown]


def _by_senders_label(known: History, text: str) -> list[Result]:
    """`mynet`, where the only rows of that name came in bundles: `mynet (bundle 1f3a9c20)`."""
    beginning = f"{text} (bundle "
    sent = [result for result in known.results if result.manifest.origin and result.label.startswith(beginning)]
    return [result for result in sent if result.folder in known.shown]


def _by_fingerprint(known: History, text: str) -> list[Result]:
    if not re.fullmatch(r"[0-9a-f]{4,}", text):
        return []
    found = [result for result in known.results if result.manifest.fingerprint.startswith(text)]
    return [_the_only(known.root, text, found, "give more of its digits")] if found else []


def _the_only(root: Path, text: str, found: Sequence[Result], remedy: str) -> Result:
    if len(found) > 1:
        lines = "".join(f"\n  {r.manifest.fingerprint}  {r.protocol}, {r.profile}: {r.label}" for r in found)
        raise ResultsError(f"{root}: {len(found)} results are called {text!r}; {remedy}{lines}")
    return found[0]


def as_data(row: ResultSummary, shown: bool) -> dict[str, Any]:
    """What `history --json` says of one result; the keys are a stable interface.

    Args:
        row: the result, summed up.
        shown: whether tables show it.
    """
    manifest = row.result.manifest
    return {
        "protocol": row.protocol,
        "profile": row.profile,
        "method": row.method,
        "weights": row.weights,
        "label": row.label,
        "fingerprint": row.fingerprint,
        "tags": list(manifest.tags),
        "order": manifest.order,
        "created": manifest.created,
        "updated": manifest.updated,
        "shown": shown,
        "n": row.n,
        "failed": row.failed,
        "total": row.total,
        "error": row.error,
        "precision": row.precision,
        "device": row.device,
        "weights_sha256": manifest.method.weights_sha256,
        "code_hash": manifest.method.code_hash,
        "definition": manifest.definition,
        "data": manifest.data.hash,
        "metrics": dict(row.means),
        "notes": row.notes(),
    }
