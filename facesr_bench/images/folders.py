"""Lists the pictures of a folder and pairs them by name."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from facesr_bench.base.errors import DataError
from facesr_bench.images.files import SUFFIXES


def list_images(folder: Path) -> list[Path]:
    """The pictures directly in `folder`, sorted by name.

    Raises:
        DataError: no such folder, or no pictures in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not found:
        raise DataError(f"{folder}: no pictures in it (looked for {', '.join(sorted(SUFFIXES))})")
    return found


def by_stem(paths: list[Path]) -> dict[str, Path]:
    """Pictures keyed by file name without suffix, in Unicode's composed form (NFC): macOS writes names decomposed.

    Raises:
        DataError: two pictures share a stem; names both.
    """
    keyed: dict[str, Path] = {}
    for path in paths:
        stem = unicodedata.normalize("NFC", path.stem)
        if stem in keyed:
            raise DataError(f"two pictures are called {stem!r}: {keyed[stem]} and {path}")
        keyed[stem] = path
    return keyed


def pair_by_stem(left: Path, right: Path) -> list[tuple[str, Path, Path]]:
    """(stem, left file, right file) of two folders, sorted by stem.

    Raises:
        DataError: some pictures have no partner; lists them.
    """
    a, b = by_stem(list_images(left)), by_stem(list_images(right))
    alone = [f"  {a[s]}: none in {right}" for s in sorted(a.keys() - b.keys())]
    alone += [f"  {b[s]}: none in {left}" for s in sorted(b.keys() - a.keys())]
    if alone:
        shown = alone[:20] + ([f"  ... and {len(alone) - 20} more"] if len(alone) > 20 else [])
        raise DataError(f"{len(alone)} picture(s) without a partner of the same name:\n" + "\n".join(shown))
    return [(stem, a[stem], b[stem]) for stem in sorted(a)]
