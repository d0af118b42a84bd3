"""Folders that a command fills with pictures and a manifest: whether one may be filled, or filled anew."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from facesr_bench.base.errors import DataError
from facesr_bench.base.files import check_writable, own, read_text, write_json

MANIFEST = "manifest.json"
_BEGUN = {"schema_version": 1, "complete": False}


def begin(source: Path, out: Path, says: Collection[str], *folders: str) -> None:
    """Find out whether a folder can take what is made, and remove what an earlier call has left in it.

    From here on its manifest says that it is not complete: a call that was ended half-way may be made again.

    Args:
        source: where the pictures are that something is made of.
        says: what a complete manifest of the same command has.
        folders: of `out`, whose PNGs are removed; an empty text for `out` itself.

    Raises:
        DataError: it is the folder of the source, or holds what this command did not make.
        ResultsError: it can't be written.
    """
    check_writable(out)
    if out.resolve() == source.resolve():
        raise DataError(f"{out}: the pictures to work on are there; give another folder with --out")
    if not _made_here(out / MANIFEST, says) and any(out.iterdir()):
        raise DataError(f"{out}: holds files that were not made here; give an empty or new folder with --out")
    write_json(out / MANIFEST, {**_BEGUN, "of": sorted(says)})
    for name in folders:
        for path in (own(out, name) if name else out).glob("*.png"):
            if path.is_file() and not path.is_symlink():
                path.unlink()


def _made_here(manifest: Path, says: Collection[str]) -> bool:
    """Whether an earlier call wrote it: others call their files so too, and what lies beside them is theirs."""
    try:
        found = json.loads(read_text(manifest))
    except (OSError, ValueError):
        return False
    if not isinstance(found, dict):
        return False
    if found.get("complete") is False:  # of earlier releases without `of`, and with nothing else either
        return found == {**_BEGUN, "of": sorted(says)} or found == _BEGUN
    return set(says) <= found.keys()
