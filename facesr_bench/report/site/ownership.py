"""What belongs to a site in a folder that may hold other things, or that somebody else may have made.

A build lists the files that it writes. The next one removes those of the list that it has not written itself, and
nothing else; through a link nothing is written or removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import check_links, inside, own, plain, write_text

FOLDER = "site"
LIST = "written.txt"
EARLIER = "_site"
"""The folder of releases that listed only what they had copied. GitHub Pages leaves out what begins with `_`."""
_PARTS = ("assets", "methods", "boards")
_SUFFIXES = frozenset({".html", ".css", ".js", ".json", ".npz", ".png", ".svg"})


def claim(root: Path) -> set[str]:
    """Make sure that the site's folder is a build's own, and make it so where it is not there.

    Returns:
        What earlier builds have written, as names relative to `root`.

    Raises:
        ResultsError: the folder holds links, or what no build has written; or its list names what is outside.
    """
    for name in (FOLDER, EARLIER):
        check_links(root, root / name, allowed=False)
    listed = root / FOLDER / LIST
    if not listed.is_file():
        _check_free(root / FOLDER)
        old = _read(root, root / EARLIER / "copied.txt")
        write_text(listed, _lines(old))
        return old
    return _read(root, listed)


def is_own(root: Path) -> bool:
    """Whether a build has made the site in this folder."""
    return (root / FOLDER / LIST).is_file() or (root / EARLIER).is_dir()


def settle(root: Path, old: Iterable[str], new: Iterable[str]) -> None:
    """List what this build has written, and remove what only earlier ones have.

    Raises:
        ResultsError: the list can't be written, or something is a link or can't be removed.
    """
    kept = {*new, f"{FOLDER}/{LIST}"}
    write_text(root / FOLDER / LIST, _lines(kept))
    for name in sorted(set(old) - kept):
        _remove(root, own(root, name))
    for path in _of_earlier_release(root):
        _remove(root, path)


def _check_free(folder: Path) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ResultsError(f"{folder}: facesr-bench has not made it, and would write its pages there; rename it")


def _read(root: Path, listed: Path) -> set[str]:
    if not listed.is_file():
        return set()
    try:
        names = set(listed.read_text(encoding="utf-8").splitlines())
        for folder in {name.rpartition("/")[0] for name in names} - {""}:
            inside(root, folder)
        for name in names:
            plain(root, name)  # the last part: `own` looks at it where it is removed
    except (OSError, ValueError, ResultsError) as error:
        raise ResultsError(f"{listed}: not as a build writes it ({error}); remove it with its folder") from error
    return names


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in sorted(names))


def _remove(root: Path, path: Path) -> None:
    """A file, with the folders that it leaves empty."""
    try:
        if not path.is_file():
            return
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ResultsError(f"{path}: can't be removed: {error.strerror or error}") from error
    for folder in path.parents:
        if folder == root:
            return
        try:
            folder.rmdir()
        except OSError:
            return  # something else is in it


def _of_earlier_release(root: Path) -> list[Path]:
    """The files of a site as earlier releases made it: what has the names that they gave, and no more."""
    folder = root / EARLIER
    pages = folder / "provenance.html"
    if not pages.is_file() or b"facesr-bench" not in pages.read_bytes():
        return []
    found = [
        Path(at) / name
        for part in _PARTS
        for at, _, names in os.walk(folder / part)
        for name in names
        if Path(name).suffix in _SUFFIXES
    ]
    return [*found, folder / "copied.txt", pages]
