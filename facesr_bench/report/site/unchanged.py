"""Whether a site is as a build left it and nothing it was made of has changed: then it is not built again.

What a site was made of: every file of the results folder (manifests, lines and samples by their content, pictures by
size and date, as maps are), the code and templates of this release, the libraries that draw, and the plug-ins whose
cards pages cite. What it consists of: every file that a build wrote, with the date of its last change, which no copy
and no archive can set. A file that was edited, replaced or removed, by whatever hand, brings a whole build.

Both are remembered in the user's cache, never in the results folder: pages that came with somebody else's results are
not ours, whatever they say of themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import FaceSRBenchError, ResultsError
from facesr_bench.base.files import read_text, write_json
from facesr_bench.base.hashing import cache_folder
from facesr_bench.plugins import registry
from facesr_bench.plugins.loading import CARD_FILE, bundled_folder
from facesr_bench.report.site.ownership import EARLIER, FOLDER

MEMORY = "sites.json"
MOST = 256
"""Sites that are remembered; of more the newest."""
_TEXTS = (".json", ".jsonl")
"""What is read, however it is dated."""
_OF_RUNS = (".lock", ".lock.json", ".partial")
"""Ends of names of what only runs at work have."""
_NOT_SHOWN = frozenset({"features", "references"})
"""Folders of results that no page reads: what comes of them is in sets.json."""
_LIBRARIES = ("jinja2", "markupsafe", "matplotlib", "numpy", "opencv-python", "pillow", "pydantic", "scipy", "seaborn")


class _UnsureError(Exception):
    """There is something that this can't vouch for."""


def made_of(results_root: Path, root: Path) -> str | None:
    """A hash of all that a site is made of, to be taken before any of it is read.

    Args:
        root: the folder of the site.

    Returns:
        None where it can't be told, as where the results hold links or something can't be read: then build.
    """
    digest = hashlib.sha256(f"{results_root.resolve()}\n{root.resolve()}\n{platform.python_version()}\n".encode())
    try:
        for part in (_results(results_root, root.resolve()), _code(), _libraries(), _plugins()):
            for line in part:
                digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    except (OSError, _UnsureError, FaceSRBenchError):
        return None
    return digest.hexdigest()


def state_of(path: Path) -> str:
    """A file as it is on disk now: size, dates and place.

    A picture that is a link to the result's own is that picture; each further link changes the date of its last change.

    Raises:
        OSError: it is not there.
    """
    found = path.stat()
    changed = found.st_ctime_ns if found.st_nlink == 1 else ""
    return f"{found.st_size} {found.st_mtime_ns} {changed} {found.st_ino}"


def stands(root: Path, names: Iterable[str], made: str) -> bool:
    """Whether the site in a folder is one that a build of this user made of just this, whole and untouched.

    Args:
        names: the files that its list says it consists of, from `root` on.
        made: of `made_of`.
    """
    known = _read().get(str(root.resolve()))
    if not isinstance(known, dict) or known.get("made of") != made:
        return False
    try:
        return known.get("files") == _hash({name: state_of(root / name) for name in names})
    except OSError:
        return False


def remember(root: Path, files: Mapping[str, str], made: str) -> None:
    """Note a site that has just been built.

    Args:
        files: the state of each file when it was written or found to be right, by its name from `root` on.
        made: what `made_of` gave before anything was read.
    """
    known = {name: each for name, each in _read().items() if name != str(root.resolve())}
    known[str(root.resolve())] = {"made of": made, "files": _hash(files)}
    with suppress(ResultsError):  # only a saving of time: a read-only cache is no reason to fail
        write_json(cache_folder() / MEMORY, dict(list(known.items())[-MOST:]))


def _hash(files: Mapping[str, str]) -> str:
    lines = (f"{name}\0{state}\n" for name, state in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _read() -> dict[str, Any]:
    try:
        known = json.loads(read_text(cache_folder() / MEMORY))
    except (OSError, ValueError, RecursionError):  # nothing is lost but time
        return {}
    return known if isinstance(known, dict) else {}


def _results(folder: Path, site: Path) -> Iterator[str]:
    """A line for each file of a results folder; a site may lie in one, too."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            of_site = entry.name in {FOLDER, EARLIER} or Path(entry.path).resolve() == site
            if entry.is_dir() and not of_site:
                yield from _tree(Path(entry.path), entry.name)


def _tree(folder: Path, name: str, depth: int = 1) -> Iterator[str]:
    if folder.is_symlink():
        raise _UnsureError
    inner = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.is_symlink():
                raise _UnsureError
            if entry.is_dir():
                if not (depth == 3 and entry.name in _NOT_SHOWN):
                    inner.append(entry)
            elif not entry.name.endswith(_OF_RUNS):
                found = entry.stat()
                yield f"{name}/{entry.name}\0{found.st_size} {found.st_mtime_ns}"
                if entry.name.endswith(_TEXTS):
                    yield hashlib.sha256(Path(entry.path).read_bytes()).hexdigest()
    for entry in inner:
        yield from _tree(Path(entry.path), f"{name}/{entry.name}", depth + 1)


def _code() -> Iterator[str]:
    """A line for each file of this package and of its templates."""
    for folder in (Path(__file__).resolve().parents[2], bundled_folder("reports")):
        for at, folders, names in os.walk(folder):
            folders[:] = sorted(each for each in folders if each != "__pycache__")
            yield from (f"{at}/{name}\0{state_of(Path(at, name))}" for name in sorted(names))


def _libraries() -> Iterator[str]:
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def _plugins() -> Iterator[str]:
    """A line for each plug-in that pages may cite or ask for words; what is built in is among the code."""
    plugins: list[registry.Plugin[Any]] = [*registry.datasets().plugins, *registry.metrics().plugins]
    for plugin in plugins:
        own = plugin.source != "built in" and plugin.card is not None
        yield f"{plugin.kind} {plugin.name} {plugin.source} {plugin.folder} {plugin.code_hash() if own else ''}"
        yield state_of(plugin.folder / CARD_FILE)
