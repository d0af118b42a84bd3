"""A bundle as a stranger sends it: opened, and checked as far as that goes without its data (levels 0 and 1)."""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.hashing import pixels_sha256
from facesr_bench.base.invalid import problems
from facesr_bench.results.bundle.archive import INDEX, MAX_PICTURE, MAX_TEXT, SUMS, Archive
from facesr_bench.results.bundle.contents import (
    PIXELS,
    Entry,
    Index,
    Pixels,
    claims,
    data_hash,
    picture_name,
    totals_of,
)
from facesr_bench.results.bundle.make import Decode
from facesr_bench.results.checks import opened_array
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.migrations import known, migrated
from facesr_bench.results.record import Manifest


@dataclass(frozen=True, eq=False)
class Sent:
    """One result of a bundle.

    Attributes:
        images: by id; pixels: likewise, their hashes.
        sets: as in sets.json.
    """

    archive: Archive
    entry: Entry
    manifest: Manifest
    images: Mapping[str, ImageRecord]
    pixels: Mapping[str, Pixels]
    sets: Mapping[str, Mapping[str, Any]]

    @property
    def name(self) -> str:
        """What messages call it: its label and protocol."""
        return f"{self.entry.label} on {self.entry.protocol}"

    @property
    def good(self) -> list[ImageRecord]:
        """The images that it has a picture of."""
        return [row for row in self.images.values() if row.error is None]

    def picture(self, image_id: str) -> bytes:
        """The file of a picture."""
        return self.archive.read(f"{self.entry.folder}/sr/{picture_name(image_id)}.png", MAX_PICTURE)

    def features(self, extractor: str, image_id: str) -> bytes:
        """The file of an image's features."""
        name = f"{self.entry.folder}/features/{picture_name(extractor)}/{picture_name(image_id)}.npy"
        return self.archive.read(name, MAX_PICTURE)


@dataclass(frozen=True, eq=False)
class Bundle:
    """An intact bundle.

    Attributes:
        warnings: what is odd about it, though it may be honest.
    """

    archive: Archive
    index: Index
    results: tuple[Sent, ...]
    warnings: tuple[str, ...]

    @property
    def id(self) -> str:
        """The sha256 of the file as it was first packed."""
        return self.archive.id


def opened(archive: Archive, decode: Decode) -> Bundle:
    """Level 0: everything is there, unchanged, and of one piece.

    Raises:
        ResultsError: it isn't; says what is wrong.
    """
    _check_sums(archive)
    index = _parsed(archive, INDEX, Index.model_validate_json)
    folders = [entry.folder for entry in index.results]
    if folders != [str(number) for number in range(1, len(folders) + 1)]:
        raise archive.refused(f"{INDEX} does not number its results 1, 2, ...")
    results = tuple(_sent(archive, entry) for entry in index.results)
    expected = {INDEX, SUMS}.union(*(_files(sent) for sent in results))
    if extra := sorted(archive.members.keys() - expected):
        raise archive.refused(f"{extra[0]} belongs to none of its images")
    for sent in results:
        _check_pictures(sent, decode)
    return Bundle(archive, index, results, tuple(warning for sent in results for warning in _oddities(sent)))


def _check_sums(archive: Archive) -> None:
    text = archive.read(SUMS, MAX_TEXT).decode("utf-8", "replace")
    claimed: dict[str, str] = {}
    for line in text.splitlines():
        digest, _, name = line.partition("  ")
        if name in claimed:
            raise archive.refused(f"{SUMS} has {name!r} twice")
        claimed[name] = digest
    there = archive.sha256.keys() - {SUMS}
    if missing := sorted(claimed.keys() - there):
        raise archive.refused(f"{missing[0]} is missing")
    if extra := sorted(there - claimed.keys()):
        raise archive.refused(f"{extra[0]} is not in {SUMS}")
    for name in sorted(there):
        if archive.sha256[name] != claimed[name]:
            raise archive.refused(f"{name} was changed: its sha256 is not that in {SUMS}")


_HASH = re.compile(r"[0-9a-f]{8,64}")


def _parsed(archive: Archive, name: str, parse: Any) -> Any:
    try:
        return parse(archive.read(name, MAX_TEXT))
    except ValidationError as error:
        raise archive.refused(f"{name}: {problems(error)}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise archive.refused(f"{name}: {error or type(error).__name__}") from error


def _sent(archive: Archive, entry: Entry) -> Sent:
    folder = entry.folder
    manifest: Manifest = _parsed(archive, f"{folder}/manifest.json", _manifest)
    images = _by_id(archive, f"{folder}/images.jsonl", ImageRecord.from_json)
    pixels = _by_id(archive, f"{folder}/pixels.jsonl", PIXELS.validate_json)
    sets = {}
    if f"{folder}/sets.json" in archive.members:
        sets = _parsed(archive, f"{folder}/sets.json", _sets)
    sent = Sent(archive, entry, manifest, images, pixels, sets)
    _check_entry(sent)
    return sent


def _finite(data: bytes) -> Any:
    """JSON without NaN and infinity, which Python reads and JSON does not have."""
    found = json.loads(data)
    json.dumps(found, allow_nan=False)
    return found


def _manifest(data: bytes) -> Manifest:
    found = _finite(data)
    if not isinstance(found, dict) or not known(found.get("schema_version")):
        raise ValueError("not a manifest that this release reads; a newer one may")
    return Manifest.from_json(migrated(found))


def _sets(data: bytes) -> dict[str, dict[str, Any]]:
    found = _finite(data)
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise ValueError("not the values of metrics of sets")
    return found


def _by_id(archive: Archive, name: str, parse: Any) -> dict[str, Any]:
    def lines(data: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number, line in enumerate(data.splitlines(), 1):
            row = parse(line)
            if not row.id or row.id in found:
                raise ValueError(f"line {number} has {'no id' if not row.id else f'{row.id!r} again'}")
            found[row.id] = row
        return found

    found: dict[str, Any] = _parsed(archive, name, lines)
    return found


def _check_entry(sent: Sent) -> None:
    """What bundle.json says of a result is what stands in its files."""
    entry, manifest = sent.entry, sent.manifest
    refused = sent.archive.refused
    said = {
        "protocol": (entry.protocol, manifest.protocol.name),
        "profile": (entry.profile, manifest.profile.name),
        "label": (entry.label, manifest.method.label),
        "fingerprint": (entry.fingerprint, manifest.fingerprint),
        "deterministic": (entry.deterministic, manifest.method.deterministic),
        "seed": (entry.seed, manifest.method.seed),
        "ground_truth": (entry.ground_truth, manifest.protocol.source != "lr"),
        "images": (entry.images, len(sent.good)),
        "failed": (entry.failed, len(sent.images) - len(sent.good)),
        "total": (entry.total, manifest.protocol.expected_count or manifest.data.count),
    }
    for what, (claimed, found) in said.items():
        if claimed != found:
            raise refused(f"{INDEX} says {what} {claimed!r} of {sent.name}, its files {found!r}")
    if sent.images.keys() != sent.pixels.keys():
        raise refused(f"images.jsonl and pixels.jsonl of {sent.name} are not of the same images")
    if data_hash(sent.pixels.values()) != entry.data:
        raise refused(f"the hash of the data of {sent.name} is not that of its images")
    data = manifest.data
    if not all(
        _HASH.fullmatch(name) for name in (data.hash, *([data.inputs] if data.inputs else []), entry.fingerprint)
    ):
        raise refused(f"a hash in the manifest of {sent.name} is none")
    for row in sent.images.values():
        if any(map(math.isnan, row.metrics.values())) or not math.isfinite(row.ms or 0):
            raise refused(f"{row.id} of {sent.name} has a value that is no number")
    names = Counter(picture_name(image_id) for image_id in sent.images)
    if twice := [name for name, count in names.items() if count > 1]:
        raise refused(f"two images of {sent.name} would be called {twice[0]}")
    unmade = [row.id for row in sent.good if sent.pixels[row.id].lr is None]
    if entry.ground_truth:
        unmade += [row.id for row in sent.good if sent.pixels[row.id].hr is None]
    if unmade:
        raise refused(f"{unmade[0]} of {sent.name} has a picture, but no hash of what it was made of")


def _files(sent: Sent) -> Iterator[str]:
    folder = sent.entry.folder
    yield from (f"{folder}/{name}" for name in ("manifest.json", "images.jsonl", "pixels.jsonl"))
    if sent.sets:
        yield f"{folder}/sets.json"
    for row in sent.good:
        yield f"{folder}/sr/{picture_name(row.id)}.png"
        for extractor in sent.entry.features:
            yield f"{folder}/features/{picture_name(extractor)}/{picture_name(row.id)}.npy"


def _check_pictures(sent: Sent, decode: Decode) -> None:
    side, truth = sent.manifest.protocol.hr_size, sent.entry.ground_truth
    for row in sent.good:
        claimed, where = sent.pixels[row.id], f"the picture of {row.id} ({sent.name})"
        data = sent.picture(row.id)
        if not data.startswith(b"\x89PNG"):
            raise sent.archive.refused(f"{where} is no PNG")
        try:
            picture = decode(data, where)
        except FaceSRBenchError as error:
            raise sent.archive.refused(str(error)) from error
        if pixels_sha256(picture) != claimed.sr:
            raise sent.archive.refused(f"{where} is not the one that was hashed")
        if picture.shape[:2] != (claimed.height, claimed.width) or (side and picture.shape[:2] != (side, side)):
            size = f"{picture.shape[1]}x{picture.shape[0]} px"
            raise sent.archive.refused(f"{where} is {size}; {side or claimed.height} px are expected")
        if truth and claimed.sr == claimed.hr:
            raise sent.archive.refused(f"{where} is the ground truth itself, pixel by pixel")
        for extractor in sent.entry.features:
            feature_of(sent, extractor, row.id)


def feature_of(sent: Sent, extractor: str, image_id: str) -> NDArray[np.float32]:
    """The features of one image: D float32.

    Raises:
        ResultsError: it is no such file.
    """
    where = f"the features of {image_id} ({sent.name}, {extractor})"
    try:
        data, _ = opened_array(sent.features(extractor, image_id))
        stream = io.BytesIO(data)
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = header(stream)
        # The header decides how much memory is asked for: it must not claim more than there is.
        if len(shape) != 1 or kind != np.float32 or shape[0] * 4 != len(data) - stream.tell():
            raise ValueError(f"{kind} of shape {shape}")
        found = np.frombuffer(data, np.float32, offset=stream.tell())
    except (ValueError, TypeError, SyntaxError, EOFError, RecursionError, MemoryError) as error:
        raise sent.archive.refused(f"{where} can't be read: {error}") from error
    if not np.isfinite(found).all():
        raise sent.archive.refused(f"{where} are not all finite")
    return found


def _oddities(sent: Sent) -> Iterator[str]:
    """What may be honest, but must be looked at."""
    if not sent.entry.whole:
        yield f"{sent.name}: {sent.entry.size}"
    elif sent.entry.failed:
        yield f"{sent.name}: failed on {sent.entry.failed} of {sent.entry.total} images"
    method = sent.manifest.method
    if method.argument_sha256 is None and not sent.entry.label.startswith(method.name):
        yield f"{sent.name}: so its sender calls it; the method is {method.name}"
    if not sent.entry.deterministic:
        yield f"{sent.name}: the method draws random numbers (seed {sent.entry.seed})"
    first: dict[str | None, Pixels] = {}
    same = []
    for row in sent.good:
        each = sent.pixels[row.id]
        earlier = first.setdefault(each.sr, each)
        if earlier.lr != each.lr:
            same.append((earlier.id, each.id))
    if same:
        a, b = same[0]
        yield f"{sent.name}: one picture for different inputs, {len(same)} times; first {a} and {b}"


def inconsistencies(sent: Sent) -> list[str]:
    """Level 1: what is claimed follows from the images; empty where it does, else what does not."""
    totals, _ = totals_of(sent.manifest, sent.images, sent.sets)
    found = claims(totals)
    wrong = []
    for name in sorted(found.keys() | sent.entry.means.keys()):
        claimed, computed = sent.entry.means.get(name), found.get(name)
        if claimed is None or computed is None:
            what = (
                "is not claimed, though its images have it" if claimed is None else "is claimed, but not in its images"
            )
            wrong.append(f"{sent.name}: {name} {what}")
        elif claimed.n != computed.n or not _close(claimed.value, computed.value):
            both = f"{claimed.value!r} over {claimed.n} images, its images say {computed.value!r} over {computed.n}"
            wrong.append(f"{sent.name}: {name} is claimed as {both}")
    return wrong


def _close(a: float, b: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=1e-12)


def open_archive(path: Path) -> Archive:
    """The file of a bundle, or a folder's refusal in words."""
    if path.is_dir():
        raise ResultsError(f"{path}: a folder; a bundle is a file, made by `facesr-bench bundle`")
    return Archive(path)
