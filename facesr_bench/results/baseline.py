"""Baselines: small committed files that `facesr-bench check` compares with.

    reports/baselines/<protocol>/<method@weights>.jsonl     a header, one line per image, a checksum; .jsonl.gz of many

A header says what the values are of (`gate.sides.Header`), a line is one image (`gate.sides.Shot`): its values at full
precision, and the sha256 of the decoded picture. No picture, no path, no time, so that what is accepted again changes
nothing unless a number or a picture did; one line per image, so that a diff shows which.

The last line is a sha256 over the others, so that a value changed by hand, or lines of two
versions that a merge put together, are no baseline: `check --accept` alone writes one. It is no signature: who may
commit a baseline can also accept one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import file_name, open_regular, own, replacing
from facesr_bench.base.invalid import problems
from facesr_bench.results.gate.sides import Header, Shot, Side

FORMAT = 2
"""Version of the file, in its header; format 1 had no checksum, and is read as well."""

SEAL = "sha256"
"""The field of the last line."""

MANY = 5_000
"""A file of more images is compressed."""

_LARGEST = 1 << 30
"""Bytes of a file once unpacked; no set of images comes near it."""

_SHOTS: TypeAdapter[Shot] = TypeAdapter(Shot)

_PROSE: dict[str, Any] = {
    "protocol": {"summary"},
    "profile": {"summary", "source"},
    "metrics": {"__all__": {"summary", "convention", "family", "lead"}},
}
"""What a header leaves out: text for people, which the cards have."""


def path_of(folder: Path, side: Side) -> Path:
    """Where a side's baseline is in a folder of baselines, whether or not it is there; compressed if it is large.

    Raises:
        ResultsError: a link on the way.
    """
    header = side.header
    foreign = header.profile.name != header.protocol.profile
    name = f"{header.method.label} [{header.profile.name}]" if foreign else header.method.label
    suffix = ".jsonl.gz" if len(side.images) > MANY else ".jsonl"
    return own(folder, f"{file_name(side.protocol)}/{file_name(name)}{suffix}")


def baselines_in(folder: Path) -> list[Path]:
    """The files of a folder of baselines, by protocol and method.

    Raises:
        ResultsError: no such folder, or no baseline in it.
    """
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder of baselines; `facesr-bench check --accept` makes one")
    found = [path for path in sorted(folder.rglob("*.jsonl*")) if is_file(path)]
    if not found:
        raise ResultsError(f"{folder}: no baselines in it; `facesr-bench check --accept` makes some")
    return found


def why_misplaced(folder: Path, path: Path, side: Side) -> str | None:
    """Why a file of a folder of baselines is not where it belongs: a name that says another method than the values are
    of hides that the other is held against nothing; None where it is.

    Raises:
        ResultsError: a link on the way.
    """
    own_place = path_of(folder, side)
    if path.parent == own_place.parent and _stem(path) == _stem(own_place):
        return None
    return f"{path} holds the baseline of {side.label} on {side.protocol}, which belongs at {own_place}"


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def is_file(path: Path) -> bool:
    """Whether a path means one baseline and not a folder of them."""
    return path.name.endswith((".jsonl", ".jsonl.gz"))


def why_unfit(side: Side) -> str | None:
    """Why a side can't be a baseline: what is wrong in it would be wrong in every comparison; None if it can."""
    failed = [shot for shot in side.images.values() if shot.error is not None]
    if side.header.error is not None or not side.images:
        return f"{side.label} has no image" + (f": {side.header.error}" if side.header.error else "")
    if failed:
        return f"{len(failed)} of {len(side.images)} images failed (first {failed[0].id}: {failed[0].error})"
    if not side.held:
        return f"{side.label} has no value of any metric"
    for name in side.held:
        broken = [shot for shot in side.images.values() if name in shot.reasons and name not in shot.undetected]
        if broken:
            return f"{name} has no value for {len(broken)} images (first {broken[0].id}: {broken[0].reasons[name]})"
    return why_without_pictures(side)


def why_without_pictures(side: Side) -> str | None:
    """Why nobody can tell what a side's values are of; None if its pictures say. An image that failed has none."""
    shots = [shot for shot in side.images.values() if shot.error is None]
    for what, gone in (
        ("pictures", [shot.id for shot in shots if shot.pixels is None]),
        ("inputs", [shot.id for shot in shots if shot.given is None]),
    ):
        if gone:
            found = f"the {what} of {len(gone)} images are not on disk (first {gone[0]})"
            return f"{found}: `facesr-bench run --resume never` makes them"
    return None


def as_lines(side: Side) -> Iterator[str]:
    """The lines of a side's file.

    Raises:
        ResultsError: it can't be a baseline.
    """
    if (why := why_unfit(side)) is not None:
        raise ResultsError(f"{side.where}: not accepted: {why}")
    held = set(side.held)
    header = side.header.model_dump(mode="json", exclude=_PROSE)
    header["metrics"] = {name: _short(metric) for name, metric in header["metrics"].items() if name in held}
    header["costs"] = {name: round(value, 2) for name, value in header["costs"].items()}
    told = {"baseline": FORMAT, **{name: value for name, value in header.items() if value is not None}}
    lines = [_line(told), *_image_lines(side, held)]
    yield from lines
    yield _line({SEAL: _sum(lines)})


def _image_lines(side: Side, held: Collection[str]) -> Iterator[str]:
    for shot in side.images.values():
        data = asdict(shot)
        data["metrics"] = {name: _encoded(value) for name, value in shot.metrics.items() if name in held}
        data["reasons"] = {name: reason for name, reason in shot.reasons.items() if name in held}
        data["undetected"] = [name for name in shot.undetected if name in held]
        data["left_out"] = [name for name in shot.left_out if name in held]
        yield _line({name: value for name, value in data.items() if value or name == "id"})


def _short(metric: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metric.items() if value not in (None, [], "")}


def _encoded(value: float) -> float | str:
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def _sum(lines: Sequence[str]) -> str:
    """sha256, hexadecimal; the same whatever ends a line on this system."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.rstrip("\r").encode() + b"\n")
    return digest.hexdigest()


def write(path: Path, side: Side) -> bool:
    """Write a side's file, unless the file there says the same of every image and of all that must be equal.

    Returns:
        Whether it was written.

    Raises:
        ResultsError: the side can't be a baseline, or the file can't be written.
    """
    lines = list(as_lines(side))
    if path.is_file() and _says(path, lines):
        return False
    data = "".join(f"{line}\n" for line in lines).encode()
    if path.name.endswith(".gz"):
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as stream:
            stream.write(data)
        data = packed.getvalue()
    with replacing(path) as partial:
        partial.write_bytes(data)
    return True


def _says(path: Path, lines: Sequence[str]) -> bool:
    """Whether a file says the same of every image and of all that must be equal, and is whole."""
    try:
        old = _lines(path)
        if not old or old[1:-1] != lines[1:-1] or _lasting(old[0]) != _lasting(lines[0]):
            return False
        _check_seal(path, old)
    except ResultsError:
        return False
    return True


_PASSING = ("costs", "environment")
"""What of a header changes from day to day and decides nothing."""


def _lasting(header: str) -> Any:
    try:
        data = json.loads(header)
        return {name: value for name, value in data.items() if name not in _PASSING}
    except (ValueError, AttributeError):
        return None


def read(path: Path) -> Side:
    """A baseline's file as one side of a comparison.

    Raises:
        ResultsError: missing, damaged, cut off, or of a later release; says which line.
    """
    lines = _lines(path)
    if not lines:
        raise ResultsError(f"{path}: empty; `facesr-bench check --accept` writes it anew")
    version, header = _header(path, lines[0])
    images: dict[str, Shot] = {}
    for number, line in enumerate(lines[1:] if version == 1 else lines[1:-1], 2):
        try:
            shot = _SHOTS.validate_json(line)
        except ValidationError as error:
            raise ResultsError(f"{path}, line {number}: damaged ({problems(error)})") from error
        if shot.id in images:
            raise ResultsError(f"{path}, line {number}: {shot.id} stands there twice")
        images[shot.id] = shot
    if len(images) != header.n:
        raise ResultsError(f"{path}: {len(images)} images, and its header says {header.n}: cut off, or edited by hand")
    if version > 1:
        _check_seal(path, lines)
    side = Side(str(path), header, dict(sorted(images.items())))
    if (why := why_unfit(side)) is not None:
        raise ResultsError(f"{path}: no baseline: {why}")
    if empty := sorted(set(header.metrics) - set(side.held)):
        raise ResultsError(f"{path}: no baseline: it describes {', '.join(empty)}, and has no value of it")
    if strange := sorted({name for shot in images.values() for name in shot.metrics} - set(header.metrics)):
        raise ResultsError(f"{path}: no baseline: it has values of {', '.join(strange)}, and does not describe it")
    return side


def _check_seal(path: Path, lines: Sequence[str]) -> None:
    """Raises: ResultsError: the file does not say what `--accept` wrote."""
    if lines[-1].rstrip("\r") != _line({SEAL: _sum(lines[:-1])}):
        raise ResultsError(
            f"{path}: cut off, edited by hand, or put together of two versions by a merge: its last line is not the "
            "checksum of the others; `facesr-bench check --accept` writes it anew"
        )


def _header(path: Path, line: str) -> tuple[int, Header]:
    """The format of a file, and what its first line says."""
    try:
        data = json.loads(line)
        version = data.pop("baseline")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ResultsError(f"{path}: not a baseline: its first line is no header of one") from error
    if type(version) is not int or version not in (1, FORMAT):
        raise ResultsError(f"{path}: a baseline of format {version!r}, and this release reads formats 1 and {FORMAT}")
    try:
        return version, Header.model_validate(data)
    except ValidationError as error:
        raise ResultsError(f"{path}, line 1: damaged ({problems(error)})") from error


def _lines(path: Path) -> list[str]:
    """Raises: ResultsError: as `_unpacked`, or the last line is cut off."""
    *lines, rest = _unpacked(path).split("\n")
    if rest:
        raise ResultsError(f"{path}: cut off: its last line has no end")
    return lines


def _unpacked(path: Path) -> str:
    try:
        with open_regular(path) as stream:
            head = stream.read(2)
            stream.seek(0)
            source = gzip.GzipFile(fileobj=stream) if head == b"\x1f\x8b" else stream
            data = source.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: no such baseline; `facesr-bench check --accept` makes one") from error
    except (OSError, EOFError, zlib.error) as error:
        raise ResultsError(f"{path}: can't be read: {error}") from error
    if len(data) > _LARGEST:
        raise ResultsError(f"{path}: larger than {_LARGEST:,} bytes: no baseline")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path}: not a baseline: not UTF-8") from error
