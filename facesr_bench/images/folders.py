"""Lists the pictures of a folder and pairs them by name; what is passed over is counted and named."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from facesr_bench.base.errors import DataError, FaceSRBenchWarning
from facesr_bench.base.text import counted
from facesr_bench.images.files import SUFFIXES

OTHER_PICTURES = frozenset(
    {
        *(".jfif", ".jpe", ".jp2", ".j2k", ".jxl", ".avif", ".heic", ".heif", ".gif", ".apng", ".pgm", ".pbm", ".pnm"),
        *(".pfm", ".tga", ".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd", ".ico", ".pcx", ".npy"),
    }
)
"""What pictures are called too, in formats or by names that are not read."""

_SHOWN = 20
_FEWEST = 2
"""How many names must end alike for the end to be taken for a suffix."""


def list_images(folder: Path) -> list[Path]:
    """The pictures directly in `folder`, sorted by name.

    Warns:
        FaceSRBenchWarning: there are others too, of kinds that are not read: how many of which.

    Raises:
        DataError: no such folder, or no pictures in it; says what is there instead.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    here = [path for path in folder.iterdir() if not path.name.startswith(".")]
    found = sorted(path for path in here if path.suffix.lower() in SUFFIXES)
    passed = _passed_over(here)
    if not found:
        read = ", ".join(sorted(SUFFIXES))
        hints = [passed] if passed else []
        hints += [nested] if (nested := _nested(here)) else []
        raise DataError("; ".join([f"{folder}: no pictures in it (looked for {read})", *hints]))
    say_passed_over(folder, here)
    return found


def say_passed_over(folder: Path, paths: Iterable[Path]) -> None:
    """Warn of pictures among `paths` that are of kinds that are not read; for who lists a folder in another way.

    Warns:
        FaceSRBenchWarning: how many of which.
    """
    if passed := _passed_over(paths):
        warnings.warn(f"{folder}: {passed}", FaceSRBenchWarning, stacklevel=2)


def _passed_over(paths: Iterable[Path]) -> str | None:
    """`3 files are passed over, for pictures of their kind are not read: 2 .avif, 1 .gif`; None where nothing is."""
    kinds = Counter(path.suffix.lower() for path in paths if path.suffix.lower() in OTHER_PICTURES and path.is_file())
    if not kinds:
        return None
    named = ", ".join(f"{number} {suffix}" for suffix, number in sorted(kinds.items()))
    count = sum(kinds.values())
    files = "1 file is" if count == 1 else f"{count} files are"
    return f"{files} passed over, for pictures of their kind are not read: {named} (save them as PNG)"


def _nested(paths: Iterable[Path]) -> str | None:
    """Where pictures lie in the folders of a folder, which of these; None where there are none."""
    inner = sorted(path for path in paths if path.is_dir() and _holds_pictures(path))
    if not inner:
        return None
    named = ", ".join(path.name for path in inner[:3]) + (f" and {len(inner) - 3} more" if len(inner) > 3 else "")
    return f"pictures lie in its subfolders ({named}): give one of these, or put all pictures into one folder"


def _holds_pictures(folder: Path) -> bool:
    try:
        return any(os.path.splitext(name)[1].lower() in SUFFIXES for name in os.listdir(folder))  # noqa: PTH122, PTH208
    except OSError:
        return False


def by_stem(paths: list[Path], suffix: str | None = None) -> dict[str, Path]:
    """Pictures keyed by file name without suffix, in Unicode's composed form (NFC): macOS writes names decomposed.

    Args:
        suffix: an end of the names that is left out of the keys, as in NAME_00.png; every name must have it.

    Raises:
        DataError: two pictures share a stem; names both. A name without `suffix`.
    """
    keyed: dict[str, Path] = {}
    for path in paths:
        stem = unicodedata.normalize("NFC", path.stem)
        if suffix is not None:
            end = unicodedata.normalize("NFC", suffix)
            if not stem.endswith(end) or stem == end:
                raise DataError(f"{path}: its name does not end in {suffix}, as --suffix says that all do")
            stem = stem.removesuffix(end)
        if stem in keyed:
            raise DataError(f"two pictures are called {stem!r}: {keyed[stem]} and {path}")
        keyed[stem] = path
    return keyed


def pair_by_stem(left: Path, right: Path, suffix: str | None = None) -> list[tuple[str, Path, Path]]:
    """(stem, left file, right file) of two folders, sorted by stem.

    Args:
        suffix: what stands behind the stem in the names of `left`.

    Raises:
        DataError: some pictures have no partner; lists them, and says so where one side's names all end alike.
    """
    a, b = by_stem(list_images(left), suffix), by_stem(list_images(right))
    alone = [f"  {a[s]}: none in {right}" for s in sorted(a.keys() - b.keys())]
    alone += [f"  {b[s]}: none in {left}" for s in sorted(b.keys() - a.keys())]
    if alone:
        shown = alone[:_SHOWN] + ([f"  ... and {len(alone) - _SHOWN} more"] if len(alone) > _SHOWN else [])
        shown += _hints(left, right, a, b)
        raise DataError(f"{counted(len(alone), 'picture')} without a partner of the same name:\n" + "\n".join(shown))
    return [(stem, a[stem], b[stem]) for stem in sorted(a)]


def _hints(left: Path, right: Path, a: dict[str, Path], b: dict[str, Path]) -> list[str]:
    found = []
    if end := common_end(a, b):
        found.append(f"  all {len(a)} names in {left} end in {end}: score them with --suffix={end}")
    elif end := common_end(b, a):
        found.append(f"  all {len(b)} names in {right} end in {end}: rename them, or exchange the folders")
    for folder in (left, right):
        here = [path for path in folder.iterdir() if not path.name.startswith(".")]
        found += [f"  {folder}: {hint}" for hint in (_passed_over(here), _nested(here)) if hint]
    return found


def common_end(ours: Iterable[str], theirs: Iterable[str]) -> str | None:
    """What all of our names end in, where without it most of them are among theirs: `_00`, `_SPARNet`."""
    names, others = list(ours), set(theirs)
    if len(names) < min(_FEWEST, len(others)) or not names:
        return None
    alike = 0
    while all(name[-1 - alike :] == names[0][-1 - alike :] for name in names) and alike < len(names[0]):
        alike += 1
    ends = [names[0][-length:] for length in range(1, alike + 1)]
    counted = {end: sum(name.removesuffix(end) in others for name in names) for end in ends}
    best = max(counted, key=lambda end: (counted[end], -len(end)), default=None)
    return best if best is not None and 2 * counted[best] > len(names) else None
