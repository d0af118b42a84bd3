"""The pictures that a site shows, beside it, where it is not in the results folder itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import file_name, own
from facesr_bench.report.site.ownership import is_own
from facesr_bench.report.site.pages import Pages
from facesr_bench.report.site.places import without_places
from facesr_bench.report.site.section import Section
from facesr_bench.results.checks import sealed
from facesr_bench.results.store import IMAGES, MANIFEST, SETS


def check_free(root: Path) -> None:
    """Raises: ResultsError: `root` is a file, or has an index.html that is not this package's."""
    if root.is_dir() and (root / "index.html").exists() and not is_own(root):
        raise ResultsError(f"{root}: it has an index.html that facesr-bench has not made; give another folder")
    if root.exists() and not root.is_dir():
        raise ResultsError(f"{root}: it is a file; give a folder")


def write(pages: Pages, sections: Iterable[Section], results_root: Path) -> None:
    """Put every picture and manifest of these results where the pages look for them.

    Of the places of files, manifests say no more than the pages do.

    Pictures are hard links where the file system can (a run never writes into one: it puts a new file in its place),
    else copies; a picture that is there already is left alone.

    Raises:
        ResultsError: a file can't be written.
    """
    new: set[str] = set()
    for section in sections:
        for source in _files(section):
            name = source.relative_to(results_root).as_posix()
            if name not in new:
                new.add(name)
                target = own(pages.root, name)
                if source.suffix == ".png":
                    _place(source.resolve(), target)
                    pages.keep(target)
                else:
                    pages.write(target, _published(source))


def _files(section: Section) -> Iterator[Path]:
    for row in section.group.rows:
        for name in (MANIFEST, IMAGES, SETS):
            if (row.result.folder / name).is_file():
                yield row.result.folder / name
    names = [f"{file_name(image_id)}.png" for image_id in section.ids]
    if not names:
        return
    folders = [section.lead.result.inputs_folder / part for part in ("lr", "hr")]
    folders += [row.result.folder / "sr" for row in section.shown]
    for folder in folders:
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        yield from (folder / name for name in names if name in there)


def _published(source: Path) -> str:
    """A manifest, or the lines of images, without the places of files."""
    try:
        text = source.read_text(encoding="utf-8")
        if source.name != IMAGES:
            return sealed(json.dumps(without_places(json.loads(text)), indent=2, ensure_ascii=False) + "\n")
        lines = (json.loads(line) for line in text.split("\n")[:-1] if line.strip())
        return "".join(f"{sealed(json.dumps(_row(line), ensure_ascii=False))}\n" for line in lines)
    except (OSError, ValueError) as error:
        raise ResultsError(f"{source}: can't be read ({error})") from error


def _row(line: Any) -> Any:
    """An image's id is no place, even where it looks like one."""
    return without_places(line) | {"id": line["id"]} if isinstance(line, dict) and "id" in line else line


def _place(source: Path, target: Path) -> None:
    try:
        if target.is_file():
            old, new = target.stat(), source.stat()
            if (old.st_mtime_ns, old.st_size) == (new.st_mtime_ns, new.st_size):
                return
            target.unlink()
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another file system, or one without links
        shutil.copy2(source, target)
    except OSError as error:
        raise ResultsError(f"{target}: can't be written: {error.strerror or error}") from error
