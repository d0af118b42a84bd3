"""Fetch and import: one process at a time, verified before it is moved into place, nothing lost.

A file that is not the one its name promises is never moved into place; it is kept as `NAME.rejected-<sha8>`, so that
one can look at what the server sent.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from facesr_bench.base.errors import WeightsError
from facesr_bench.base.hashing import digest, hash_file, remember
from facesr_bench.weights import archives, hub, store
from facesr_bench.weights.catalogue import Entry, entries
from facesr_bench.weights.download import Transfer, discard, download


@dataclass(frozen=True)
class Arrival:
    """One checkpoint that is here now.

    Attributes:
        how: `here` already, `fetched`, or `imported`.
        origin: the URL or file it came from.
        status: verified, or pinned on first use.
        recognised_by: for an import: `sha256`, `member` (of a zip) or `name`.
    """

    entry: Entry
    how: Literal["here", "fetched", "imported"]
    origin: str
    status: store.Status
    recognised_by: str = ""


@dataclass(frozen=True)
class Options:
    """How `fetch` behaves.

    Attributes:
        lock_seconds: how long to wait for another process that is fetching the same file.
        on_message: called with a line about progress (which URL, waiting for another process, a URL that failed).
    """

    transfer: Transfer = field(default_factory=Transfer)
    lock_seconds: float = store.LOCK_SECONDS
    on_message: Callable[[str], None] = lambda _line: None


def offline() -> bool:
    """True if `FACESR_BENCH_OFFLINE` forbids downloads."""
    return os.environ.get("FACESR_BENCH_OFFLINE", "").strip().lower() not in {"", "0", "no", "false", "off"}


def sources(entry: Entry) -> list[str]:
    """The URLs to try in turn: those of `FACESR_BENCH_MIRROR` first, which replaces scheme and host.

    Raises:
        WeightsError: the mirror is not an http(s) URL.
    """
    mirror = os.environ.get("FACESR_BENCH_MIRROR", "").strip().rstrip("/")
    if not mirror:
        return list(entry.urls)
    parts = urlsplit(mirror)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise WeightsError(f"FACESR_BENCH_MIRROR must be a URL such as https://mirror.example/weights, not {mirror!r}")
    mirrored = []
    for url in entry.urls:
        if hub.is_hub(url):  # has a mirror of its own, HF_ENDPOINT
            continue
        original = urlsplit(url)
        mirrored.append(mirror + original.path + (f"?{original.query}" if original.query else ""))
    return [*mirrored, *entry.urls]


def fetch(entry: Entry, options: Options | None = None, known: Iterable[Entry] | None = None) -> Arrival:
    """Get a checkpoint onto this machine, unless it is there and right.

    Args:
        known: what else to take out of the zip it may come in; None: whatever of the catalogue is in there.

    Raises:
        WeightsError: one line, with what each URL said.
    """
    options = options or Options()
    if (status := store.trust(entry)).usable:
        return Arrival(entry, "here", str(entry.path), status)
    by_hand = f"then: facesr-bench weights import {entry.archive or entry.file}"
    if not entry.urls:
        raise WeightsError(f"{entry.name}: nothing can fetch it; get {entry.file} from {entry.obtain}, {by_hand}")
    if offline():
        raise WeightsError(
            f"{entry.name}: not on this machine, and FACESR_BENCH_OFFLINE forbids downloads; "
            f"elsewhere: {entry.urls[0]}, {by_hand}"
        )
    with _locked(entry, options):
        if (status := store.trust(entry)).usable:  # another process has fetched it meanwhile
            return Arrival(entry, "here", str(entry.path), status)
        failures: list[str] = []
        for url in sources(entry):
            options.on_message(f"{entry.name}: {url}")
            try:
                return Arrival(entry, "fetched", url, _fetch_from(url, entry, options, known))
            except WeightsError as error:
                failures.append(str(error))
    reasons = "; ".join(dict.fromkeys(failures))
    if all(urlsplit(url).netloc in options.transfer.unreachable for url in sources(entry)):
        reasons += f"; elsewhere: {entry.urls[0]}, {by_hand}"
    raise WeightsError(f"{entry.name}: not fetched: {reasons}")


def import_file(path: Path, known: Iterable[Entry] | None = None) -> list[Arrival]:
    """Take a file that the user brought, if it can be recognised: by its sha256; as a zip that holds what is known; or,
    where no hash is published, by its name.

    Args:
        known: what to look for; None: the whole catalogue.

    Returns:
        What it turned out to be; several for a zip with several checkpoints.

    Raises:
        WeightsError: missing, unknown, or not the file that its name promises.
    """
    known = entries() if known is None else list(known)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    sha256, size = hash_file(path), path.stat().st_size
    pinned = store.pins()
    if found := [entry for entry in known if _is(entry, sha256, pinned)]:
        return [_import_one(entry, path, "sha256") for entry in found]
    inside = archives.members(path)
    if found := [entry for entry in known if entry.member in inside]:
        return [_import_one(entry, path, "member") for entry in found]
    if found := [entry for entry in known if entry.file == path.name]:
        for entry in found:
            if problem := store.objection(entry, sha256, size):
                raise WeightsError(f"{path}: named like {entry.name}, but it is not that file: {problem}")
        return [_import_one(entry, path, "name") for entry in found]
    raise WeightsError(
        f"{path}: not recognised (sha256 {sha256}); `facesr-bench weights list` shows what is known. "
        f"A file of your own needs no import: --methods METHOD@{path}, --metrics METRIC@NETWORK={path}"
    )


def _is(entry: Entry, sha256: str, pinned: dict[str, store.Pin]) -> bool:
    if entry.sha256 is not None:
        return sha256 == entry.sha256
    if entry.name in pinned:
        return sha256 == pinned[entry.name].sha256
    return entry.sha256_prefix is not None and sha256.startswith(entry.sha256_prefix)


def _import_one(entry: Entry, path: Path, recognised_by: str) -> Arrival:
    options = Options()
    with _locked(entry, options):
        staged = entry.path.with_name(entry.file + ".incoming")
        try:
            if recognised_by == "member":
                assert entry.member is not None
                archives.extract(path, entry.member, staged, size=entry.size)
            else:
                shutil.copyfile(path, staged)
            status = _install(entry, staged, str(path.resolve()), keep_aside=False)
        except OSError as error:
            raise WeightsError(f"{staged}: can't be written: {error.strerror or error}") from error
        finally:
            staged.unlink(missing_ok=True)
    return Arrival(entry, "imported", str(path), status, recognised_by)


def _locked(entry: Entry, options: Options) -> AbstractContextManager[None]:
    """What comes out of one archive shares one lock, as it shares one download."""
    target = entry.path.with_name(entry.archive or entry.file)

    def on_wait() -> None:
        options.on_message(f"{entry.name}: another process is fetching it; waiting for that")

    return store.locked(target, options.lock_seconds, on_wait)


def _fetch_from(url: str, entry: Entry, options: Options, known: Iterable[Entry] | None) -> store.Status:
    """Download and install; a file pieced together from several transfers gets a second chance in one piece."""
    partial = entry.path.with_name((entry.archive or entry.file) + ".partial")
    size = entry.size if entry.archive is None else None
    # A zip is not hashed itself: its checksums find a mixture of two files, its members' hashes everything else.
    if hub.is_hub(url):
        return _from_hub(url, entry, partial, options)
    checked = entry.sha256 is not None or entry.sha256_prefix is not None
    for again in (False, True):
        if again:
            discard(partial)
        pieced = download(url, partial, size=size, checked=checked, transfer=options.transfer)
        try:
            status = _take(entry, partial, url, options, known, keep_aside=again or not pieced)
        except WeightsError:
            if again or not pieced:
                discard(partial)
                raise
            options.on_message(f"{entry.name}: the parts of several transfers make no whole; once more from the start")
        else:
            discard(partial)
            return status
    raise AssertionError("the second turn returns or raises")


def _from_hub(url: str, entry: Entry, partial: Path, options: Options) -> store.Status:
    """Fetch through huggingface_hub, which resumes and retries by itself; a file that is not the one goes aside."""
    origin = hub.fetch(url, partial)
    options.on_message(f"{entry.name}: is {origin}")
    return _install(entry, partial, origin, keep_aside=True)


def _take(
    entry: Entry, partial: Path, url: str, options: Options, known: Iterable[Entry] | None, *, keep_aside: bool
) -> store.Status:
    """Install the downloaded file, or out of a downloaded zip everything of it that the catalogue knows."""
    if entry.archive is None:
        return _install(entry, partial, url, keep_aside=keep_aside)
    status = _unpack(entry, partial, url, keep_aside=keep_aside)
    for other in entries() if known is None else known:
        if other.archive == entry.archive and other.name != entry.name and not store.check(other).usable:
            try:
                _unpack(other, partial, url, keep_aside=False)
            except WeightsError as error:  # nobody asked for this one
                options.on_message(f"{other.name}, from the same archive: {error}")
    return status


def _unpack(entry: Entry, archive: Path, url: str, *, keep_aside: bool) -> store.Status:
    assert entry.member is not None
    staged = entry.path.with_name(entry.file + ".incoming")
    try:
        try:
            archives.extract(archive, entry.member, staged, size=entry.size)
        except WeightsError as error:
            if not keep_aside:
                raise
            rejected = _put_aside(archive.with_name(entry.archive or entry.file), archive, hash_file(archive))
            raise WeightsError(f"{url}: {error}; kept as {rejected}") from error
        return _install(entry, staged, url, keep_aside=keep_aside)
    finally:
        staged.unlink(missing_ok=True)


def _install(entry: Entry, staged: Path, origin: str, *, keep_aside: bool) -> store.Status:
    """Move a complete file into place if it is the one; whatever wrong file is there goes aside."""
    sha256, size = hash_file(staged), staged.stat().st_size
    problem = store.objection(entry, sha256, size) or _looks_wrong(entry, staged)
    if problem and keep_aside:
        rejected = _put_aside(entry.path, staged, sha256)
        raise WeightsError(f"{origin}: refused, because {problem}; kept as {rejected}")
    if problem:
        raise WeightsError(f"{origin}: refused, because {problem}")
    if entry.sha256 is None or entry.sha256_by:
        store.pin(entry, sha256, size, origin)
    if entry.path.is_file() and (old := digest(entry.path)) != sha256:
        _put_aside(entry.path, entry.path, old)
    os.replace(staged, entry.path)
    remember(entry.path, sha256)
    return store.check(entry)


def _put_aside(name: Path, path: Path, sha256: str) -> Path:
    """Rename `path` to what `name` is called when it is not trusted."""
    rejected = name.with_name(f"{name.name}.rejected-{sha256[:8]}")
    os.replace(path, rejected)
    return rejected


def _looks_wrong(entry: Entry, path: Path) -> str:
    """What speaks against a file of unknown hash: it is empty, or text (an error page, a git-lfs pointer)."""
    if entry.sha256 is not None or entry.sha256_prefix is not None:
        return ""
    with path.open("rb") as stream:
        start = stream.read(128)  # all of a MATLAB file's header, which begins with text
    if not start:
        return "it is empty"
    # Checkpoints of every kind have bytes among their first that no text has.
    return "it is a text, not weights" if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start) else ""
