"""Puts a result of a verified bundle into a results folder, as a row with its badge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import check_writable, file_name, own, replacing
from facesr_bench.results.bundle.opened import Sent
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.locks import holding
from facesr_bench.results.merge import copy_files, join_samples
from facesr_bench.results.record import CONSISTENT, RESCORED, Manifest, OriginRecord
from facesr_bench.results.store import IMAGES, MANIFEST, SETS, Result, next_order, open_result


def add(sent: Sent, root: Path, origin: OriginRecord, rescored: Result | None) -> Result:
    """Write it where tables and pages find it; what was only claimed and not computed here is left out.

    Args:
        rescored: its pictures and inputs as verified here, from level 2 on.

    Raises:
        BusyError: another process is at it.
        ResultsError: it is below level 1, is there already at this level, or can't be written.
    """
    if origin.level < CONSISTENT:
        raise ResultsError(f"{sent.name}: its numbers don't follow from its images, so they are not shown")
    check_writable(root)
    label = f"{sent.entry.label} (bundle {origin.bundle[:8]})"
    place = f"{file_name(sent.entry.protocol)}/{file_name(label)}/{sent.entry.fingerprint[:16]}"
    folder = own(root, place)
    with holding(root, [folder]):
        _refuse_known(folder, origin)
        _write(sent, root, place, label, origin, rescored)
    return open_result(folder)


def _write(sent: Sent, root: Path, place: str, label: str, origin: OriginRecord, rescored: Result | None) -> None:
    folder = own(root, place)
    result = Result(folder, _manifest(sent, root, folder, label, origin, rescored))
    result.folder.mkdir(parents=True, exist_ok=True)
    if rescored is not None and origin.verified:
        copy_files(rescored.folder, result.folder, root)
        copy_files(rescored.inputs_folder, result.inputs_folder, root)
        join_samples(rescored.inputs_folder, result.inputs_folder)
    else:
        for row in sent.good:
            with replacing(own(root, f"{place}/sr/{file_name(row.id)}.png")) as partial:
                partial.write_bytes(sent.picture(row.id))
    rows = "".join(f"{_known(row, origin).to_json()}\n" for row in sent.images.values())
    with replacing(folder / IMAGES) as partial:
        partial.write_text(rows, encoding="utf-8", newline="\n")
    sets: dict[str, Any] = {name: dict(entry) for name, entry in sent.sets.items() if _is_known(name, origin)}
    if sets:
        result.save_sets(sets)
    else:
        (folder / SETS).unlink(missing_ok=True)
    result.save_manifest()


def _refuse_known(folder: Path, origin: OriginRecord) -> None:
    if not (folder / MANIFEST).is_file():
        return
    known = open_result(folder).manifest.origin
    if known is not None and (known.level, known.metrics) == (origin.level, origin.metrics):
        raise ResultsError(f"{folder}: it is there already, {known.badge}")


def _is_known(name: str, origin: OriginRecord) -> bool:
    """Whether a column may be shown: below level 2 all of them may, unranked."""
    return origin.level < RESCORED or name in origin.metrics


def _known(row: ImageRecord, origin: OriginRecord) -> ImageRecord:
    return replace(
        row,
        metrics={name: value for name, value in row.metrics.items() if _is_known(name, origin)},
        versions={name: value for name, value in row.versions.items() if _is_known(name, origin)},
        reasons={name: value for name, value in row.reasons.items() if _is_known(name, origin)},
        undetected=[name for name in row.undetected if _is_known(name, origin)],
    )


def _manifest(
    sent: Sent, root: Path, folder: Path, label: str, origin: OriginRecord, rescored: Result | None
) -> Manifest:
    # What it was made of is here, pixel by pixel, though the files may be packed otherwise; so is what was asked.
    verified = rescored is not None and origin.verified
    task = rescored.manifest if rescored is not None and verified else sent.manifest
    return sent.manifest.model_copy(
        update={
            "method": sent.manifest.method.model_copy(update={"label": label}),
            "metrics": {name: each for name, each in sent.manifest.metrics.items() if _is_known(name, origin)},
            **{name: getattr(task, name) for name in ("data", "protocol", "profile", "dataset")},
            "order": next_order(root, folder),
            "tags": (),
            "origin": origin,
        }
    )
