"""Whether two results were made of the same LR pictures: named alike, they may still differ in bits."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

from facesr_bench.base.text import counted
from facesr_bench.results.samples import SAMPLES, SampleRecord, read_samples
from facesr_bench.results.store import Result


def difference(a: Result, b: Result, ids: Collection[str]) -> str:
    """Why two results are not about the same pictures, as far as their LR pictures tell; empty where they are.

    Args:
        ids: the images that count.
    """
    if a.inputs_folder == b.inputs_folder:
        return ""
    ours, theirs = _samples(a), _samples(b)
    other = [
        image_id
        for image_id in sorted(ids & ours.keys() & theirs.keys())
        if None not in (x := {ours[image_id].lr_sha256, theirs[image_id].lr_sha256}) and len(x) > 1
    ]
    if not other:
        return ""
    makers = [_makers(samples[image_id] for image_id in other) for samples in (ours, theirs)]
    by = (
        f", made with {makers[0] or 'unknown libraries'}, not {makers[1] or 'unknown libraries'}" if any(makers) else ""
    )
    return f"its LR pictures are others for {len(other)} of {len(ids)} images, such as {other[0]}{by}"


def unexpected(result: Result, ids: Collection[str]) -> str:
    """What is to be said of LR pictures that are not those which the protocol commits; empty where all are."""
    samples = _samples(result)
    return of_unexpected([samples[image_id] for image_id in sorted(ids & samples.keys())])


def of_unexpected(samples: Iterable[SampleRecord]) -> str:
    """As `unexpected`, of these samples."""
    found = [sample for sample in samples if sample.lr_expected is not None]
    if not found:
        return ""
    return (
        f"the LR pictures of {counted(len(found), 'image')}, such as {found[0].id}, are not those of the protocol, "
        f"since {_makers(found) or 'the libraries they were made with'} give other bits: its numbers can't be compared "
        "with those of others"
    )


def _makers(samples: Iterable[SampleRecord]) -> str:
    return "; ".join(dict.fromkeys(sample.made_by for sample in samples if sample.made_by))


def _samples(result: Result) -> dict[str, SampleRecord]:
    folder = result.inputs_folder
    try:
        status = (folder / SAMPLES).stat()
    except OSError:
        return {}
    return _read(folder, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _read(folder: Path, changed: int, size: int) -> dict[str, SampleRecord]:
    """Tables, pages and figures all ask: read once for as long as the file is the same."""
    del changed, size
    return read_samples(folder)
