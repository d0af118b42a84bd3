"""Results folders of several machines, shards or dates as one: what agrees is joined, what doesn't is refused."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import check_writable, own, replacing
from facesr_bench.results.image_record import ImageRecord, merged
from facesr_bench.results.locks import holding, refuse_busy
from facesr_bench.results.record import Manifest
from facesr_bench.results.samples import SAMPLES, Samples, read_samples
from facesr_bench.results.store import IMAGES, MANIFEST, SETS, Result, all_results, read_results

SamePicture = Callable[[Path, Path], bool]
"""Whether two picture files hold the same pixels: compressed by other libraries, equal pictures differ in bytes."""

_PICTURES = frozenset({"sr", "lr", "hr"})
"""Folders whose files decide numbers; what else lies beside them can be made again."""


@dataclass(frozen=True)
class Merged:
    """What became of one result.

    Attributes:
        result: where it now is.
        parts: how many of the folders had images of it.
        sets: metrics of the whole set whose value must be computed again, since it was made of a part; each with what
            sets.json of a part says of it.
    """

    result: Result
    parts: int
    sets: Mapping[str, Mapping[str, Any]]


def merge(sources: Sequence[Path], out: Path, same_picture: SamePicture, *, newest: bool = False) -> list[Merged]:
    """Join results folders into one; nothing is written before all of them are known to agree.

    Images of one fingerprint are joined: where a run failed on an image that another has, the image is taken; equal
    ones are taken once.

    Args:
        out: made if need be. What it holds already takes part.
        newest: where one label has several fingerprints, keep them all; tables then show that of the newest.

    Raises:
        BusyError: a run works on one of the results.
        ResultsError: a folder is missing or given twice, or a result can't be read; one label has several fingerprints,
            or one image two values; or it can't be written.
    """
    there = frozenset(path.parent for path in out.glob(f"*/*/*/{MANIFEST}"))
    with holding(out, sorted(there)):
        return _merge_held(sources, out, there, same_picture, newest)


def _merge_held(
    sources: Sequence[Path], out: Path, there: frozenset[Path], same_picture: SamePicture, newest: bool
) -> list[Merged]:
    """As `merge`, with the results held that are in `out` already."""
    roots = list(sources)
    if len({root.resolve() for root in roots}) < len(roots):
        raise ResultsError("a results folder is given twice; give each once")
    if out.is_dir() and out.resolve() not in {root.resolve() for root in roots}:
        roots.append(out)
    for root in roots:
        for path in sorted(root.glob(f"*/*/*/{MANIFEST}")) if root.resolve() != out.resolve() else ():
            refuse_busy(root, path.parent)
    found = [result for root in roots for result in all_results(root)]
    if not found:
        raise ResultsError(f"{', '.join(map(str, roots))}: no results; make some with `facesr-bench run`")
    if not newest:
        _refuse_rivals(roots)
    groups: dict[Path, list[Result]] = {}
    for result in found:
        protocol, label, key = result.folder.parts[-3:]
        groups.setdefault(Path(protocol, label, key), []).append(result)
    for parts in groups.values():
        _refuse_differences(parts, same_picture)
    check_writable(out)
    orders = _orders(groups)
    # Held only now: a merge that is refused leaves nothing behind.
    new = [own(out, place.as_posix()) for place in groups if out / place not in there]
    with holding(out, sorted(new)):
        for folder in new:
            if (folder / MANIFEST).exists():
                raise ResultsError(f"{folder}: a run has made it meanwhile; merge again")
        return [_write(place, parts, out, orders[place]) for place, parts in groups.items()]


def _orders(groups: Mapping[Path, Sequence[Result]]) -> dict[Path, int]:
    """A new place for every result: by date, since the runs of several folders were counted apart.

    Those of one row that stand in one folder keep their order there, whatever the clock said.
    """
    dates = {place: max(part.manifest.updated for part in parts) for place, parts in groups.items()}
    by_date = sorted(groups, key=lambda place: dates[place])
    rows: dict[tuple[str, str, str], list[Path]] = {}
    for place in by_date:
        rows.setdefault(groups[place][0].row, []).append(place)
    found: dict[Path, int] = {}
    for places in rows.values():
        numbers = [by_date.index(place) + 1 for place in places]
        members = [groups[place] for place in places]
        if len({part.folder.parent for parts in members for part in parts}) == 1:
            places.sort(key=lambda place: groups[place][0].place[1:])
        found.update(zip(places, numbers, strict=True))
    return found


def _refuse_rivals(roots: Sequence[Path]) -> None:
    """Refuse one row of several fingerprints: the tables would silently show that of the later date."""
    seen: dict[tuple[str, str, str], Result] = {}
    for root in roots:
        for result in read_results(root).results:
            if not (result.folder / IMAGES).is_file():
                continue  # a record of why a method could not be loaded gives way to any other
            first = seen.setdefault((result.protocol, result.profile, result.label), result)
            if first.manifest.fingerprint != result.manifest.fingerprint:
                raise ResultsError(
                    f"{result.label} on {result.protocol} is not the same in all folders: fingerprint "
                    f"{first.manifest.fingerprint} in {first.folder} ({first.manifest.updated}), "
                    f"{result.manifest.fingerprint} in {result.folder} ({result.manifest.updated}). "
                    f"They differ in {_difference(first.manifest, result.manifest)}. Leave one out, give one a label "
                    "of its own (`run --methods LABEL=...`), or keep both with --newest: tables show the newest"
                )


def _difference(a: Manifest, b: Manifest) -> str:
    """What can be told from the manifests of two results of one name."""
    pairs = {
        "the method's code": (a.method.code_hash, b.method.code_hash),
        "its weights": (a.method.weights_sha256, b.method.weights_sha256),
        "precision": (a.method.precision, b.method.precision),
        "the backend": (a.method.backend, b.method.backend),
        "the data": (a.data.hash, b.data.hash),
        "the protocol or profile": (a.definition, b.definition),
        "the release of facesr-bench": (a.environment.facesr_bench, b.environment.facesr_bench),
    }
    return ", ".join(what for what, (x, y) in pairs.items() if x != y) or "what their manifests don't tell"


def _refuse_differences(parts: Sequence[Result], same_picture: SamePicture) -> None:
    """Refuse an image that has two values or two pictures under one fingerprint."""
    seen: dict[str, tuple[Result, ImageRecord]] = {}
    for result in parts:
        for row in result.images.values():
            if row.error is not None:
                continue
            first, other = seen.setdefault(row.id, (result, row))
            if first is result:
                continue
            where = f"{row.id} of {result.label} on {result.protocol}"
            both = (
                f"fingerprint {first.manifest.fingerprint} in {first.folder}, "
                f"{result.manifest.fingerprint} in {result.folder}"
            )
            for name in sorted(row.metrics.keys() & other.metrics.keys()):
                same_version = row.versions.get(name) == other.versions.get(name)
                if same_version and row.metrics[name] != other.metrics[name]:
                    values = f"{other.metrics[name]!r} and {row.metrics[name]!r}"
                    raise ResultsError(f"{where} has two values of {name}: {values} ({both}); leave one folder out")
            if not _alike(first.sr_path(row.id), result.sr_path(row.id), same_picture):
                raise ResultsError(f"{where} has two different pictures ({both}); leave one folder out")
    folders = {result.inputs_folder for result in parts if result.inputs_folder.is_dir()}
    first_inputs, *others = sorted(folders) or [Path()]
    for folder in others:
        for path in _files(folder):
            relative = path.relative_to(folder)
            if relative.parts[0] in _PICTURES and not _alike(first_inputs / relative, path, same_picture):
                raise ResultsError(
                    f"{first_inputs / relative} and {path}: two different pictures; leave one folder out"
                )


def _alike(a: Path, b: Path, same_picture: SamePicture) -> bool:
    """Whether two files hold the same picture; a missing one contradicts nothing."""
    if not a.is_file() or not b.is_file():
        return True
    return filecmp.cmp(a, b, shallow=False) or same_picture(a, b)


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, less those that a killed run has left half written."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(".partial"):
            yield path


_KEPT_APART = frozenset({MANIFEST, IMAGES, SETS, SAMPLES})
"""Files that are joined line by line, or written anew."""


def _write(place: Path, parts: Sequence[Result], out: Path, order: int) -> Merged:
    """One result, of all its parts."""
    # What is newest comes last, so that it is what remains.
    ordered = sorted(parts, key=lambda part: part.manifest.updated)
    tags = tuple(dict.fromkeys(tag for part in ordered for tag in part.manifest.tags))
    manifest = _joined(ordered).model_copy(update={"order": order, "tags": tags})
    result = Result(own(out, place.as_posix()), manifest)
    rows = _rows(ordered)
    for part in ordered:
        copy_files(part.folder, result.folder, out)
        copy_files(part.inputs_folder, result.inputs_folder, out)
        join_samples(part.inputs_folder, result.inputs_folder)
    if rows or any((part.folder / IMAGES).is_file() for part in ordered):
        result.folder.mkdir(parents=True, exist_ok=True)
        with replacing(result.folder / IMAGES) as partial:
            partial.write_text("".join(f"{row.to_json()}\n" for row in rows.values()), encoding="utf-8", newline="\n")
    stale = _join_sets(result, ordered, sum(row.error is None for row in rows.values()))
    result.save_manifest()
    return Merged(result, sum(bool(part.images) for part in ordered), stale)


def _joined(ordered: Sequence[Result]) -> Manifest:
    """The manifest of the newest, with what only the others know."""
    newest = ordered[-1].manifest
    if len(ordered) == 1:
        return newest
    created = min((part.manifest.created for part in ordered if part.manifest.created), default=newest.created)
    metrics = {name: metric for part in ordered for name, metric in part.manifest.metrics.items()}
    tags = tuple(dict.fromkeys(tag for part in ordered for tag in part.manifest.tags))
    update: dict[str, object] = {"created": created, "metrics": metrics, "tags": tags}
    if newest.request is not None:
        whole = {name: value for name, value in newest.request.options.items() if name != "shard"}
        request = newest.request.model_copy(update={"options": whole})
        update |= {"request": request, "command": request.command()}
    return newest.model_copy(update=update)


def _rows(ordered: Sequence[Result]) -> dict[str, ImageRecord]:
    """Every image; one that some run has is no failure."""
    rows: dict[str, ImageRecord] = {}
    for row in (row for part in ordered for row in part.images.values()):
        known = rows.get(row.id)
        if known is None or (known.error is not None and row.error is None):
            rows[row.id] = replace(row)
        elif known.error is not None or row.error is None:
            rows[row.id] = reduce(merged, _older_first(known, row))
    return rows


def _older_first(a: ImageRecord, b: ImageRecord) -> tuple[ImageRecord, ImageRecord]:
    """Two lines of an image, that of the later versions of metrics last."""
    later = any(a.versions.get(name, 0) > version for name, version in b.versions.items())
    return (b, a) if later else (a, b)


def copy_files(source: Path, target: Path, out: Path) -> None:
    """Copy every file of a folder that the other lacks, whole; files that are joined line by line are left out.

    Args:
        out: the results folder that `target` is in.

    Raises:
        ResultsError: one can't be written, or there is a link on the way.
    """
    if not source.is_dir() or source.resolve() == target.resolve():
        return
    for path in _files(source):
        relative = path.relative_to(source)
        if relative.parts[0] in _KEPT_APART:
            continue
        there = own(out, (target.relative_to(out) / relative).as_posix())
        if not there.exists():
            with replacing(there) as partial:
                shutil.copyfile(path, partial)


def join_samples(source: Path, target: Path) -> None:
    """Add the lines of one folder's samples.jsonl to another's.

    Raises:
        ResultsError: it can't be written.
    """
    if not (source / SAMPLES).is_file() or source.resolve() == target.resolve():
        return
    target.mkdir(parents=True, exist_ok=True)
    joined = Samples(target)
    try:
        for sample in read_samples(source).values():
            joined.add(sample)
    finally:
        joined.close()


def _join_sets(result: Result, ordered: Sequence[Result], count: int) -> dict[str, dict[str, Any]]:
    """Keep the values that were made of all images; the others."""
    sets: dict[str, dict[str, Any]] = {}
    for part in ordered:
        for name, entry in part.sets().items():
            if name not in sets or sets[name].get("n") != count:
                sets[name] = entry
    stale = {name: entry for name, entry in sets.items() if entry.get("n") != count}
    for name in stale:
        sets[name] = {"reason": "it was made of parts of these images; run again to compute it of all"}
    if sets:
        result.save_sets(sets)
    return stale
