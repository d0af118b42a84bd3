"""Results on disk: one folder per (protocol, method, fingerprint).

    results/<protocol>/inputs/<hash>/{lr,hr}/<id>.png             what every method was given, once
                                    /references/<what>/<id>.npy   what depends on the ground truth alone
                                    /samples.jsonl                landmarks and identity of each, one line per image
    results/<protocol>/<method>/<fingerprint>/manifest.json       provenance
                                             /images.jsonl        append-only, one line per image
                                             /sr/<id>.png         the image that was scored
                                             /maps/<metric>/<id>.png   where a metric's value comes from
                                             /features/<what>/<id>.npy   for metrics of the whole set
                                             /sets.json           the values of those
                                             /programs.log        what other programs wrote that the method started

Everything else (tables, pages) is derived and can be rebuilt.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from facesr_bench.base.errors import ResultsError
from facesr_bench.base.files import check_links, file_name, inside, write_text
from facesr_bench.results.checks import DamagedError, read_document, write_document
from facesr_bench.results.image_record import ImageRecord, merged
from facesr_bench.results.migrations import known, migrated
from facesr_bench.results.record import LAST_ORDER, SCHEMA, Manifest

MANIFEST = "manifest.json"
LOG = "programs.log"
IMAGES = "images.jsonl"
SETS = "sets.json"
CHECKED = 3
"""The first version of the format whose every file bears a checksum."""


class Result:
    """One result folder. Reading is tolerant of a torn last line; writing appends whole lines.

    Args:
        checked: whether each of its files must bear a checksum; those of earlier releases bear none.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, checked: bool = True) -> None:
        self.folder = folder
        self.manifest = manifest
        self.damaged: list[Path] = []
        """Files that were not as written, and were computed again."""
        self._checked = checked
        self._stream: TextIO | None = None

    @property
    def protocol(self) -> str:
        """The name of its protocol."""
        return self.manifest.protocol.name

    @property
    def method(self) -> str:
        """The method's name, without its weights."""
        return self.manifest.method.name

    @property
    def weights(self) -> str:
        """The name (or file) of its weights; empty for methods without."""
        return self.manifest.method.weights or ""

    @property
    def label(self) -> str:
        """What tables call the row: method, weights unless default, backend and precision unless usual."""
        return self.manifest.method.label

    @property
    def profile(self) -> str:
        """The name of its convention."""
        return self.manifest.profile.name

    @property
    def row(self) -> tuple[str, str, str]:
        """Which row of tables it is for, by protocol, profile and label; of several the newest is shown."""
        return self.protocol, self.profile, self.label

    @property
    def place(self) -> tuple[bool, int, str]:
        """Which of several results of one row is the newest: the one of the greatest place.

        Of a method that can't be loaded there is an empty result, and after it the record that says why: both give way
        to one with images. The time decides only among results from before they were counted.
        """
        return (self.folder / IMAGES).is_file(), self.manifest.order, self.manifest.updated

    @property
    def inputs_folder(self) -> Path:
        """Where the LR and HR images of this result are: `lr/<id>.png`, `hr/<id>.png`.

        Raises:
            ResultsError: the manifest names a place outside of the folder of inputs.
        """
        data = self.manifest.data
        name = (data.inputs or data.hash)[:16]
        if "/" in name:
            raise ResultsError(f"{self.folder / MANIFEST}: damaged, its inputs can't be called {name!r}")
        return inside(self.folder.parent.parent, f"inputs/{name}")

    def sr_path(self, image_id: str) -> Path:
        """Where the method's picture of an image is."""
        return self.folder / "sr" / f"{file_name(image_id)}.png"

    def require_pictures(self, what: str) -> None:
        """Refuse what needs the pictures of a result whose pictures were not kept.

        Args:
            what: needs them, as in `a bundle`.

        Raises:
            ResultsError: says how they can be had.
        """
        if not self.manifest.unkept:
            return
        good = [row for row in self.images.values() if row.error is None]
        lacking = sum(not self.sr_path(row.id).is_file() for row in good)
        if lacking:
            raise ResultsError(
                f"{self.folder}: {lacking} of its {len(good)} pictures were not kept (run --keep none), and {what} "
                "needs them; the same run with --keep sr --resume never makes them anew"
            )

    def metric_map_path(self, key: str, image_id: str) -> Path:
        """Where the map of one metric's value is: 16-bit gray, see `images.maps.write_map`."""
        return self.folder / "maps" / file_name(key) / f"{file_name(image_id)}.png"

    def features_path(self, extractor: str, image_id: str) -> Path:
        """Where the features of an image's picture are: a .npy of an extractor."""
        return self.folder / "features" / file_name(extractor) / f"{file_name(image_id)}.npy"

    def sets(self) -> dict[str, dict[str, Any]]:
        """What the metrics of the whole set came to, by metric: see `facesr_bench.evaluation.set_metrics`.

        Raises:
            DamagedError: the file is not as it was written.
            ResultsError: it can't be read.
        """
        path = self.folder / SETS
        try:
            found: dict[str, dict[str, Any]] = read_document(path, lambda _: self._checked)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ResultsError(f"{path}: can't be read: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise DamagedError(f"{path}: damaged ({error}); the same run again computes it anew") from error
        return found

    def save_sets(self, sets: Mapping[str, Mapping[str, Any]]) -> None:
        """Write what metrics of the whole set came to; ResultsError if it can't be."""
        write_document(self.folder / SETS, sets)

    def rows(self) -> dict[str, ImageRecord]:
        """Every image, by id, in the order first written; later lines of an image complete or replace earlier ones.

        Raises:
            DamagedError: a line is not as it was written.
            ResultsError: the file can't be read.
        """
        rows: dict[str, ImageRecord] = {}
        for number, row in self._lines():
            if isinstance(row, str):
                raise DamagedError(
                    f"{self.folder / IMAGES}, line {number}: damaged ({row}); the same run again computes it anew"
                )
            rows[row.id] = merged(rows[row.id], row) if row.id in rows else row
        return rows

    def _lines(self) -> Iterator[tuple[int, ImageRecord | str]]:
        """The record that each line holds, or what is wrong with it."""
        path = self.folder / IMAGES
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ResultsError(f"{path}: can't be read: {error.strerror or error}") from error
        # What stands after the last newline is torn: the run was killed while writing it, and the image is computed
        # again. It may lack the newline alone; but `append` cuts it off, so it must not count here.
        *lines, _ = data.split(b"\n")
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield number, ImageRecord.from_json(line, required=self._checked)
                except ValueError as error:
                    yield number, str(error)

    def mend(self) -> list[str]:
        """Leave out what is damaged, so that a run computes it anew, and give every line and file its checksum.

        Returns:
            What was damaged, one text for each file.

        Raises:
            ResultsError: a file can't be read or written.
        """
        said = []
        try:
            self.images  # noqa: B018 - read once, here and by whoever asks next
        except DamagedError:
            found = list(self._lines())
            bad = sum(isinstance(row, str) for _, row in found)
            said.append(f"{bad} of {len(found)} lines of {IMAGES} were damaged; their images are computed anew")
            self._rewrite([row for _, row in found if not isinstance(row, str)])
        else:
            if not self._checked and self.images:
                self._rewrite(list(self.images.values()))
        try:
            if (sets := self.sets()) and not self._checked:
                self.save_sets(sets)
        except DamagedError:
            said.append(f"{SETS} was damaged; what it held is computed anew")
            self.save_sets({})
        self._checked = True
        return said

    def _rewrite(self, rows: Sequence[ImageRecord]) -> None:
        self.__dict__.pop("images", None)
        write_text(self.folder / IMAGES, "".join(f"{row.to_json()}\n" for row in rows))

    @cached_property
    def images(self) -> dict[str, ImageRecord]:
        """`rows` as they were when first asked for, to read and not to change: a report asks many times."""
        return self.rows()

    def append(self, row: ImageRecord) -> None:
        """Add one line, whole and at once.

        Raises:
            ResultsError: the disk is full or not writable.
        """
        self.__dict__.pop("images", None)
        try:
            if self._stream is None:
                path = self.folder / IMAGES
                _cut_torn_line(path)
                self._stream = path.open("a", encoding="utf-8")
            self._stream.write(row.to_json() + "\n")
            self._stream.flush()
        except OSError as error:
            raise ResultsError(f"{self.folder / IMAGES}: can't be written: {error.strerror or error}") from error

    def leave_out_pictures(self) -> None:
        """Say in the manifest that pictures are not kept from now on.

        Raises:
            ResultsError: it can't be written.
        """
        if not self.manifest.unkept:
            self.manifest = self.manifest.model_copy(update={"unkept": True})
            self.save_manifest()

    def save_manifest(self) -> None:
        """Write the manifest with its checksum; ResultsError if it can't be."""
        write_document(self.folder / MANIFEST, self.manifest.to_json())

    def clear(self) -> None:
        """Forget every image, and that pictures were left out: the old lines are kept beside, as
        images.jsonl.previous.

        Raises:
            ResultsError: the folder can't be written.
        """
        self.__dict__.pop("images", None)
        self.close()
        self.manifest = self.manifest.model_copy(update={"unkept": False})
        path = self.folder / IMAGES
        try:
            if path.exists():
                os.replace(path, path.with_name(IMAGES + ".previous"))
            shutil.rmtree(self.folder / "features", ignore_errors=True)
            (self.folder / SETS).unlink(missing_ok=True)
        except OSError as error:
            raise ResultsError(f"{path}: can't be put aside: {error.strerror or error}") from error

    def close(self) -> None:
        """Close images.jsonl; every line in it is whole."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _cut_torn_line(path: Path) -> None:
    """Drop what a killed run left after the last newline, so that the next line starts on its own."""
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)


def open_result(folder: Path) -> Result:
    """Read one result folder.

    Raises:
        DamagedError: its manifest is not as it was written.
        ResultsError: no manifest, or one of a version this release doesn't know; or it or its inputs are, or hold,
            links out of the results folder.
    """
    root = folder.parent.parent.parent
    check_links(root, folder)
    result = _opened(folder)
    check_links(root, result.inputs_folder)
    return result


def _opened(folder: Path) -> Result:
    path = folder / MANIFEST
    anew = f"remove the folder {folder} and run again"
    try:
        manifest = read_document(path, _is_checked)
    except OSError as error:
        raise ResultsError(f"{path}: can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: damaged ({error}); {anew}") from error
    version = manifest.get("schema_version")
    if version is None:
        raise DamagedError(f"{path}: not the manifest of a result; {anew}")
    if not known(version):
        raise ResultsError(
            f"{path}: results of format {version!r}, but this release reads format {SCHEMA}; "
            "read them with the release that wrote them, or run again"
        )
    try:
        return Result(folder, Manifest.from_json(migrated(manifest)), checked=_is_checked(manifest))
    except KeyError as error:
        raise DamagedError(f"{path}: damaged, without {error}; {anew}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path}: damaged ({error}); {anew}") from error


def _is_checked(manifest: Mapping[str, Any]) -> bool:
    version = manifest.get("schema_version")
    return isinstance(version, int) and CHECKED <= version <= SCHEMA


def all_results(root: Path) -> Iterator[Result]:
    """Every result under a results folder, by protocol, method and age.

    Raises:
        ResultsError: `root` doesn't exist, or one of its results can't be read.
    """
    yield from map(open_result, _folders(root))


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise ResultsError(f"{root}: no such results folder; make one with `facesr-bench run --out {root}`")
    return [manifest.parent for manifest in sorted(root.glob(f"*/*/*/{MANIFEST}"))]


@dataclass(frozen=True)
class Stored:
    """What a results folder holds.

    Attributes:
        results: the newest result of each (protocol, profile, label); superseded fingerprints are left out.
        unreadable: why a result can't be read, one text for each.
    """

    results: list[Result]
    unreadable: list[str]


def read_results(root: Path) -> Stored:
    """The newest results of a folder, images and all; one that can't be read costs none of the others.

    A record that the method could not be loaded gives way to any result that has images.

    Raises:
        ResultsError: `root` doesn't exist.
    """

    every = read_every_result(root)
    found, unreadable = [], list(every.unreadable)
    for result in newest_of_rows(every.results):
        try:
            result.images  # noqa: B018 - reads them; an older result must not take the place of a damaged one
            result.sets()
        except ResultsError as error:
            unreadable.append(str(error))
        else:
            found.append(result)
    return Stored(found, unreadable)


def newest_of_rows(results: Iterable[Result]) -> list[Result]:
    """The newest result of each row (protocol, profile, label), in the order given."""
    newest: dict[tuple[str, str, str], Result] = {}
    for result in results:
        if result.row not in newest or result.place > newest[result.row].place:
            newest[result.row] = result
    return list(newest.values())


def read_every_result(root: Path, but: Collection[Path] = ()) -> Stored:
    """All results of a folder, superseded ones too; one that can't be read costs none of the others.

    Args:
        but: the folders of results that are known already, and left out.

    Raises:
        ResultsError: `root` doesn't exist.
    """
    found, unreadable = [], []
    for folder in (folder for folder in _folders(root) if folder not in but):
        try:
            found.append(open_result(folder))
        except ResultsError as error:
            unreadable.append(str(error))
    return Stored(found, unreadable)


def next_order(root: Path, folder: Path) -> int:
    """The place among all results of a results folder of one that a run asks for now: behind every other.

    One that is already the last of its row keeps its place, so that asking again changes no file.

    Args:
        folder: of the result, which need not exist.
    """
    own = _order_of(folder / MANIFEST)
    others = [_order_of(path) for path in folder.parent.glob(f"*/{MANIFEST}") if path.parent != folder]
    if own is not None and all(other is None or other < own for other in others):
        return own[0]
    orders = [found[0] for path in root.glob(f"*/*/*/{MANIFEST}") if (found := _order_of(path)) is not None]
    return min(max(orders, default=0) + 1, LAST_ORDER)


def _order_of(path: Path) -> tuple[int, str] | None:
    """A manifest's place, of the results from before they were counted the time; None if it can't be read."""
    try:
        manifest = json.loads(path.read_bytes())
        order, updated = manifest.get("order", 0), manifest["updated"]
    except (OSError, ValueError, KeyError, AttributeError, RecursionError):
        return None
    valid = isinstance(order, int) and 0 <= order <= LAST_ORDER and isinstance(updated, str)
    return (order, updated) if valid else None


FOLDER = "attention"


MEAN = "%mean"
"""No image's folder is called so: a per cent sign in an id is written %25."""
