"""Two files to fetch, and how a test asks for them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

from facesr_bench.weights.catalogue import Entry
from facesr_bench.weights.download import Transfer
from facesr_bench.weights.fetching import Options

SIZE = 300_000
BODY = random.Random(1).randbytes(SIZE)
OTHER = random.Random(2).randbytes(SIZE)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(cache: Path, *urls: str, body: bytes | None = BODY, **more: object) -> Entry:
    """An entry whose hash is that of `body` (none: no hash is published)."""
    known = {"sha256": sha256(body)} if body is not None else {}
    fields = {"purpose": "", "licence": "", **known, **more}
    return Entry("net", cache / "_evaluators" / "net.pth", urls=urls, **fields)  # type: ignore[arg-type]


def quick(on_message: Callable[[str], None] = lambda _line: None) -> Options:
    """Impatient options with their own list of unreachable hosts."""
    transfer = Transfer(timeout=0.5, attempts=3, backoff=0.01)
    return Options(transfer=transfer, lock_seconds=0.2, on_message=on_message)


def leftovers(cache: Path) -> list[str]:
    """Everything beside the file itself, lock files and records."""
    folder = cache / "_evaluators"
    return sorted(p.name for p in folder.iterdir() if p.name != "net.pth" and p.suffix != ".lock")
