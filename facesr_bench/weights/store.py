"""Decides whether a file may be used: by its published hash, or else by the hash pinned when it was first seen.

Pins stand in `pins.json` in the weights folder, so that a file which changes later is refused and not used silently.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facesr_bench.base.errors import WeightsError
from facesr_bench.base.files import write_json
from facesr_bench.base.hashing import digest, weights_folder
from facesr_bench.plugins.cards import Sha256
from facesr_bench.weights.catalogue import Entry, find

LOCK_SECONDS = 600.0
"""How long a process waits for another that holds a lock."""


class Pin(BaseModel):
    """The file that stands for a checkpoint whose publisher gives no whole hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Sha256
    size: int = Field(ge=0, description="bytes")
    source: str = Field(description="the URL, or the file that was imported or found")
    pinned: str = Field(description="UTC, ISO 8601")


class PinFile(BaseModel):
    """pins.json"""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    pins: dict[str, Pin] = Field(default_factory=dict)


Verdict = Literal["missing", "verified", "pinned", "unpinned", "wrong"]


@dataclass(frozen=True)
class Status:
    """What is known of an entry's file.

    Attributes:
        verdict: `verified` by the published hash; `pinned`: the same file as at first use; `unpinned`: it can be used
            and is not pinned yet; `wrong`: it is not the file.
        sha256: of the file; empty if missing.
        problem: what is wrong, or empty.
    """

    verdict: Verdict
    sha256: str = ""
    problem: str = ""

    @property
    def usable(self) -> bool:
        """Whether a number may be computed with the file."""
        return self.verdict in {"verified", "pinned", "unpinned"}


def pins_path() -> Path:
    """The file of hashes that were pinned on first use."""
    return weights_folder() / "pins.json"


def pins() -> dict[str, Pin]:
    """Every pin, by the entry's name.

    Raises:
        WeightsError: pins.json is damaged, or of a version this release does not know.
    """
    path = pins_path()
    try:
        return PinFile.model_validate_json(path.read_text(encoding="utf-8")).pins
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: can't be read: {error}") from error
    except ValidationError as error:
        raise WeightsError(
            f"{path}: damaged, or written by another version: {error.errors()[0]['msg']}; "
            "restore it, or remove it to pin again what is in the folder"
        ) from error


def pin(entry: Entry, sha256: str, size: int, source: str) -> None:
    """Make this the only file that is accepted for `entry` from now on.

    Raises:
        WeightsError: another file is pinned, or the pin can't be written.
    """
    path = pins_path()
    try:
        with locked(path):
            known = pins()
            if entry.name in known:
                if known[entry.name].sha256 != sha256:
                    raise WeightsError(f"{entry.name}: {_not_the_pinned(sha256, known[entry.name])}")
                return
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            known[entry.name] = Pin(sha256=sha256, size=size, source=source, pinned=now)
            write_json(path, PinFile(pins=dict(sorted(known.items()))).model_dump(), WeightsError)
    except OSError as error:
        raise WeightsError(f"{path}: can't be written: {error.strerror or error}") from error


def objection(entry: Entry, sha256: str, size: int) -> str:
    """Why a file of this hash and size (bytes) is not the one that `entry` means; empty if it may be."""
    if entry.sha256 is not None and sha256 != entry.sha256:
        by = f" (stated by {entry.sha256_by})" if entry.sha256_by else ""
        return f"its sha256 is {sha256}, expected {entry.sha256}{by}"
    if entry.sha256_prefix is not None and not sha256.startswith(entry.sha256_prefix):
        return f"its sha256 is {sha256}, expected {entry.sha256_prefix}..."
    if entry.sha256 is None and (known := pins().get(entry.name)) is not None and known.sha256 != sha256:
        return _not_the_pinned(sha256, known)
    if entry.size is not None and size != entry.size:
        return f"it has {size} bytes, expected {entry.size}"
    return ""


def _not_the_pinned(sha256: str, known: Pin) -> str:
    return (
        f"its sha256 is {sha256}, but {known.sha256} was pinned on first use ({known.pinned}, from {known.source}); "
        f"if the publisher has replaced the file and you trust the new one, remove the pin from {pins_path()}"
    )


def check(entry: Entry, *, fresh: bool = False) -> Status:
    """Look at the entry's file; changes nothing.

    Args:
        fresh: read the whole file, whatever hash is remembered of it.
    """
    if not entry.path.is_file():
        return Status("missing")
    found = digest(entry.path, fresh=fresh)
    if problem := objection(entry, found, entry.path.stat().st_size):
        return Status("wrong", found, problem)
    if entry.sha256 is not None and not entry.sha256_by:
        return Status("verified", found)
    return Status("pinned" if entry.name in pins() else "unpinned", found)


def trust(entry: Entry, *, fresh: bool = False) -> Status:
    """As `check`, for a file that is about to be used: one that nothing is known of is pinned."""
    status = check(entry, fresh=fresh)
    if status.verdict != "unpinned":
        return status
    # In a read-only cache there is nowhere to write the pin, and nobody who could change the file.
    with contextlib.suppress(WeightsError):
        pin(entry, status.sha256, entry.path.stat().st_size, str(entry.path))
    return check(entry)


def require(name: str) -> Path:
    """The verified local file of a checkpoint, for code that needs it; never downloads.

    Args:
        name: a name of the catalogue (`arcface`), or `method@weights`.

    Raises:
        WeightsError: one line: what is missing or wrong, and the command that mends it.
    """
    entry = find(name)
    status = trust(entry)
    if status.usable:
        return entry.path
    if status.verdict == "wrong":
        raise WeightsError(
            f"weights `{entry.name}`: {entry.path} is not the published file: {status.problem}; "
            f"get it again: facesr-bench weights fetch {entry.typed}"
        )
    if not entry.urls:
        raise WeightsError(f"needs weights `{entry.name}`: facesr-bench weights import {entry.file}")
    raise WeightsError(f"needs weights `{entry.name}`: facesr-bench weights fetch {entry.typed}")


@contextlib.contextmanager
def locked(path: Path, seconds: float = LOCK_SECONDS, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock that goes with `path` against other processes; the system frees it if the holder dies.

    Args:
        seconds: how long to wait for it.
        on_wait: called once if another process holds it.

    Raises:
        WeightsError: not freed in time, or the folder can't be written.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if on_wait is not None:
                on_wait()
            lock.acquire(timeout=seconds)
    except Timeout as error:
        raise WeightsError(
            f"{path}: another process has been working on this file for {seconds:.0f} s; "
            "wait for it, or end it, and try again"
        ) from error
    except OSError as error:
        raise WeightsError(f"{path.parent}: can't be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
