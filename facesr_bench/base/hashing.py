"""Hashes: of files (remembered), of what identifies a result, and the cache folder they are kept in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facesr_bench.base.config import places
from facesr_bench.base.errors import DataError, ResultsError, WeightsError
from facesr_bench.base.files import open_regular, write_json
from facesr_bench.base.onnx_files import external_files
from facesr_bench.base.suggest import expanded


def file_sha256(path: Path) -> str:
    """sha256 of a file, hexadecimal, read in pieces.

    Raises:
        DataError: it can't be read.
    """
    digest = hashlib.sha256()
    try:
        with open_regular(path) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    return digest.hexdigest()


def pixels_sha256(image: Any) -> str:
    """sha256 of a picture's pixels, hexadecimal: the same however a file compresses them.

    Args:
        image: HxWx3 uint8.
    """
    digest = hashlib.sha256(f"{'x'.join(map(str, image.shape))} {image.dtype}\n".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


PIPELINE_VERSION = 1
"""Raised whenever the engine itself (crops, degradations, quantisation) could give another number.

Also where the default of a card's field comes to mean something else, or becomes another: `canonical` leaves defaults
out, so nothing but this number would tell the results before from those after.
"""


def fingerprint(parts: Mapping[str, Any], pipeline: int = PIPELINE_VERSION) -> str:
    """16 hexadecimal digits of sha256 over everything that can change a number.

    Args:
        parts: JSON, with cards in their `canonical` form.
        pipeline: the version of the engine that computes, or that once did.
    """
    text = json.dumps({"pipeline": pipeline, **parts}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical(card: Any) -> dict[str, Any]:
    """What a card says that can change a number, as JSON: its fields without those at their defaults and without prose.

    A new optional field therefore changes no fingerprint, and neither does a better summary.

    Args:
        card: a pydantic model. Its class may name fields that are for people in `DESCRIPTIVE`.
    """
    kind = type(card)
    dumped = card.model_dump(mode="json")
    found = {name: dumped[name] for name in card.model_extra or {}}
    for name, field in kind.model_fields.items():
        value = getattr(card, name)
        if field.is_required() or value != field.get_default(call_default_factory=True):
            found[name] = _canonical(value, dumped[name])
    descriptive: frozenset[str] = getattr(kind, "DESCRIPTIVE", frozenset())
    return {name: value for name, value in found.items() if name not in descriptive}


def _canonical(value: Any, dumped: Any) -> Any:
    """A field's value, whose JSON is `dumped`, with the cards in it in their canonical form."""
    if hasattr(value, "model_fields_set"):
        return canonical(value)
    if isinstance(value, Mapping):
        return {key: _canonical(each, json) for each, (key, json) in zip(value.values(), dumped.items(), strict=True)}
    if isinstance(value, (list, tuple)):
        return [_canonical(each, json) for each, json in zip(value, dumped, strict=True)]
    return dumped


KNOWN_HASHES = "hashes.json"


def cache_folder() -> Path:
    """Where downloads live: `FACESR_BENCH_CACHE`, else the XDG cache folder."""
    if given := os.environ.get("FACESR_BENCH_CACHE"):
        return expanded(given)
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "facesr-bench"


def weights_folder() -> Path:
    """Where checkpoints live: in the cache, unless a config file says where.

    Raises:
        CardError, DataError: a config file can't be read.
    """
    if not os.environ.get("FACESR_BENCH_CACHE") and (written := places("weights").get("folder")):
        return written.path
    return cache_folder() / "weights"


def digest(path: Path, *, fresh: bool = False) -> str:
    """`hash_file`, remembered for as long as size and modification time of what it read stay the same.

    That is enough to find a result, and not to compute one: see `check_unchanged`.

    Args:
        fresh: read the whole file whatever is remembered.

    Raises:
        WeightsError: it can't be read.
    """
    stamp = _stamp(path)
    known = _read(weights_folder() / KNOWN_HASHES).get(str(path.resolve()))
    if not fresh and isinstance(known, list) and known[:-1] == stamp:
        return str(known[-1])
    found = hash_file(path)
    if _stamp(path) == stamp:
        remember(path, found)
    return found


def check_unchanged(path: Path, sha256: str) -> None:
    """Read a checkpoint before a number is computed with it: a copy that keeps its date, a disk that errs, a rewrite
    within the clock's tick change a file behind its size and modification time. What was remembered is put right.

    Args:
        sha256: what results are named after.

    Raises:
        WeightsError: it has changed.
    """
    if digest(path, fresh=True) != sha256:
        raise changed(path)


def changed(path: Path) -> WeightsError:
    """The error of a file that has changed behind its size and date."""
    return WeightsError(
        f"{path}: this is not the file that it was when its hash was taken, though its size and date are the same; "
        "nothing was computed with it. The same command again takes it as it is now"
    )


def hash_file(path: Path) -> str:
    """sha256 of a file, hexadecimal, always read; of an ONNX file with its weights in other files: of all of them.

    Raises:
        WeightsError: it can't be read.
    """
    try:
        own, others = file_sha256(path), _read_with(path)
        if not others:
            return own
        listed = [(other.relative_to(path.parent).as_posix(), file_sha256(other)) for other in others]
    except DataError as error:
        raise WeightsError(str(error)) from error
    return hashlib.sha256(json.dumps([own, listed]).encode()).hexdigest()


def _read_with(path: Path) -> list[Path]:
    """The other files that are read with one."""
    return external_files(path) if path.suffix.lower() == ".onnx" else []


def remember(path: Path, sha256: str) -> None:
    """Note the hash of a file as it is now."""
    memory = weights_folder() / KNOWN_HASHES
    with contextlib.suppress(ResultsError):  # only a saving of time: a read-only cache is no reason to fail
        write_json(memory, {**_read(memory), str(path.resolve()): [*_stamp(path), sha256]})


def _stamp(path: Path) -> list[int]:
    try:
        found = [each.stat() for each in (path, *_read_with(path))]
    except OSError as error:
        raise WeightsError(f"{path}: can't be read: {error.strerror or error}") from error
    return [number for status in found for number in (status.st_size, status.st_mtime_ns)]


def _read(memory: Path) -> dict[str, Any]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # nothing is lost but time
        return {}
    return known if isinstance(known, dict) else {}
