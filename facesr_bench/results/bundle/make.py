"""From results on disk to a bundle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import check_links, file_name
from facesr_bench.base.hashing import file_sha256, pixels_sha256
from facesr_bench.results.bundle.archive import INDEX, SUMS, Contents, write
from facesr_bench.results.bundle.contents import (
    Entry,
    Index,
    Pixels,
    claims,
    data_hash,
    picture_name,
    sums_of,
    totals_of,
)
from facesr_bench.results.bundle.private import Scrubber, image_to_send, manifest_to_send
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.record import Manifest
from facesr_bench.results.store import Result

Decode = Callable[[bytes, str], NDArray[np.uint8]]
"""A picture's bytes, and what errors call it, to HxWx3 uint8 RGB; raises a FaceSRBenchError."""


def make(
    results: Sequence[Result],
    out: Path,
    decode: Decode,
    *,
    features: bool = False,
    anonymous: bool = False,
    contact: str | None = None,
    url: str | None = None,
) -> tuple[str, Index]:
    """Write a bundle of results; the same results make the same file.

    Args:
        features: also what metrics of the whole set read.
        anonymous: leave out what says who made it; then neither `contact` nor `url` may be given.

    Returns:
        The bundle's id, and what it claims.

    Raises:
        ResultsError: a result has no images, or lacks a picture that was scored or given; or `out` can't be written.
    """
    if anonymous and (contact or url):
        raise ResultsError("an anonymous bundle has neither contact nor url; leave them out, or --anonymous")
    if not results:
        raise ResultsError("no results to bundle")
    contents: dict[str, Path | bytes] = {}
    entries = []
    for number, result in enumerate(sorted(results, key=lambda each: (*each.row, each.manifest.fingerprint)), 1):
        scrubber = Scrubber([_root(result)], anonymous=anonymous)
        entry, files = _one(str(number), result, decode, scrubber, features=features, anonymous=anonymous)
        entries.append(entry)
        contents |= files
    index = Index(anonymous=anonymous, contact=contact, url=url, results=tuple(entries))
    contents[INDEX] = _json(index.model_dump(mode="json"))
    hashes = {name: _sha256(content) for name, content in contents.items()}
    contents[SUMS] = sums_of(hashes)
    return write(out, contents), index


def _root(result: Result) -> Path:
    """The results folder."""
    return result.folder.parent.parent.parent


def _one(
    number: str, result: Result, decode: Decode, scrubber: Scrubber, *, features: bool, anonymous: bool
) -> tuple[Entry, Contents]:
    manifest, rows = result.manifest, dict(sorted(result.images.items()))
    if manifest.error is not None or not rows:
        why = manifest.error or "it has no images"
        raise ResultsError(f"{result.folder}: nothing to bundle: {why}")
    if manifest.origin is not None:
        raise ResultsError(f"{result.folder}: it came in the bundle {manifest.origin.bundle}; send that one")
    result.require_pictures("a bundle")
    check_links(_root(result), result.folder)
    images = {image_id: image_to_send(row, scrubber) for image_id, row in rows.items()}
    sets = scrubber.data(result.sets())
    pixels = [_pixels(result, row, decode) for row in rows.values()]
    sent = manifest_to_send(manifest, scrubber, anonymous=anonymous)
    totals, good = totals_of(Manifest.from_json(sent), images, sets)
    kept = _extractors(result, good) if features else {}
    entry = Entry(
        folder=number,
        protocol=sent["protocol"]["name"],
        profile=sent["profile"]["name"],
        label=sent["method"]["label"],
        fingerprint=manifest.fingerprint,
        images=len(good),
        failed=len(images) - len(good),
        total=manifest.protocol.expected_count or manifest.data.count,
        deterministic=manifest.method.deterministic,
        seed=manifest.method.seed,
        data=data_hash(pixels),
        ground_truth=manifest.protocol.source != "lr",
        means=claims(totals),
        features=tuple(kept),
    )
    files: dict[str, Path | bytes] = {
        "manifest.json": _json(sent),
        "images.jsonl": "".join(f"{row.to_json()}\n" for row in images.values()).encode(),
        "pixels.jsonl": "".join(f"{each.to_json()}\n" for each in pixels).encode(),
        **({"sets.json": _json(sets)} if sets else {}),
        **{f"sr/{picture_name(row.id)}.png": result.sr_path(row.id) for row in good},
    }
    for extractor, row in ((extractor, row) for extractor in kept for row in good):
        path = result.features_path(extractor, row.id)
        files[f"features/{picture_name(extractor)}/{picture_name(row.id)}.npy"] = path
    return entry, {f"{number}/{name}": content for name, content in files.items()}


def _pixels(result: Result, row: ImageRecord, decode: Decode) -> Pixels:
    """The hashes of one image.

    Raises:
        ResultsError: a picture that must be there is missing or damaged.
    """
    hashes: dict[str, str | None] = {"lr": None, "hr": None}
    for part in ("lr", "hr") if result.manifest.protocol.source != "lr" else ("lr",):
        path = result.inputs_folder / part / f"{file_name(row.id)}.png"
        if row.error is None or path.is_file():  # of an image that could not be read there is none
            hashes[part] = pixels_sha256(_read(path, decode))
    if row.error is not None:
        return Pixels(row.id, None, hashes["lr"], hashes["hr"])
    picture = _read(result.sr_path(row.id), decode)
    height, width, _ = picture.shape
    return Pixels(row.id, pixels_sha256(picture), hashes["lr"], hashes["hr"], height, width)


def _read(path: Path, decode: Decode) -> NDArray[np.uint8]:
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        raise ResultsError(
            f"{path}: can't be read ({error.strerror or error}), and a bundle needs every picture; run again"
        ) from error
    except FaceSRBenchError as error:
        raise ResultsError(f"{error}; a bundle needs every picture: run again") from error


def _extractors(result: Result, good: Sequence[ImageRecord]) -> dict[str, Path]:
    """The folders of features that hold every image, by extractor.

    Raises:
        ResultsError: there are none.
    """
    found = {}
    for folder in sorted((result.folder / "features").glob("*")):
        if all((folder / f"{file_name(row.id)}.npy").is_file() for row in good):
            found[folder.name] = folder
    if not found:
        raise ResultsError(
            f"{result.folder}: no features of every image, which --features asks for; run `fid` or `kid`"
        )
    return found


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False, sort_keys=True) + "\n").encode()


def _sha256(content: Path | bytes) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else file_sha256(content)
