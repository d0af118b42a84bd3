"""Results folders of strangers by the hundred: nothing outside is read into the site, written or removed."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facesr_bench.base.errors import ResultsError
from facesr_bench.report import site
from facesr_bench.report.site.ownership import EARLIER, FOLDER, LIST
from facesr_bench.results.checks import sealed
from tests.report_fixtures import drawing, manifest, scored, write_result

SECRET = "BEGIN-SECRET-KEY"
IDS = ["a", "../../../victim/picture", "/etc/passwd", "..", "x\0y", "b/c"]

_opened: list[str] = []
_watching: list[bool] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        _opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(_watch)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of two methods with their site, a site elsewhere, and a folder of somebody else beside them."""
    from facesr_bench.images.files import write_png

    home = tmp_path_factory.mktemp("template")
    rows = scored({name: {"psnr": 20.0 + place, "ssim": 0.5} for place, name in enumerate(IDS)})
    for label in ("bicubic", "../../victim"):
        result = write_result(home / "results", manifest(label, total=len(IDS)), rows, pictures=True)
        result.save_sets({})
        (result.folder / "attention/a").mkdir(parents=True)
        write_png(result.folder / "attention/a/1.png", drawing(1)[..., 0])
    victim = home / "victim"
    (victim / "sr").mkdir(parents=True)
    for name in ("picture.png", "sr/a.png"):
        write_png(victim / name, drawing(7))
    for name in ("manifest.json", "images.jsonl", "sets.json", "provenance.html", "written.txt", "copied.txt"):
        (victim / name).write_text(json.dumps({"id": "a", "error": SECRET, "reference": SECRET}) + "\n")
    site.build(home / "results")
    site.build(home / "results", home / "out")
    return home


Attack = Callable[[random.Random, Path], None]


def a_link_in_place_of_something(chance: random.Random, home: Path) -> None:
    """Any file or folder of the results or of either site, as a link to a file or folder of somebody else."""
    root = home / chance.choice(["results", "out", f"results/{FOLDER}", f"out/{FOLDER}"])
    there = [path for path in sorted(root.rglob("*")) if not path.is_symlink()]
    _link(chance, home, chance.choice(there or [root / "index.html"]))


def the_folder_of_pages_as_a_link(chance: random.Random, home: Path) -> None:
    root = home / chance.choice(["results", "out"])
    _link(chance, home, root / chance.choice([FOLDER, EARLIER, f"{FOLDER}/boards", f"{FOLDER}/assets"]))


def a_link_in_place_of_data(chance: random.Random, home: Path) -> None:
    names = ("sets.json", "images.jsonl", "manifest.json", "sr", "sr/*.png", "maps/*.png", "attention", "attention/*")
    found = [path for name in names for path in sorted((home / "results").glob(f"*/*/*/{name}"))]
    _link(chance, home, chance.choice(found or [home / "results/toy-x8"]))


def a_list_that_names_what_is_outside(chance: random.Random, home: Path) -> None:
    root = home / chance.choice(["results", "out"])
    name = chance.choice([f"{FOLDER}/{LIST}", f"{EARLIER}/copied.txt"])
    path = root / name
    if name.startswith(EARLIER) and not path.parent.is_symlink():
        shutil.rmtree(root / FOLDER, ignore_errors=True)
        (root / EARLIER).mkdir(exist_ok=True)
        (root / EARLIER / "provenance.html").write_text("facesr-bench")
    if path.parent.is_symlink() or not path.parent.is_dir():
        return
    entries = [
        str(home / "victim/sets.json"),
        "../victim/sets.json",
        f"{FOLDER}/../../victim/picture.png",
        "a//b",
        "..",
    ]
    with path.open("a") as stream:
        stream.write(f"{chance.choice(entries)}\n")


def inputs_that_climb(chance: random.Random, home: Path) -> None:
    for path in sorted((home / "results").glob("*/*/*/manifest.json")):
        if path.is_symlink() or (home / "victim").samefile(path.parent):
            continue
        data = json.loads(path.read_text())
        data["data"][chance.choice(["inputs", "hash"])] = chance.choice(
            ["../../../victim", "../../victim", "..", ".", "/etc", str(home / "victim"), "../bicubic"]
        )
        path.write_text(sealed(json.dumps(data)))


def names_that_climb(chance: random.Random, home: Path) -> None:
    for path in sorted((home / "results").glob("*/*/*/manifest.json")):
        if path.is_symlink() or (home / "victim").samefile(path.parent):
            continue
        data = json.loads(path.read_text())
        for part in ("protocol", "profile"):
            data[part]["name"] = chance.choice(["../../victim", str(home / "victim"), "..", "toy-x8"])
        path.write_text(sealed(json.dumps(data)))


ATTACKS: list[Attack] = [
    a_link_in_place_of_something,
    the_folder_of_pages_as_a_link,
    a_link_in_place_of_data,
    a_list_that_names_what_is_outside,
    inputs_that_climb,
    names_that_climb,
]


def _link(chance: random.Random, home: Path, path: Path) -> None:
    victim = home / "victim"
    if not path.parent.is_dir() or path.parent.resolve().is_relative_to(victim):
        return
    names = ["", "sr", "picture.png", "sets.json", "images.jsonl", "manifest.json", "absent"]
    target = victim / (path.name if (victim / path.name).exists() else chance.choice(names))
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target if chance.random() < 0.5 else os.path.relpath(target, path.parent.resolve()))


def state(root: Path, *but: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file outside of some folders: links to it, when it was changed, and what it holds."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(folder) / name not in but]
        found[folder] = (0, 0, b"")
        for name in names:
            path = Path(folder) / name
            found[str(path)] = (path.lstat().st_nlink, path.lstat().st_mtime_ns, path.read_bytes())
    return found


def _files(root: Path) -> Iterator[Path]:
    """Every file below a folder; nothing where an attack made the folder itself a link to somebody else's."""
    walked = () if root.is_symlink() else os.walk(root)
    return (Path(folder) / name for folder, _, names in walked for name in names)


@pytest.mark.parametrize("rounds", [24, pytest.param(600, marks=pytest.mark.full)])
def test_nothing_outside_is_read_written_or_removed(template: Path, tmp_path: Path, rounds: int) -> None:
    refused = 0
    for number in range(rounds):
        chance = random.Random(number)
        home = tmp_path / str(number)
        shutil.copytree(template, home)
        attacks = [ATTACKS[number % len(ATTACKS)], *chance.choices(ATTACKS, k=chance.randrange(3))]
        for attack in attacks:
            attack(chance, home)
        said = f"round {number}: {[attack.__name__ for attack in attacks]}"
        results, out = home / "results", home / "out"
        before = state(home, results, out)
        _opened.clear()
        _watching.append(True)
        for target in (None, out):
            try:
                site.build(results, target)
            except ResultsError:
                refused += 1
        _watching.clear()
        assert state(home, results, out) == before, said
        victim = (home / "victim").resolve()
        read = {name for name in _opened if Path(name).resolve().is_relative_to(victim)}
        assert not read, said
        pages = [path for path in (*_files(out), *_files(results / FOLDER)) if not path.is_symlink()]
        assert not [path for path in pages if SECRET.encode() in path.read_bytes()], said
        shutil.rmtree(home)
    assert 0 < refused < 2 * rounds
